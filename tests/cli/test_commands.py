"""Commands as scripts meet them: exit codes, one line of complaint, one JSON value as the last line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gz-cli"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def gongzhi(home: Path, *arguments: str, said: str = "", **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GONGZHI_HOME": str(home), **changed}
    return subprocess.run(
        [sys.executable, "-m", "gongzhi.cli.main", *arguments], input=said, env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


def last(done: subprocess.CompletedProcess[str]) -> object:
    return json.loads(done.stdout.splitlines()[-1])


def test_services_are_listed_without_a_database(tmp_path: Path) -> None:
    done = gongzhi(tmp_path, "services", "--json")
    assert done.returncode == 0, done.stderr
    listed = last(done)
    assert isinstance(listed, list)
    by_code = {one["code"]: one for one in listed}
    assert {"request", "house", "inspection"} <= set(by_code)
    assert by_code["request"]["records"] is None
    assert {"filed", "answered"} <= set(by_code["request"]["stages"])
    assert not (tmp_path / "postgres").exists()


def test_an_action_shows_its_function(tmp_path: Path) -> None:
    done = gongzhi(tmp_path, "kernel", "show", "request", "accept")
    assert "SECURITY DEFINER" in done.stdout
    assert "kernel.allowed" in done.stdout
    for wrong in (("nothing", "accept"), ("request", "nothing")):
        done = gongzhi(tmp_path, "kernel", "show", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert "现有" in done.stderr


def test_init_is_idempotent_and_stops_the_server_it_started(home: Path) -> None:
    first = gongzhi(home, "init")
    assert first.returncode == 0, first.stderr
    assert "2,007" in first.stdout
    assert "没有改变" in gongzhi(home, "init").stdout
    assert not list((home / "postgres" / "run").glob(".s.PGSQL.5432"))
    assert last(gongzhi(home, "check", "--json")) == {"ok": True, "findings": []}


def test_sql_answers_rows_and_the_application_sees_none(home: Path) -> None:
    as_owner = gongzhi(home, "db", "sql", "select count(*) as places from place", "--as", "owner", "--json")
    assert last(as_owner) == [{"places": 2007}]
    assert last(gongzhi(home, "db", "sql", "select * from register -- none\n;", "--json")) == []
    services = last(gongzhi(home, "services", "--json"))
    assert isinstance(services, list)
    assert services[0]["records"] == 0
    refused = gongzhi(home, "db", "sql", "delete from register returning id", "--json")
    assert refused.returncode == 2
    assert "permission denied" in refused.stderr
    assert last(refused) == {"error": refused.stderr.strip()}


def test_a_password_lets_the_first_administrator_in(home: Path) -> None:
    assert gongzhi(home, "account", "password", "boss", said="short\n").returncode == 2
    done = gongzhi(home, "account", "password", "boss", said="long-enough\n")
    assert done.returncode == 0, done.stderr
    assert "新建的管理员" in done.stdout
    again = gongzhi(home, "account", "password", "boss", said="another-one\n")
    assert "新建" not in again.stdout


def test_a_table_is_imported_by_command(home: Path, tmp_path: Path) -> None:
    gongzhi(home, "init", "--sample", "small")
    table = tmp_path / "工单.csv"
    table.write_text(
        "工单编号,来电时间,诉求内容\n1,2026-11-20 10:00,路灯不亮\n2,2026-02-30,没有这一天\n", encoding="gb18030"
    )
    done = gongzhi(home, "intake", "import", str(table), "--service", "request", "--map", "hotline", "--json")
    assert done.returncode == 0, done.stderr
    told = last(done)
    assert isinstance(told, dict)
    assert (told["read"], told["loaded"], told["quarantined"], told["unchanged"]) == (2, 1, 1, 0)
    again = last(gongzhi(home, "intake", "import", str(table), "--service", "request", "--map", "hotline", "--json"))
    assert isinstance(again, dict)
    assert (again["loaded"], again["unchanged"]) == (0, 1)
    missing = gongzhi(
        home, "intake", "import", str(tmp_path / "nothing.csv"), "--service", "request", "--map", "hotline"
    )
    assert (missing.returncode, len(missing.stderr.strip().splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (("init", "--city", "atlantis"), {}), (("real", "--no-serve"), {"GONGZHI_DATA": ""}),
        (("real", "--no-serve"), {"GONGZHI_DATA": "/nonexistent"}), (("unknown",), {}), (("db", "sql"), {}),
        (("init",), {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x", "DATABASE_OWNER_URL": "postgresql://n@127.0.0.1:1/x"}),
    ],
)  # fmt: skip
def test_bad_input_gets_exit_code_2_and_one_line(
    arguments: tuple[str, ...], changed: dict[str, str], home: Path
) -> None:
    done = gongzhi(home, *arguments, **changed)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_no_command_stands_without_being_built(tmp_path: Path) -> None:
    for command in ("ledger", "keys", "feeds", "lake", "models", "scorecard", "backup", "restore"):
        assert gongzhi(tmp_path, command).returncode == 2
