"""Processes that help to compose many records: on a second core, while this process composes, reads and writes too.

A helper is a fresh interpreter (``helper``), no fork: it inherits no connection and no lock. It reads the key file and the
places itself, is given rows through a pipe, and gives back what ``batches.Composer`` made of them. It writes nothing to the
database, so it may end at any moment: what it leaves undone is composed here. It ends when the pipe does, however the
process that called it ended, and a Ctrl-C in the terminal does not reach it.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, Self

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import get_language

from gongzhi.kernel.batches import Composed, Composer, Row
from gongzhi.postgres.urls import address_of

MOST = 3
"""Helpers of one load: with more the database could not follow."""
_HELD = 2
"""Batches that a helper has: one that it works on, one at hand."""
_PIPE = 2**20
"""Bytes that a pipe holds, where the system lets it: about one batch, so that neither side waits for the other."""
_PATIENCE = 5.0
"""Seconds until a helper that does not end is ended."""


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more than its usual 64 KiB, where the system can."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl  # noqa: PLC0415 (not on every system)

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


class Helpers:
    """The helpers of one load; none until they are called. They end with the block."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._all: list[_Helper] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self._all:
            helper.end()

    @property
    def count(self) -> int:
        """How many were called."""
        return len(self._all)

    def call(self, wanted: int) -> None:
        """Call this many helpers, at most ``MOST``; they get up meanwhile."""
        with suppress(OSError):  # no room for another process: this one does it
            for _ in range(min(wanted, MOST)):
                self._all.append(_Helper(self._composer))

    def take(self, rows: Sequence[Row], now: datetime) -> "Future[Composed | None] | None":
        """Give a batch to a helper that has a hand free; None: nobody has. Its answer is None where it left the batch undone."""
        free = min((helper for helper in self._all if helper.free), key=lambda helper: len(helper.given), default=None)
        return free.take(rows, now) if free else None


class _Helper:
    def __init__(self, composer: Composer) -> None:
        self.given: deque[Future[Composed | None]] = deque()
        self._up = False
        self._lock = threading.Lock()
        environment = {
            **os.environ,
            "DATABASE_URL": address_of(connection.settings_dict),
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
            "GONGZHI_CITY": settings.CITY,
        }
        environment.pop("DATABASE_OWNER_URL", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gongzhi.kernel.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, process_group=0,
        )  # fmt: skip
        for pipe in self._pipes():
            widen(pipe)
        self._send(
            (
                composer.actor, composer.declared.code, composer.loader, get_language(),
                timezone.get_current_timezone(),
            )
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, name="gongzhi-helper", daemon=True)
        self._listener.start()

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self._process.stdin, self._process.stdout) if pipe]

    @property
    def free(self) -> bool:
        """Whether it is up and has a hand free."""
        return self._up and len(self.given) < _HELD

    def take(self, rows: Sequence[Row], now: datetime) -> "Future[Composed | None] | None":
        """Give it a batch; None where it cannot have it."""
        try:
            packet = pickle.dumps((now, [(row.form, row.key, row.at) for row in rows]), pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError):
            return None  # something in a form that stays in this process
        with self._lock:
            if not self._up:
                return None
            answer: Future[Composed | None] = Future()
            self.given.append(answer)
        self._send_bytes(packet)
        return answer

    def _send(self, message: Any) -> None:
        self._send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def _send_bytes(self, packet: bytes) -> None:
        sink = self._pipes()[0]
        with suppress(OSError):  # it has ended, and the listener tells
            sink.write(packet)
            sink.flush()

    def _listen(self) -> None:
        source = self._pipes()[1]
        try:
            self._up = pickle.load(source) == "up"  # noqa: S301 (from a process of our own)
            while self._up:
                made: Composed | None = pickle.load(source)  # noqa: S301
                self.given.popleft().set_result(made)
        except Exception:  # noqa: BLE001, S110 (ended, half-way through an answer perhaps: what it left is composed here)
            pass
        finally:
            with self._lock:
                self._up = False
                while self.given:
                    self.given.popleft().set_result(None)

    def end(self) -> None:
        """Let it go; it holds nothing that would be missed."""
        with suppress(OSError):
            self._pipes()[0].close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_PATIENCE)
        self._pipes()[1].close()
