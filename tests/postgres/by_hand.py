"""A PostgreSQL server as a city's own administrator would run it: TCP, passwords, nobody trusted."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gongzhi.postgres.osuser import server_user
from gongzhi.postgres.wheel import programs_for


@contextmanager
def by_hand() -> Iterator[str]:
    """Start one with the wheel's programs, by hand; give the superuser's address."""
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
    secret = folder / "secret"
    secret.write_text("master-secret")
    user.own(secret)
    said = folder / "said"
    with said.open("w") as out:

        def run(name: str, *arguments: str) -> None:
            done = subprocess.run(
                [str(programs / name), "-D", str(data), *arguments], cwd="/", stdout=out, stderr=out, **user.popen()
            )
            assert done.returncode == 0, said.read_text()

        run("initdb", "-U", "master", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale-provider=builtin",
            "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-w", "-l", "/dev/null", "-o", options, "start")
        try:
            yield f"postgresql://master:master-secret@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
            shutil.rmtree(folder, ignore_errors=True)
