"""Live events: told to the right agency, through lost connections, for many readers, and ended in time."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from gongzhi.postgres.server import Server
from gongzhi.postgres.urls import url
from tests.kernel.people import People, people

MANY = 200


@pytest.fixture(scope="module")
def crew(database: str) -> People:
    return people()


@pytest.fixture(scope="module")
def live(server: Server, crew: People) -> Iterator[int]:
    """A process of live events on this module's database; returns its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    held = connections["default"].get_connection_params()
    environment = {
        **os.environ, "GONGZHI_ORIGIN": "http://localhost:9",
        "DATABASE_URL": url(user=held["user"], database=held["dbname"], host=held["host"]),
        "DATABASE_OWNER_URL": server.url(held["dbname"]),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "gongzhi.cli.main", "live", "--port", str(port)], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 40
        while True:
            with suppress(OSError), Reader(port, path="/health") as reader:
                assert reader.status == 200
                break
            assert time.monotonic() < end, "live did not start"
            time.sleep(0.1)
        yield port
        with Reader(port, sign_in(crew.handler.post)) as attached:  # ended with a reader attached
            assert attached.line() == ": open"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert process.stdout
        assert "Traceback" not in process.stdout.read()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Reader:
    """A browser's stream: status, headers, and lines as they come."""

    def __init__(self, port: int, session: str = "", path: str = "/live") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}
        self.connection.request("GET", path, headers=cookie)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self.connection.close()

    def line(self) -> str:
        """Return the next line that says something."""
        while True:
            text = self.answer.readline().decode()
            if text.strip() or not text:
                return text.strip()

    def event(self) -> str:
        """Return the name of the next event."""
        while not (text := self.line()).startswith("event: "):
            assert text, "the stream ended"
        return text.removeprefix("event: ")


def sign_in(post: int) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session["post"] = post
    session.save()
    return str(session.session_key)


def notify(server: Server, payload: str) -> None:
    database = connections["default"].settings_dict["NAME"]
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute("SELECT pg_notify('gongzhi', %s)", [payload])


def listeners(server: Server) -> list[int]:
    database = connections["default"].settings_dict["NAME"]
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN gongzhi' AND datname = %s", [database]
        ).fetchall()
    return [row[0] for row in rows]


def listening(server: Server, *, but: int = 0) -> int:
    end = time.monotonic() + 15
    while not (found := [pid for pid in listeners(server) if pid != but]):
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.1)
    return found[0]


@pytest.mark.parametrize("session", ["", "nonsense", "x" * 32, "\xff;=,"])
def test_whoever_is_not_signed_in_is_told_nothing(live: int, session: str) -> None:
    with Reader(live, session) as reader:
        assert (reader.status, reader.answer.read()) == (401, b"")
    with Reader(live, path="/else") as reader:
        assert reader.status == 404


def test_an_agency_hears_of_its_own_news_and_of_nothing_else(live: int, crew: People, server: Server) -> None:
    with Reader(live, sign_in(crew.handler.post)) as mine, Reader(live, sign_in(crew.other.post)) as other:
        assert mine.answer.getheader("content-type") == "text/event-stream"
        assert mine.answer.getheader("access-control-allow-origin") == "http://localhost:9"
        assert mine.answer.getheader("access-control-allow-credentials") == "true"
        listening(server)
        time.sleep(0.5)  # what the first reader is told when listening begins is over
        for agency in (crew.handler.agency, crew.other.agency):
            notify(server, str(agency))
        assert mine.event() == "notice"
        assert mine.line() == "data: 1"
        notify(server, f"nonsense {crew.other.agency}")
        assert other.event() == "notice"


def test_a_lost_connection_to_the_database_is_made_again_and_everybody_asks_once(
    live: int, crew: People, server: Server
) -> None:
    with Reader(live, sign_in(crew.manager.post)) as reader:
        victim = listening(server)
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [victim])
        assert listening(server, but=victim) != victim
        assert reader.event() == "notice"  # something may have been missed
        notify(server, str(crew.manager.agency))
        assert reader.event() == "notice"


def test_many_readers_cost_no_thread_each_and_all_are_told(live: int, crew: People, server: Server) -> None:
    wanted = MANY * 2 + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= (hard if hard > 0 else wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    session = sign_in(crew.centre.post)
    readers = [Reader(live, session) for _ in range(MANY)]
    try:
        assert {reader.status for reader in readers} == {200}
        listening(server)
        notify(server, str(crew.centre.agency))
        begun = time.monotonic()
        assert {reader.event() for reader in readers} == {"notice"}
        assert time.monotonic() - begun < 5
        if threads := _threads(live):
            assert threads < 60
    finally:
        for reader in readers:
            reader.__exit__()
    with Reader(live, session) as late:
        assert late.line() == ": open"


def _threads(port: int) -> int:
    """Return how many threads the live processes of this port have together, 0 where /proc does not tell."""
    import pathlib

    total = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"live\0--port\0{port}".encode() in (folder / "cmdline").read_bytes():
                children = (folder / "task" / folder.name / "children").read_text().split()
                for pid in (folder.name, *children):
                    total += len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))
    return total
