"""One process that starts the others, starts again what dies, and takes all with it when it ends."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from gongzhi.cli.speak import complain
from gongzhi.tongue import told as _

_GRACE = 10.0  # seconds that a process may take to finish what it does
_LONGEST_PAUSE = 30.0
_STEADY = 60.0  # a process that ran this long begins again with a short pause
_TRIES = 4  # of a task that ends
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process to keep running; ``command`` and ``environment`` (None: ours) as for subprocess.

    With ``once`` it has a task that ends: it is started again only if it failed, and not for ever.
    """

    name: str
    command: list[str]
    environment: dict[str, str] | None = None
    once: bool = False
    failures: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5
    again: float = field(default=0.0)


class Supervisor:
    """Runs children until SIGINT, SIGTERM or SIGHUP. Each has a session of its own, so that its own children go with it."""

    def __init__(self, children: list[Child], watch: Callable[[], None] = lambda: None) -> None:
        self.children, self.watch, self.stopping = children, watch, False

    def run(self) -> int:
        """Keep everything running; return the exit code once everything has stopped."""
        held = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            while not self.stopping:
                for child in list(self.children):
                    self._look_after(child)
                self.watch()
                time.sleep(0.2)
        finally:
            self._end()
            for number, handler in held.items():
                signal.signal(number, handler)
        return 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.again:
                child.process, child.started = _start(child), now
            return
        code = child.process.poll()
        if code is None:
            return
        _signal(child.process, signal.SIGKILL)  # what it started itself must not live on beside its successor
        child.process = None
        if child.once and code == 0:
            self.children.remove(child)
            return
        child.failures += 1
        if child.once and child.failures == _TRIES:
            self.children.remove(child)
            complain(_("{name} 多次没有完成(代码 {code})，不再尝试。").format(name=child.name, code=code))
            return
        if now - child.started > _STEADY:
            child.pause = 0.5
        complain(
            _("{name} 已停止（代码 {code}），{pause:.1f} 秒后重新启动。").format(
                name=child.name, code=code, pause=child.pause
            )
        )
        child.again, child.pause = now + child.pause, min(child.pause * 2, _LONGEST_PAUSE)

    def _end(self) -> None:
        running = [child.process for child in self.children if child.process and child.process.poll() is None]
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        end = time.monotonic() + _GRACE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        for child in self.children:
            if child.process:
                _signal(child.process, signal.SIGKILL)
                child.process.wait()


def _start(child: Child) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        child.command,
        env=child.environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  (one thread of ours forks, and the child only calls prctl)
    )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """On Linux, a child gets SIGTERM when the supervisor is killed outright."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
