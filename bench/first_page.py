"""How long a stranger waits: ``git clone``, ``make demo``, first page; with every cache cold, and again with them warm."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.city import ROOT

PATIENCE = 600.0  # seconds until the bench gives up on a first page


def measure() -> dict[str, Any]:
    """Return seconds to the first page: cold (everything downloaded) and warm (caches filled, clone fresh)."""
    with tempfile.TemporaryDirectory(prefix="gongzhi-first-", ignore_cleanup_errors=True) as folder:
        caches = Path(folder) / "caches"
        return {"cold": _once(Path(folder) / "cold", caches), "warm": _once(Path(folder) / "warm", caches)}


def _once(clone: Path, caches: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GONGZHI_", "DATABASE_"))}
    for name in ("VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    environment |= {
        "XDG_CACHE_HOME": str(caches),
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
        "npm_config_cache": str(caches / "npm"),
    }
    port = _free_port()
    started = time.perf_counter()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    log = clone.with_suffix(".log")
    with log.open("w") as file:
        demo = subprocess.Popen(
            ["make", "demo", f"PORT={port}"],
            cwd=clone,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        while time.perf_counter() - started < PATIENCE:
            if demo.poll() is not None:
                raise RuntimeError(f"make demo ended with {demo.returncode}: {log.read_text()[-2000:]}")
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
                if page.status == 200:
                    return {"seconds": round(time.perf_counter() - started, 1), "bytes": len(page.read())}
            time.sleep(0.1)
        raise RuntimeError(f"no page within {PATIENCE:.0f} s: {log.read_text()[-2000:]}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGINT)
        try:
            demo.wait(60)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(demo.pid, signal.SIGKILL)
        shutil.rmtree(clone, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
