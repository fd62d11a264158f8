"""One supervisor: it starts again what dies, and leaves nothing behind."""

import os
import pty
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


def children(pid: int, name: str) -> list[int]:
    """Return the process's own children that bear this name."""
    found = (Path(f"/proc/{pid}/task") / str(pid) / "children").read_text().split()
    with suppress(FileNotFoundError):  # gone meanwhile
        return [int(one) for one in found if name.encode() in Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")]
    return []


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
    pid_file = home / "postgres" / "data" / "postmaster.pid"

    def bearers(name: str) -> list[int]:
        """Return the processes of this name; those of the web's own, which it starts again itself, are ``page``."""
        if name == "postgres":
            return [int(pid_file.read_text().split()[0])] if pid_file.exists() else []
        if name == "page":
            return [pid for web in children(process.pid, "serve") for pid in children(web, "serve")]
        return children(process.pid, name)

    for name in ("serve", "page", "live", "worker", "postgres"):
        victim = bearers(name)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda name=name, old=victim: set(bearers(name)) - {old} and old not in bearers(name))
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
    until(lambda: not processes(home), 20)  # the database too: whoever of the children leaves last stops it
    assert not answers(port)


def in_terminal(home: Path, port: int, sample: str) -> tuple[int, int]:
    """Run the demonstration in a terminal of its own; return its process id and the terminal's other end."""
    arguments = [sys.executable, "-m", "gongzhi.cli.main", "demo", "--port", str(port), "--sample", sample]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, arguments, {**os.environ, "GONGZHI_HOME": str(home)})
    return pid, terminal


@pytest.mark.long
def test_a_closed_terminal_ends_everything_and_ctrl_c_in_the_middle_of_the_sample_says_nothing_odd() -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are counted through /proc")
    home, port = Path(tempfile.mkdtemp(prefix="gz-demo")), free_port()
    home.chmod(0o755)
    try:
        pid, terminal = in_terminal(home, port, "none")
        until(lambda: answers(port) and answers(port + 1))
        os.close(terminal)
        until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 30)
        assert not processes(home)

        pid, terminal = in_terminal(home, port, "city")
        said = ""
        while "生成样例诉求" not in said:
            assert "Traceback" not in said, said
            said += os.read(terminal, 65536).decode(errors="replace")
        os.write(terminal, b"\x03")
        with suppress(OSError):  # the terminal ends with the last process in it
            while more := os.read(terminal, 65536):
                said += more.decode(errors="replace")
        ended, status = os.waitpid(pid, 0)
        assert (ended, os.waitstatus_to_exitcode(status)) == (pid, 0)
        assert "Traceback" not in said, said
        assert not processes(home)
    finally:
        for left in processes(home):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


def test_a_command_that_is_ended_half_way_stops_the_server_it_started_and_the_next_finishes() -> None:
    home = Path(tempfile.mkdtemp(prefix="gz-init"))
    home.chmod(0o755)
    command = [sys.executable, "-m", "gongzhi.cli.main", "init"]
    environment = {**os.environ, "GONGZHI_HOME": str(home)}
    try:
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        until((home / "postgres" / "data" / "postmaster.pid").exists)
        time.sleep(1)
        process.terminate()
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (128 + signal.SIGTERM, "")
        assert not (home / "postgres" / "data" / "postmaster.pid").exists()
        again = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
        assert "没有改变" in subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("command", ["demo", "serve", "live"])
def test_a_taken_port_is_told_in_one_line(command: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "gongzhi.cli.main", command, "--port", str(port)],
            env={**os.environ, "GONGZHI_HOME": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"端口 {port} 已被占用")
    assert len(done.stderr.strip().splitlines()) == 1
