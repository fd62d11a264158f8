"""Faults, not attacks: the database goes away under load, the line is cut, the disk is full, two seal at once.

Each time: nothing acknowledged is lost, nothing is there twice or by half, and it goes on without hands.
"""

import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.utils import Error as DatabaseError

from gongzhi.kernel import atlas, context
from gongzhi.kernel.act import DiskFull, Refused, act
from gongzhi.kernel.context import actor_of
from gongzhi.kernel.install import install
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from tests.conftest import point_at
from tests.kernel.people import People, people

PATIENCE = 60.0  # seconds after which a person's try is given up; recovery takes two or three


@contextmanager
def _city(folder: Path) -> Iterator[tuple[Server, People]]:
    """A server of its own in this folder, with a city in it."""
    before = {alias: dict(connections[alias].settings_dict) for alias in ("default", "owner")}
    server = Server(folder)
    try:
        point_at(*prepare(server.start(), "faults"))
        install()
        atlas.forget()
        context.forget_system()
        yield server, people()
    finally:
        for alias, known in before.items():
            connections[alias].close()
            connections[alias].settings_dict.update(known)
            connections.settings[alias].update(known)
        server.stop()
        atlas.forget()
        context.forget_system()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="gz-faults"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def town(folder: Path) -> Iterator[tuple[Server, People]]:
    with _city(folder) as made:
        yield made


def _insist(post: int, key: str) -> Any:
    """Do one act as a person does: try again, with the same key, until there is an answer."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act(actor_of(post), "request", "file", form={"detail": f"第 {key} 件"}, key=key)
        except (Refused, DatabaseError, psycopg.Error):
            connections["default"].close()
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _under_load(post: int, acts: int, disturb: Callable[[], None]) -> list[Any]:
    """Four people act while something disturbs them; return every answer."""
    done: list[Any] = []

    def person(number: int) -> None:
        done.extend(_insist(post, f"{time.monotonic_ns()}-{number}-{nth}") for nth in range(acts))
        connections.close_all()

    with ThreadPoolExecutor(4) as office:
        tried = [office.submit(person, number) for number in range(4)]
        disturb()
        for one in tried:
            one.result()
    return done


def _whole(done: list[Any]) -> None:
    """Every answer is one record with one entry, and the register follows from the sealed entries."""
    connections.close_all()  # this thread's own broke with the others'
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:  # a killed server reads its log first
        with suppress(DatabaseError):
            connections["owner"].ensure_connection()
            break
        time.sleep(0.1)
    records = {answer.record for answer in done}
    assert len(records) == len(done)
    assert Register.objects.using("owner").filter(pk__in=records).count() == len(done)
    assert Entry.objects.using("owner").filter(record_id__in=records).count() == len(done)
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert (report.findings, report.sealed) == ([], report.entries)


def test_the_database_restarts_under_load(town: tuple[Server, People]) -> None:
    server, crew = town

    def restart() -> None:
        for _again in range(2):
            time.sleep(0.5)
            server.stop()
            time.sleep(0.3)
            server.start()

    _whole(_under_load(crew.operator.post, 60, restart))


def test_the_servers_processes_are_killed_under_load(town: tuple[Server, People]) -> None:
    """A backend that dies by -9 takes all sessions with it: PostgreSQL recovers from its log."""
    server, crew = town

    def kill() -> None:
        killed = 0
        for _again in range(12):  # while it recovers nobody is connected, and nobody can ask who is
            time.sleep(0.3)
            with suppress(psycopg.Error), psycopg.connect(server.url(), autocommit=True) as admin:
                rows = admin.execute("SELECT pid FROM pg_stat_activity WHERE usename LIKE '%_app'").fetchall()
                if rows and not subprocess.run(["kill", "-9", str(random.choice(rows)[0])]).returncode:
                    killed += 1
            if killed == 2:
                return

    _whole(_under_load(crew.operator.post, 60, kill))


class Line:
    """A line from a port of this machine to the server's socket, which can be cut."""

    def __init__(self, target: str) -> None:
        self.target, self.open, self.ends = target, True, list[socket.socket]()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while self.open:
                caller, _address = self.door.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self.target)
                except OSError:
                    caller.close()
                    continue
                self.ends += [caller, server]
                for one, other in ((caller, server), (server, caller)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Everything under way is lost; who calls again gets through."""
        ends, self.ends = self.ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.open = False
        self.door.close()
        self.cut()


def test_the_line_to_the_database_is_cut_again_and_again(town: tuple[Server, People]) -> None:
    server, crew = town
    line = Line(str(server.socket_folder / ".s.PGSQL.5432"))
    known = connections["default"].settings_dict
    before = {name: known[name] for name in ("HOST", "PORT")}
    chance = random.Random(7)

    def cut() -> None:
        for _again in range(25):
            time.sleep(chance.uniform(0.01, 0.15))
            line.cut()

    def at(place: dict[str, Any]) -> None:
        connections["default"].close()
        known.update(place)
        connections.settings["default"].update(place)
        context.forget_system()

    at({"HOST": "127.0.0.1", "PORT": str(line.port)})
    try:
        done = _under_load(crew.operator.post, 60, cut)
    finally:
        at(before)
        line.close()
    _whole(done)


def test_two_workers_seal_at_once(town: tuple[Server, People]) -> None:
    _server, crew = town

    def sealing(_number: int) -> None:
        for _again in range(10):
            seal()
        connections.close_all()

    def both() -> None:
        with ThreadPoolExecutor(2) as workers:
            list(workers.map(sealing, range(2)))

    _whole(_under_load(crew.operator.post, 40, both))


def test_the_databases_disk_is_full() -> None:
    """The act is refused in words, nothing of it stands; once there is room, the same form goes through."""
    folder = Path(tempfile.mkdtemp(prefix="gz-full"))
    folder.chmod(0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=180m,mode=755", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("only root mounts a small disk")
    try:
        with _city(folder) as (_server, crew):
            _fill_and_go_on(folder, crew)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def _fill_and_go_on(folder: Path, crew: People) -> None:
    post, done = crew.operator.post, []
    ballast = folder / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    long = "说明" * 1500
    for nth in range(3000):
        try:
            done.append(act(actor_of(post), "request", "file", form={"detail": f"{nth} {long}"}, key=f"full-{nth}"))
        except DiskFull as refused:
            assert "磁盘已满" in str(refused)
            break
    else:
        pytest.fail("the disk was never full")
    ballast.unlink()
    done.append(_insist(post, f"full-{len(done)}"))
    _whole(done)
