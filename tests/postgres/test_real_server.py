"""The same platform on a server that somebody else runs: over TCP, with passwords and two roles."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gongzhi.postgres.osuser import server_user
from gongzhi.postgres.wheel import programs_for

_SETUP = """
CREATE ROLE town_owner LOGIN PASSWORD 'owner-secret';
CREATE ROLE town_kernel NOLOGIN;
CREATE ROLE town_app LOGIN PASSWORD 'app-secret';
GRANT town_kernel TO town_owner WITH SET TRUE, INHERIT FALSE;
"""


@pytest.fixture(scope="module")
def town() -> Iterator[tuple[str, str]]:
    """Addresses (application's, owner's) on a server started by hand, prepared as the operations manual says."""
    folder = Path(tempfile.mkdtemp(prefix="gz-tcp"))
    folder.chmod(0o755)
    data = folder / "data"
    user = server_user(data)
    data.mkdir(mode=0o700)
    user.own(data)
    programs = programs_for(user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = data.parent / "secret"
    secret.write_text("master-secret")
    user.own(secret)
    common = {"cwd": "/", "capture_output": True, "text": True, **user.popen()}
    made = subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "master", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
         "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"], **common
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    with (folder / "out").open("w") as out:
        started = subprocess.run(
            [str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", "/dev/null", "-o", options, "start"],
            cwd="/", stdout=out, stderr=out, **user.popen(),
        )  # fmt: skip
    assert started.returncode == 0, (folder / "out").read_text()
    try:
        with psycopg.connect(f"postgresql://master:master-secret@127.0.0.1:{port}/postgres", autocommit=True) as admin:
            for statement in _SETUP.strip().splitlines():
                admin.execute(statement)  # type: ignore[call-overload]
            admin.execute("CREATE DATABASE town OWNER town_owner")
        yield (
            f"postgresql://town_app:app-secret@127.0.0.1:{port}/town",
            f"postgresql://town_owner:owner-secret@127.0.0.1:{port}/town",
        )
    finally:
        subprocess.run([str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"], **common)
        shutil.rmtree(folder, ignore_errors=True)


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
