"""Sealing and checking the ledger, beside bare SHA-256 of the same bytes on one core.

In each round the product makes ``ROWS`` requests, seals their entries, and checks the whole ledger; the limit hashes the
very bodies and leaves once, in memory, in a loop that does nothing else.
"""

import statistics
import time
from hashlib import sha256
from typing import Any

from bench.bulk import given
from bench.city import PASSWORD, City

ROWS = 60_000


def measure(held: City, seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001 (rows, not time)
    """Return entries per second of sealing and verifying, and of bare hashing; verify's ratio round by round."""
    from django.db import connections

    from gongzhi.kernel import bulk
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Place
    from gongzhi.kernel.seals.leaf import leaf_sql
    from gongzhi.kernel.seals.sealing import seal
    from gongzhi.kernel.seals.signing import seal_keys
    from gongzhi.kernel.seals.verifying import verify
    from gongzhi.kernel.signin import sign_in

    operator = actors_of(sign_in("operator", PASSWORD, "bench"))[0]
    places = list(Place.objects.filter(level="village", ended_on=None).order_by("path").values_list("pk", flat=True))
    taken: dict[str, list[float]] = {"seal": [], "verify": [], "sha256": [], "cpu": []}
    for turn in range(rounds + 1):  # the first one warms up
        for _ in bulk.act_many(operator, "request", given(ROWS, 1000 + turn, places)):
            pass
        started = time.perf_counter()
        sealed = seal().entries
        sealing = time.perf_counter() - started
        started, used = time.perf_counter(), time.process_time()
        report = verify(seal_keys().verifiers)
        verifying, used = time.perf_counter() - started, time.process_time() - used
        if not report.ok:
            raise RuntimeError("the bench's own ledger does not verify")
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"SELECT {leaf_sql('e')}, convert_to(e.body, 'UTF8') FROM entry e")
            rows = [(bytes(leaf), bytes(body)) for leaf, body in cursor.fetchall()]
        started = time.perf_counter()
        for leaf, body in rows:
            sha256(leaf).digest()
            sha256(body).digest()
        bare = time.perf_counter() - started
        if turn:
            taken["seal"].append(sealed / sealing)
            taken["verify"].append(report.entries / verifying)
            taken["sha256"].append(len(rows) / bare)
            taken["cpu"].append(used / report.entries * 1e6)
    ratios = [one / limit for one, limit in zip(taken["verify"], taken["sha256"], strict=True)]
    return {
        "seal_per_second": round(statistics.median(taken["seal"])),
        "verify_per_second": round(statistics.median(taken["verify"])),
        "sha256_per_second": round(statistics.median(taken["sha256"])),
        "verify_ratio": round(statistics.median(ratios), 3),
        "verify_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "verify_python_us_an_entry": round(statistics.median(taken["cpu"]), 2),
    }
