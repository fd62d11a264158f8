"""One supervisor: it starts again what dies, and leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


def processes(home: Path) -> dict[int, str]:
    """Return the processes that belong to this home, by id: the children carry it in their environment."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if f"GONGZHI_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return {pid: command for pid, command in found.items() if command}


def until(condition: object, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as page:
        return bool(page.status == 200)
    return False


def free_port() -> int:
    for port in range(18000, 19000, 7):
        with suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no free port")


@pytest.fixture
def demo() -> Iterator[tuple[Path, int, "subprocess.Popen[str]"]]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are counted through /proc")
    home, port = Path(tempfile.mkdtemp(prefix="gz-demo")), free_port()
    home.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "gongzhi.cli.main", "demo", "--port", str(port), "--sample", "none"],
        env={**os.environ, "GONGZHI_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: answers(port) and answers(port + 1))
        yield home, port, process
    finally:
        process.kill()
        for pid in processes(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


def test_what_dies_is_started_again_and_ctrl_c_leaves_nothing(demo: tuple[Path, int, "subprocess.Popen[str]"]) -> None:
    home, port, process = demo
    for name in (" serve ", " live ", " worker", "postgres -D"):
        before = processes(home)
        if name == "postgres -D":
            victim = int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        else:
            victim = next(pid for pid, command in before.items() if name in command + " ")
        os.kill(victim, signal.SIGKILL)
        if name == "postgres -D":
            pid_file = home / "postgres" / "data" / "postmaster.pid"
            until(lambda file=pid_file, old=victim: file.exists() and int(file.read_text().split()[0]) != old)
        else:
            until(lambda old=victim, name=name: any(name in c + " " and p != old for p, c in processes(home).items()))
        until(lambda: answers(port) and answers(port + 1))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    until(lambda: not processes(home), 10)
    assert process.stdout
    said = process.stdout.read()
    assert f"http://localhost:{port}/" in said
    assert "operator" in said
    assert "Traceback" not in said


def test_a_supervisor_that_is_killed_outright_takes_its_children_with_it(
    demo: tuple[Path, int, "subprocess.Popen[str]"],
) -> None:
    home, port, process = demo
    process.kill()
    process.wait()
    until(lambda: not any("gongzhi.cli.main" in command for command in processes(home).values()), 20)
    assert not answers(port)


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "gongzhi.cli.main", "demo", "--port", str(port)],
            env={**os.environ, "GONGZHI_HOME": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"端口 {port} 已被占用")
    assert len(done.stderr.strip().splitlines()) == 1
