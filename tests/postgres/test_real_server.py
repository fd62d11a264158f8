"""The same platform on a server that somebody else runs: over TCP, with passwords and two roles."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres.by_hand import by_hand

_SETUP = """
CREATE ROLE town_owner LOGIN PASSWORD 'owner-secret';
CREATE ROLE town_kernel NOLOGIN;
CREATE ROLE town_app LOGIN PASSWORD 'app-secret';
GRANT town_kernel TO town_owner WITH SET TRUE, INHERIT FALSE;
"""


@pytest.fixture(scope="module")
def town() -> Iterator[tuple[str, str]]:
    """Addresses (application's, owner's) on a server started by hand, prepared as the operations manual says."""
    with by_hand() as master:
        with psycopg.connect(master, autocommit=True) as admin:
            for statement in _SETUP.strip().splitlines():
                admin.execute(statement)  # type: ignore[call-overload]
            admin.execute("CREATE DATABASE town OWNER town_owner")
        place = master.partition("@")[2].partition("/")[0]
        yield f"postgresql://town_app:app-secret@{place}/town", f"postgresql://town_owner:owner-secret@{place}/town"


def gongzhi(town: tuple[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": town[0], "DATABASE_OWNER_URL": town[1]}
    return subprocess.run(
        [sys.executable, "-m", "gongzhi.cli.main", *arguments], env=environment, capture_output=True, text=True
    )


def test_the_city_is_installed_by_an_owner_without_any_special_right(town: tuple[str, str]) -> None:
    first = gongzhi(town, "init")
    assert first.returncode == 0, first.stderr
    assert "2,007" in first.stdout
    second = gongzhi(town, "init")
    assert "没有改变" in second.stdout
    check = gongzhi(town, "check", "--json")
    assert check.returncode == 0, check.stdout
    assert check.stdout.splitlines()[-1] == '{"ok": true, "findings": []}'


def test_the_door_holds_there_too(town: tuple[str, str]) -> None:
    with psycopg.connect(town[0]) as app:
        assert app.execute("SELECT count(*) FROM register").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("INSERT INTO register DEFAULT VALUES")
    for role, secret in (("town_app", "wrong"), ("town_kernel", "")):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(town[0].replace("town_app:app-secret", f"{role}:{secret}"))


def test_a_wrong_password_or_half_an_address_is_told_in_one_line(town: tuple[str, str]) -> None:
    done = gongzhi((town[0], town[1].replace("owner-secret", "wrong")), "init")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    done = gongzhi((town[0], ""), "init")
    assert done.returncode == 2
    assert "DATABASE_OWNER_URL" in done.stderr
