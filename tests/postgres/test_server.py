"""The embedded server survives what machines and people do to it."""

import multiprocessing
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gongzhi.postgres.errors import BadUrl, DiskFull, HomeUnusable, WrongVersion
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from gongzhi.postgres.urls import parse, url, with_database

ROOT = os.geteuid() == 0


@pytest.fixture
def home() -> Iterator[Path]:
    """A fresh home that an unprivileged server can reach."""
    folder = Path(tempfile.mkdtemp(prefix="gz"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def says(address: str, sql: str = "SELECT 1") -> object:
    with psycopg.connect(address) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
    return row[0]


def pid(server: Server) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def test_it_starts_is_joined_and_stops_with_the_last_who_leaves(home: Path) -> None:
    first, second = Server(home, durable=False), Server(home, durable=False)
    try:
        address = first.start()
        assert says(address) == 1
        assert second.start() == address
        assert first.stop() is False
        assert says(address) == 1
        assert second.stop() is True
        assert not second.ready()
        assert Server(home, durable=False).stop() is False
    finally:
        second.stop()


def test_the_database_knows_chinese_whatever_the_environment_says(home: Path) -> None:
    server = Server(home, durable=False)
    try:
        address = server.start()
        assert says(address, "SELECT datlocale FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
        assert says(address, "SHOW server_encoding") == "UTF8"
        assert says(address, "SHOW listen_addresses") == ""
        assert server.socket_folder.stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_it_comes_back_after_kill_9_with_what_was_committed(home: Path) -> None:
    server = Server(home)
    try:
        address = server.start()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
        os.kill(pid(server), signal.SIGKILL)
        assert says(server.start(), "SELECT number FROM kept") == 42
    finally:
        server.stop()


def test_a_killed_client_leaves_a_server_that_the_next_joins_and_stops(home: Path) -> None:
    code = "import sys,time; from pathlib import Path; from gongzhi.postgres.server import Server\n"
    code += "s = Server(Path(sys.argv[1]), durable=False); print(s.start(), flush=True); time.sleep(60)"
    client = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
    assert client.stdout
    address = client.stdout.readline().strip()
    client.kill()
    client.wait()
    assert says(address) == 1
    server = Server(home, durable=False)
    assert server.start() == address
    assert server.stop() is True


def test_a_stale_process_id_that_another_process_took_does_not_mislead(home: Path) -> None:
    server = Server(home)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        server.start()
        held = (server.data / "postmaster.pid").read_text()
        os.kill(pid(server), signal.SIGKILL)
        time.sleep(0.3)
        lines = held.splitlines()
        lines[0] = str(stranger.pid)
        (server.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
        assert says(server.start()) == 1
        assert stranger.poll() is None
    finally:
        server.stop()
        stranger.kill()
        stranger.wait()


def test_three_processes_that_start_at_once_on_a_fresh_folder_share_one_server(home: Path) -> None:
    code = "import sys; from pathlib import Path; from gongzhi.postgres.server import Server\n"
    code += "s = Server(Path(sys.argv[1]), durable=False); print(s.start(), (s.data / 'postmaster.pid').read_text().split()[0], flush=True)\n"
    code += "sys.stdin.read(); s.stop()"

    def begin(_: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with ThreadPoolExecutor(3) as pool:
        processes = list(pool.map(begin, range(3)))
    said = {process.stdout.readline() for process in processes if process.stdout}
    assert len(said) == 1
    for process in processes:
        process.communicate("")
    assert not Server(home).ready()


@pytest.mark.parametrize("name", ["有 空格 的目录", "x" * 120, "quote'\"quote", "a,b"])
def test_odd_and_long_homes_work(home: Path, name: str) -> None:
    server = Server(home / name, durable=False)
    try:
        assert says(server.start()) == 1
        assert len(os.fsencode(server.socket_folder)) < 90
        assert parse(server.url())["host"] == str(server.socket_folder)
    finally:
        server.stop()
        assert not server.socket_folder.exists()


def test_one_home_by_two_names_is_one_server(home: Path) -> None:
    (home / "real").mkdir()
    (home / "other name").symlink_to(home / "real")
    first, second = Server(home / "real", durable=False), Server(home / "other name", durable=False)
    try:
        assert first.start() == second.start()
        assert first.stop() is False
    finally:
        assert second.stop() is True


def test_a_socket_folder_that_a_stranger_laid_out_is_refused_and_what_it_points_to_untouched(home: Path) -> None:
    (home / "precious").mkdir()
    before = (home / "precious").stat()
    server = Server(home / ("y" * 120), durable=False)
    server.socket_folder.symlink_to(home / "precious")
    try:
        with pytest.raises(HomeUnusable, match="请删除它后重试"):
            server.start()
        after = (home / "precious").stat()
        assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    finally:
        server.socket_folder.unlink()


def test_it_needs_no_program_of_a_bare_system_and_heeds_no_setting_of_postgresql(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    for name, value in (("PGPORT", "1"), ("PGHOST", "/nowhere"), ("PGDATA", "/nowhere"), ("PGOPTIONS", "-c x=y")):
        monkeypatch.setenv(name, value)
    server = Server(home, durable=False)
    try:
        server.start()
        assert server.ready()
    finally:
        assert server.stop() is True


def test_a_killed_server_whose_query_still_runs_is_waited_for(home: Path) -> None:
    server = Server(home)
    try:
        address = server.start()
        with psycopg.connect(address, autocommit=True) as busy, ThreadPoolExecutor(1) as pool:
            # a computation, which does not look whether its server lives
            running = pool.submit(busy.execute, "SELECT sum(sqrt(i)) FROM generate_series(1, 20000000) i")
            time.sleep(0.5)
            os.kill(pid(server), signal.SIGKILL)
            assert says(server.start()) == 1
            with suppress(psycopg.Error):
                running.result(30)
    finally:
        server.stop()


@pytest.mark.skipif(not ROOT, reason="mounting a small disk needs root")
def test_a_disk_that_filled_up_later_is_told_too_and_nothing_is_lost(home: Path) -> None:
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", str(home)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let root mount")
    server = Server(home)
    try:
        with psycopg.connect(server.start(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
        server.stop()
        with suppress(OSError), (home / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(65536)):
                pass
        with pytest.raises(DiskFull, match="磁盘已满"):
            server.start()
        (home / "filler").unlink()
        assert says(server.start(), "SELECT number FROM kept") == 42
    finally:
        server.stop()
        subprocess.run(["umount", "-l", str(home)], check=True)


def test_data_of_another_major_version_are_left_alone_with_the_way_out(home: Path) -> None:
    server = Server(home)
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("16\n")
    if ROOT:
        shutil.chown(server.data, "nobody")
    with pytest.raises(WrongVersion, match=r"PostgreSQL 16 .*pg_dumpall"):
        server.start()


def test_a_folder_that_is_no_database_is_left_alone(home: Path) -> None:
    server = Server(home)
    server.data.mkdir(parents=True)
    (server.data / "holiday.jpg").write_text("x")
    if ROOT:
        shutil.chown(server.data, "nobody")
    with pytest.raises(HomeUnusable, match="不是完整的数据库"):
        server.start()
    assert (server.data / "holiday.jpg").exists()


def test_a_broken_off_initdb_is_begun_anew(home: Path) -> None:
    server = Server(home, durable=False)
    (server.folder / "data.new" / "base").mkdir(parents=True)
    try:
        assert says(server.start()) == 1
    finally:
        server.stop()


@pytest.mark.skipif(not ROOT, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_in_one_sentence(home: Path) -> None:
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(home)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        with pytest.raises(DiskFull, match="磁盘已满"):
            Server(home).start()
        (home / "filler").write_bytes(b"")
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@pytest.mark.skipif(not ROOT, reason="becoming another user needs root")
def test_an_ordinary_user_runs_it_as_himself(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def as_nobody(told: Any) -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        server = Server(home, durable=False)
        answer = says(server.start(), "SELECT 1")
        told.put((answer, server.data.stat().st_uid, server.stop()))

    context = multiprocessing.get_context("fork")
    told = context.Queue()
    process = context.Process(target=as_nobody, args=(told,))
    process.start()
    assert told.get(timeout=60) == (1, nobody.pw_uid, True)
    process.join()


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told(home: Path) -> None:
    home.chmod(0o500)
    with pytest.raises(HomeUnusable, match="不能使用"):
        Server(home).start()


def test_roles_are_made_once_and_none_is_a_superuser(server: Server) -> None:
    first = prepare(server.url(), "once")
    assert prepare(server.url(), "once") == first
    with psycopg.connect(server.url()) as admin:
        rows = admin.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname LIKE 'once%' ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("once_app", False, False, True), ("once_kernel", False, False, False), ("once_owner", False, False, True),
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["", "nonsense", "postgresql://host/", "postgresql://@host/db", "http://x/y"])
def test_an_address_that_names_no_database_is_told(address: str) -> None:
    with pytest.raises(BadUrl, match="应形如"):
        parse(address)


def test_addresses_survive_odd_names_and_passwords() -> None:
    made = url(user="a b", database="数据", host="::1", port=5433, password="p@ss/w:rd%")
    parts = parse(made)
    assert (parts["user"], parts["dbname"], parts["host"], parts["password"]) == ("a b", "数据", "::1", "p@ss/w:rd%")
    assert parse(with_database(made, "else"))["dbname"] == "else"


@pytest.mark.skipif(not ROOT, reason="only root's home is closed to the server's user")
def test_a_home_that_nobody_else_may_enter_stays_closed_and_the_data_lie_where_the_server_reaches_them(
    home: Path,
) -> None:
    closed = home / "root"
    closed.mkdir(mode=0o700)
    server = Server(closed / "clone" / "var", durable=False)
    try:
        address = server.start()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
        assert closed.stat().st_mode & 0o777 == 0o700
        assert not server.data.is_relative_to(closed)
        server.stop()
        again = Server(closed / "clone" / "var", durable=False)
        assert again.data == server.data
        assert says(again.start(), "SELECT number FROM kept") == 42
        again.stop()
    finally:
        shutil.rmtree(server.place, ignore_errors=True)


def test_the_servers_environment_holds_no_key_and_no_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs as another user, whose superuser can have a program print it."""
    secrets = ("GONGZHI_MASTER_KEY", "GONGZHI_KMS_TOKEN_FILE", "DATABASE_URL", "DATABASE_OWNER_URL")
    for name in secrets:
        monkeypatch.setenv(name, "unheard-of")
    server = Server(home, durable=False)
    with psycopg.connect(server.start()) as held:
        held.execute("CREATE TEMP TABLE said (line text)")
        held.execute("COPY said FROM PROGRAM 'env'")
        lines = [line for (line,) in held.execute("SELECT line FROM said").fetchall()]
    server.stop()
    assert lines
    assert [line for line in lines if "unheard-of" in line] == []
