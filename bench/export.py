"""Exporting a long list over HTTP: rows per second and the peak memory of the web process, for each format in turn."""

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
    """Return rows per second and the peak resident memory of the largest web process, in MB."""
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
            taken = []
            for _ in range(rounds):
                started = time.perf_counter()
                with browser.open(f"{base}/work/s/request/export/{kind}") as answer:
                    while answer.read(1 << 16):
                        pass
                taken.append(rows / (time.perf_counter() - started))
            made[kind] = {
                "rows_per_second": round(statistics.median(taken)), "rows_per_second_range": [round(min(taken)), round(max(taken))],
                "peak_mb": _peak(web),
            }  # fmt: skip
    return made


def _peak(parent: int) -> int:
    """Return the peak resident memory, in MB, of the largest process below this one."""
    below, peaks = {parent}, [0]
    tables = [(path, path.read_text()) for path in Path("/proc").glob("[0-9]*/status") if path.exists()]
    for _depth in range(3):
        below |= {
            int(path.parent.name)
            for path, text in tables
            if (p := re.search(r"PPid:\s+(\d+)", text)) and int(p[1]) in below
        }
    for path, text in tables:
        if int(path.parent.name) in below and (peak := re.search(r"VmHWM:\s+(\d+)", text)):
            peaks.append(int(peak[1]) // 1024)
    return max(peaks)
