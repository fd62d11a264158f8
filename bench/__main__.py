"""``python -m bench [part …] [--seconds N] [--rounds N] [--rows N] [--json FILE]``: figures with the limit of the same minutes beside.

Parts: act, http, lifecycle, pages, bulk, export, ledger, looks, masks, routing (needs no database), first_page; and at a million and five million records grown
(lifecycles beside an empty city), queue, search, list, rights (row policies on and off), at_five (every page that a clerk can click), whose cities are made once and kept. Every
figure is a median of rounds in which limit and product take turns.
The load of http and lifecycle is made on the same cores as server and database; its share is measured and told.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench import bulk, export, first_page, ledger, limit, rights, routing, scale
from bench.city import PASSWORD, City, city, served
from bench.load import Load, load

PARTS = ("act", "http", "lifecycle", "pages", "bulk", "export", "ledger", "looks", "masks", "routing", "first_page")
SCALED = tuple(scale.PARTS)
PORT = 18980


def main() -> int:
    """Measure, print a table, print JSON."""
    asked = argparse.ArgumentParser(prog="bench", description=__doc__)
    asked.add_argument("parts", nargs="*", help=f"of {', '.join((*PARTS, *SCALED))}; all if none is named")
    asked.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--rows", type=int, default=40_000, help="of each round of bulk")
    asked.add_argument("--json", type=Path, help="write the result to this file too")
    chosen = asked.parse_args()
    parts = chosen.parts or [*PARTS, *SCALED]
    if unknown := set(parts) - {*PARTS, *SCALED}:
        asked.error(f"no such part: {', '.join(sorted(unknown))}")
    result: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%d %H:%M"), "python": platform.python_version(), "cores": os.cpu_count(),
        "seconds": chosen.seconds, "rounds": chosen.rounds,
    }  # fmt: skip
    result |= {part: scale.run(part, chosen.seconds, chosen.rounds) for part in SCALED if part in parts}
    if "routing" in parts:
        result["routing"] = _without_database(partial(routing.measure, chosen.seconds, chosen.rounds))
    if set(parts) - {"first_page", "routing", *SCALED}:
        with city() as held:
            for part in ("act", "http", "lifecycle", "pages", "bulk", "export", "ledger", "looks", "masks"):
                if part in parts:
                    result[part] = {
                        "act": act_rates,
                        "http": http_rates,
                        "lifecycle": lifecycles,
                        "pages": page_times,
                        "bulk": partial(bulk.measure, rows=chosen.rows),
                        "export": export.measure,
                        "ledger": ledger.measure,
                        "looks": rights.looks,
                        "masks": rights.masks,
                    }[part](held, chosen.seconds, chosen.rounds)
    if "first_page" in parts:
        result["first_page"] = first_page.measure()
    show(result)
    text = json.dumps(result, ensure_ascii=False)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")
    return 0


def _without_database(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    from gongzhi.cli.database import django

    os.environ.setdefault("DATABASE_URL", "")
    django()
    try:
        return measure()
    finally:
        if not os.environ["DATABASE_URL"]:
            del os.environ["DATABASE_URL"]


def act_rates(held: City, seconds: float, rounds: int) -> dict[str, Any]:
    """Return act() create and change, whole, one client, beside pgbench's tpcb-like, for both kinds of commit."""
    return {commit: _act_rates(held, seconds, rounds, commit) for commit in ("off", "on")}


def _act_rates(held: City, seconds: float, rounds: int, commit: str) -> dict[str, Any]:
    from django.db import connection

    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Agency
    from gongzhi.kernel.signin import sign_in

    operator, handler = (actors_of(sign_in(login, PASSWORD, "bench"))[0] for login in ("operator", "handler"))
    place, kind = _place(), _category()
    agency = Agency.objects.get(pk=handler.agency).pk
    connection.ensure_connection()
    connection.connection.execute(f"SET synchronous_commit = {commit}")
    form = {
        "detail": "健康西路与解放路口的路灯已经三天不亮了，晚上老人和孩子出行很不安全，请尽快派人维修。", "place": place,
        "point": "119.02,33.60", "asker_name": "周女士", "asker_phone": "13800001234",
    }  # fmt: skip
    taken: dict[str, list[float]] = {"pgbench": [], "create": [], "assign": [], "accept": []}
    for turn in range(rounds + 1):  # the first one warms up
        rate = limit.transactions_per_second(held.limit, clients=1, seconds=seconds, commit=commit)
        made, started = [], time.perf_counter()
        while time.perf_counter() - started < seconds:
            made.append(act(operator, "request", "file", form=form, key=str(uuid4())))
        create = len(made) / (time.perf_counter() - started)
        assign = {"agency": agency, "category": kind, "note": "请尽快处理"}
        started = time.perf_counter()
        sent = [
            act(operator, "request", "assign", record=d.record, version=d.version, form=assign, key=str(uuid4()))
            for d in made
        ]
        assigned = len(sent) / (time.perf_counter() - started)
        started = time.perf_counter()
        for d in sent:
            act(handler, "request", "accept", record=d.record, version=d.version, key=str(uuid4()))
        accepted = len(sent) / (time.perf_counter() - started)
        if turn:
            for name, value in (("pgbench", rate), ("create", create), ("assign", assigned), ("accept", accepted)):
                taken[name].append(value)
    return _beside(taken, "pgbench")


def _beside(taken: dict[str, list[float]], base: str) -> dict[str, Any]:
    """Return median rates, and the median of each round's ratio to the limit of that round."""
    made: dict[str, Any] = {f"{name}_per_second": round(statistics.median(rates), 1) for name, rates in taken.items()}
    for name, rates in taken.items():
        if name != base:
            ratios = [rate / limit for rate, limit in zip(rates, taken[base], strict=True)]
            made[f"{name}_ratio"] = round(statistics.median(ratios), 3)
            made[f"{name}_ratio_range"] = [round(min(ratios), 3), round(max(ratios), 3)]
    return made


def http_rates(held: City, seconds: float, rounds: int) -> dict[str, Any]:
    """Return whole HTTP creates, two web processes, sixteen connections, beside pgbench with eight clients."""
    made = {}
    for commit in ("off", "on"):
        taken: dict[str, list[float]] = {"pgbench8": [], "create": []}
        loads: list[Load] = []
        with served(PORT, commit=commit):
            given = given_for(PORT)
            load("scenarios:create", port=PORT, connections=16, seconds=2, given=given)
            for _ in range(rounds):
                taken["pgbench8"].append(
                    limit.transactions_per_second(held.limit, clients=8, seconds=seconds, commit=commit)
                )
                loads.append(load("scenarios:create", port=PORT, connections=16, seconds=seconds, given=given))
                taken["create"].append(loads[-1].scenarios_per_second)
        made[commit] = {**_beside(taken, "pgbench8"), **_told(loads)}
    return made


def lifecycles(held: City, seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001 (the server is held open)
    """Return lifecycles a second: create, assign, accept, answer, search; synchronous_commit on."""
    loads = []
    with served(PORT):
        given = given_for(PORT)
        load("scenarios:lifecycle", port=PORT, connections=16, seconds=2, given=given)
        for _ in range(rounds):
            loads.append(load("scenarios:lifecycle", port=PORT, connections=16, seconds=seconds, given=given))  # noqa: PERF401
    return {
        "lifecycles_per_second": round(statistics.median(run.scenarios_per_second for run in loads), 1),
        "requests_per_second": round(statistics.median(run.requests_per_second for run in loads), 1),
        "steps_ms": loads[-1].steps_ms,
        **_told(loads),
    }


def _told(loads: list[Load]) -> dict[str, Any]:
    share = [run.loader_cpu_us_per_request * run.requests_per_second / 1e6 for run in loads]
    return {
        "median_ms": statistics.median(run.median_ms for run in loads),
        "p95_ms": statistics.median(run.p95_ms for run in loads),
        "loader": "one process on the same cores",
        "loader_cores": round(statistics.median(share), 3),
    }


def page_times(held: City, seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the time of the main pages beside that of an answer without any page, one client, in milliseconds."""
    import http.cookiejar
    import re
    import urllib.parse

    from gongzhi.cli.database import SAMPLE_PASSWORD
    from gongzhi.intake import sample
    from gongzhi.kernel.install.citypack import load_accounts
    from gongzhi.kernel.signin import hash_password

    load_accounts("huaian", hash_password(SAMPLE_PASSWORD))
    sample.load("small")
    paths = ["/health", "/", "/report", "/work/", "/work/deadlines", "/work/s/request/", "/work/map", "/work/r/{}"]
    with served(PORT):
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        base = f"http://localhost:{PORT}"
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', browser.open(f"{base}/signin").read().decode())
        said = {"csrfmiddlewaretoken": found[1] if found else "", "login": "manager", "password": SAMPLE_PASSWORD}
        browser.open(urllib.request.Request(f"{base}/signin", urllib.parse.urlencode(said).encode(), {"Origin": base}))
        listed = browser.open(f"{base}/work/s/request/").read().decode()
        number = re.search(r"/work/r/([A-Z0-9]+)", listed)
        made = {}
        for path in paths:
            address = base + path.format(number[1] if number else "")
            taken = []
            for _ in range(8 * rounds):
                started = time.perf_counter()
                with browser.open(address) as page:
                    page.read()
                taken.append((time.perf_counter() - started) * 1000)
            made[path] = round(statistics.median(taken), 1)
    return made


def given_for(port: int) -> dict[str, Any]:
    """Return what the scenarios need to know of the city that is served at this port."""
    from gongzhi.kernel.models import Agency

    tokens = {login: _token(login, port) for login in ("operator", "handler")}
    agency = Agency.objects.filter(kind="agency").earliest("id").pk
    return {**tokens, "agency": agency, "category": _category(), "place": _place()}


def _token(login: str, port: int) -> str:
    asked = urllib.request.Request(
        f"http://localhost:{port}/api/token", json.dumps({"login": login, "password": PASSWORD}).encode(),
        {"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(asked) as answer:
        return str(json.load(answer)["token"])


def _place() -> int:
    from gongzhi.kernel.models import Place

    return int(Place.objects.filter(level="village").earliest("path").pk)


def _category() -> str:
    from gongzhi.kernel.codes import titles

    return next(iter(titles("category")))


def show(result: dict[str, Any]) -> None:
    """Write the figures for people."""
    for part in (*PARTS, *SCALED):
        if part in result:
            sys.stderr.write(f"{part}\n")
            _lines(result[part], 1)


def _lines(held: dict[str, Any], depth: int) -> None:
    for name, value in held.items():
        if isinstance(value, dict):
            sys.stderr.write(f"{'  ' * depth}{name}\n")
            _lines(value, depth + 1)
        else:
            sys.stderr.write(f"{'  ' * depth}{name:<28} {value}\n")


if __name__ == "__main__":
    sys.exit(main())
