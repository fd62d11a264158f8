"""Exporting a long list over HTTP: rows per second and the memory of the web process, for each format in turn.

The peak is counted from after the sign-in, whose password hash takes 64 MB for a moment; the memory that the process held
before the first export stands beside it.
"""

import http.cookiejar
import re
import statistics
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from bench.bulk import given
from bench.city import PASSWORD, City, served

PORT = 18981


def measure(held: City, seconds: float, rounds: int, rows: int = 50_000) -> dict[str, Any]:  # noqa: ARG001 (rows, not time)
    """Return rows per second, and the largest web process's resident memory before and its peak during, in MB."""
    from gongzhi.kernel import bulk
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Place
    from gongzhi.kernel.signin import sign_in

    operator = actors_of(sign_in("operator", PASSWORD, "bench"))[0]
    places = list(Place.objects.filter(level="village", ended_on=None).order_by("path").values_list("pk", flat=True))
    for _made in bulk.act_many(operator, "request", given(rows, 999, places)):
        pass
    made: dict[str, Any] = {"rows": rows}
    for kind in ("xlsx", "csv"):
        with served(PORT) as web:
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
            base = f"http://localhost:{PORT}"
            found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', browser.open(f"{base}/signin").read().decode())
            said = {"csrfmiddlewaretoken": found[1] if found else "", "login": "operator", "password": PASSWORD}
            browser.open(
                urllib.request.Request(f"{base}/signin", urllib.parse.urlencode(said).encode(), {"Origin": base})
            )
            _forget_peaks(web)
            before, taken = _most(web, "VmRSS"), []
            for _ in range(rounds):
                started = time.perf_counter()
                with browser.open(f"{base}/work/s/request/export/{kind}") as answer:
                    while answer.read(1 << 16):
                        pass
                taken.append(rows / (time.perf_counter() - started))
            made[kind] = {
                "rows_per_second": round(statistics.median(taken)), "rows_per_second_range": [round(min(taken)), round(max(taken))],
                "before_mb": before, "peak_mb": _most(web, "VmHWM"),
            }  # fmt: skip
    return made


def _forget_peaks(parent: int) -> None:
    """Let the peaks of the processes below this one begin again from what they hold now."""
    for folder, _text in _below(parent):
        (folder / "clear_refs").write_text("5")  # proc(5)


def _most(parent: int, figure: str) -> int:
    """Return the largest value, in MB, of a figure of ``/proc/PID/status`` among the processes below this one."""
    found = (re.search(rf"{figure}:\s+(\d+)", text) for _folder, text in _below(parent))
    return max(int(one[1]) // 1024 for one in found if one)


def _below(parent: int) -> list[tuple[Path, str]]:
    """Return folder and status of a process and of those below it."""
    below = {parent}
    tables = [(path, path.read_text()) for path in Path("/proc").glob("[0-9]*/status") if path.exists()]
    for _depth in range(3):
        below |= {
            int(path.parent.name)
            for path, text in tables
            if (p := re.search(r"PPid:\s+(\d+)", text)) and int(p[1]) in below
        }
    return [(path.parent, text) for path, text in tables if int(path.parent.name) in below]
