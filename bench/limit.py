"""The limit: pgbench's own tpcb-like transaction on the same server, in the same minutes."""

import os
import re
import subprocess

from gongzhi.postgres import binary

SCALE = 10


def prepare(url: str) -> None:
    """Make pgbench's tables, scale 10 (one million accounts), in the database of this address."""
    _pgbench(["-i", "-q", "-s", str(SCALE), url])


def transactions_per_second(url: str, *, clients: int, seconds: float, commit: str) -> float:
    """Return tpcb-like transactions per second; ``commit`` is synchronous_commit, ``on`` or ``off``."""
    said = _pgbench(
        ["-n", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(max(1, round(seconds))), url], commit
    )
    found = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
    if not found:
        raise RuntimeError(f"pgbench said no rate: {said}")
    return float(found[1])


def _pgbench(arguments: list[str], commit: str = "on") -> str:
    environment = {**os.environ, "PGOPTIONS": f"-c synchronous_commit={commit}"}
    done = subprocess.run([str(binary("pgbench")), *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr.strip()}")
    return done.stdout
