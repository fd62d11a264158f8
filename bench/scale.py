"""Figures at a million and five million records: ``python -m bench.scale PART [--seconds N] [--rounds N]`` prints one as JSON.

Each part runs in a process of its own, because Django is set up for one database. Limit and product take turns. Rights
off means the owner, for whom no row policy holds, with the very statements of the page.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from bench.city import PASSWORD, served
from bench.load import Load, load
from bench.world import World, home, world
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.urls import with_database

PORTS = {"empty": 18981, "one": 18982}
POSTS = 12
"""Posts whose queues are asked for, from the busiest agency to the quietest, and managers."""
PAIRS = (("路灯", "不亮"), ("小区", "电梯"), ("物业", "收费"), ("施工", "噪音"), ("下水道", "堵"), ("农田", "水"))


def run(part: str, seconds: float, rounds: int) -> Any:
    """Return what ``python -m bench.scale`` of this part says."""
    given = [sys.executable, "-m", "bench.scale", part, "--seconds", str(seconds), "--rounds", str(rounds)]
    done = subprocess.run(given, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def grown(seconds: float, rounds: int) -> dict[str, Any]:
    """Return lifecycles a second in a city of a million records and in an empty one, in turn, on copies of both."""
    from bench.__main__ import given_for

    with ExitStack() as open_now:
        one = open_now.enter_context(world("one"))
        ports = {}
        for name, port in PORTS.items():
            app, owner = _copied(one.admin, name) if name == "one" else _fresh(one.admin, name)
            os.environ.update(DATABASE_URL=app, DATABASE_OWNER_URL=owner)
            open_now.enter_context(served(port))
            ports[name] = port
        taken: dict[str, list[Load]] = {name: [] for name in ports}
        given = given_for(ports["one"]), given_for(ports["empty"])
        for turn in range(rounds + 1):  # the first one warms up
            for name, held in zip(("one", "empty"), given, strict=True):
                made = load("scenarios:lifecycle", port=ports[name], connections=16, seconds=seconds, given=held)
                if turn:
                    taken[name].append(made)
    ratios = [
        a.scenarios_per_second / b.scenarios_per_second for a, b in zip(taken["one"], taken["empty"], strict=True)
    ]
    share = [run.loader_cpu_us_per_request * run.requests_per_second / 1e6 for run in taken["one"]]
    return {
        "empty_per_second": _median(run.scenarios_per_second for run in taken["empty"]),
        "million_per_second": _median(run.scenarios_per_second for run in taken["one"]),
        **_ratio(ratios), "loader": "one process on the same cores", "loader_cores": round(statistics.median(share), 3),
    }  # fmt: skip


def _fresh(admin: str, name: str) -> tuple[str, str]:
    """Make an empty city beside the full one, by a process of its own."""
    with psycopg.connect(admin, autocommit=True) as master:
        master.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
    app, owner = prepare(admin, name)
    given = {**os.environ, "DATABASE_URL": app, "DATABASE_OWNER_URL": owner, "GONGZHI_HOME": str(home())}
    subprocess.run([sys.executable, "-c", "from bench.city import install_city; install_city()"], env=given, check=True)
    return app, owner


def _copied(admin: str, name: str) -> tuple[str, str]:
    """Copy a kept city, so that what a run writes does not stay."""
    from bench.city import hang_up

    hang_up()
    copy = f"{name}_copy"
    with psycopg.connect(admin, autocommit=True) as master:
        master.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(copy)))
        master.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}").format(
                sql.Identifier(copy), sql.Identifier(name), sql.Identifier(f"{name}_owner")
            )
        )
        master.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(copy), sql.Identifier(f"{name}_app"))
        )
    app, owner = prepare(admin, name)
    return with_database(app, copy), with_database(owner, copy)


def queue(seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001 (as many statements as there are)
    """Return the p95 of the queue's statements at five million records, rights on and off, and their ratio."""
    with world("five") as held:
        from django.utils import timezone

        from gongzhi.web.console.queue import shown

        asked = [
            (actor, _statements(actor, lambda actor=actor: shown(actor, None, timezone.now()))) for actor in _actors()
        ]
        return _on_and_off(held, asked, rounds)


def _on_and_off(held: World, asked: list[tuple[Any, list[tuple[str, Any]]]], rounds: int) -> dict[str, Any]:
    taken: dict[str, list[list[float]]] = {"on": [], "off": []}
    with psycopg.connect(held.app) as on, psycopg.connect(held.owner) as off:
        for turn in range(rounds + 1):
            made: dict[str, list[float]] = {"on": [], "off": []}
            for actor, statements in asked:
                for name, connection in (("on", on), ("off", off)):
                    with connection.transaction():
                        connection.execute("SELECT kernel.enter(%s)", [actor.post])
                        started = time.perf_counter()
                        for text, given in statements:
                            connection.execute(text, given).fetchall()  # type: ignore[arg-type]
                        made[name].append((time.perf_counter() - started) * 1000)
            if turn:
                for name, turns in taken.items():
                    turns.append(made[name])
    p95 = {name: [_p95(times) for times in turns] for name, turns in taken.items()}
    return {
        "posts": len(asked),
        **{f"{name}_p50_ms": _median(statistics.median(times) for times in turns) for name, turns in taken.items()},
        **{f"{name}_p95_ms": _median(turns) for name, turns in p95.items()},
        **_ratio([a / b for a, b in zip(p95["on"], p95["off"], strict=True)]),
    }


def _actors() -> list[Any]:
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Post

    posts = Post.objects.using("owner").filter(role__in=("handler", "manager", "operator")).order_by("id")
    found = [next(a for a in actors_of(post.account_id) if a.post == post.pk) for post in posts]
    return found if len(found) <= POSTS else Random(3).sample(found, POSTS)


def _statements(actor: Any, page: Callable[[], Any]) -> list[tuple[str, Any]]:
    """Return the statements that a page reads records with."""
    from django.db import connection

    from gongzhi.kernel.context import acting

    said: list[tuple[str, Any]] = []

    def keep(execute: Any, text: str, given: Any, many: bool, context: Any) -> Any:
        if '"register"' in text or "enable_" in text:
            said.append((text, given))
        return execute(text, given, many, context)

    with acting(actor), connection.execute_wrapper(keep):
        page()
    return said


def search(seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the time to find fifty records by two words among 200,000 texts, beside the bare index with the same words."""
    with world("one") as held:
        from gongzhi.kernel.words import query_words

        actors, pairs = _actors(), [query_words("".join(pair)) for pair in PAIRS]
        with psycopg.connect(held.app) as on, psycopg.connect(held.owner) as bare:
            ratios, taken = [], {"on": [], "bare": []}  # type: ignore[var-annotated]
            for turn in range(rounds + 1):
                made: dict[str, list[float]] = {"on": [], "bare": []}
                for actor in actors:
                    for words in pairs:
                        made["on"].append(
                            _timed(on, "SELECT record FROM kernel.find(%s, %s, '', 50)", [actor.post, words])
                        )
                        said = " & ".join(f"'{word}'" for word in words)
                        made["bare"].append(_timed(bare, _BARE, [said]))
                if turn:
                    ratios.append(statistics.median(made["on"]) / statistics.median(made["bare"]))
                    for name, times in made.items():
                        taken[name] += times
        return {
            **{f"{name}_p50_ms": _median(times, 3) for name, times in taken.items()},
            **{f"{name}_p95_ms": round(_p95(times), 3) for name, times in taken.items()}, **_ratio(ratios),
        }  # fmt: skip


_BARE = "SELECT record_id FROM register_words WHERE words @@ %s::tsquery LIMIT 50"


def _timed(connection: "psycopg.Connection[Any]", text: str, given: Any) -> float:
    started = time.perf_counter()
    connection.execute(text, given).fetchall()  # type: ignore[arg-type]
    return (time.perf_counter() - started) * 1000


PAGES = (
    "/work/s/request/", "/work/s/request/?state=open", "/work/s/request/?state=late&order=due",
    "/work/s/request/?state=open&channel=call&nature=complaint&order=category", "/work/s/request/?order=category",
    "/work/s/request/?q=路灯", "/work/", "/work/?group=late", "/work/?group=rest", "/work/deadlines",
    "/work/deadlines?group=late", "/work/deadlines?on=2026-11-01", "/work/map", "/work/map/points", "/work/notices", "/work/r/{}",
)  # fmt: skip


def lists(seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the server time of a list of fifty rows beside that of an empty page of the console, a city of a million."""
    with world("one"), _browser("manager") as get:
        taken: dict[str, list[float]] = {"/work/search": [], "/work/s/request/": []}
        ratios = []
        for turn in range(rounds + 1):
            made = {path: statistics.median(get(path) for _ in range(10)) for path in taken}
            if turn:
                ratios.append(made["/work/s/request/"] / made["/work/search"])
                for path, value in made.items():
                    taken[path].append(value)
        return {
            "empty_page_ms": _median(taken["/work/search"]), "list_ms": _median(taken["/work/s/request/"]), **_ratio(ratios),
        }  # fmt: skip


def pages(seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the median server time of what a clerk can click, at five million records, in milliseconds."""
    made: dict[str, Any] = {}
    with world("five"):
        for login in ("manager", "handler"):
            with _browser(login) as get:
                number = _some_number(login)
                made[login] = {}
                for path in PAGES:
                    get(path.format(number))
                    made[login][path] = _median(get(path.format(number)) for _ in range(rounds))
    return made


@contextmanager
def _browser(login: str) -> Iterator[Callable[[str], float]]:
    """Give a function from a path to the milliseconds that the application takes for it, in this process, signed in."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    browser = Client()
    answer = browser.post("/signin", {"login": login, "password": PASSWORD})
    if answer.status_code != 302:
        raise RuntimeError(f"{login} could not sign in: {answer.status_code}")

    def get(path: str) -> float:
        started = time.perf_counter()
        answer = browser.get(path)
        spent = (time.perf_counter() - started) * 1000
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        return spent

    yield get


def _some_number(login: str) -> str:
    from gongzhi.kernel.context import acting, actors_of
    from gongzhi.kernel.models import Account, Register

    actor = actors_of(Account.objects.using("owner").get(login=login).pk)[0]
    with acting(actor):
        return str(Register.objects.filter(closed_at=None).order_by("due_at").values_list("number", flat=True)[:1][0])


def _median(values: Any, places: int = 1) -> float:
    return round(statistics.median(values), places)


def _p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


def _ratio(ratios: list[float]) -> dict[str, Any]:
    return {
        "ratio": round(statistics.median(ratios), 3), "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }  # fmt: skip


def policies(seconds: float, rounds: int) -> dict[str, Any]:
    """Return what ``bench.rights`` measures of row policies."""
    from bench.rights import policies as measured

    return measured(seconds, rounds)


PARTS = {"grown": grown, "queue": queue, "search": search, "list": lists, "rights": policies, "at_five": pages}


def main() -> None:
    """Measure one part."""
    asked = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    asked.add_argument("part", choices=PARTS)
    asked.add_argument("--seconds", type=float, default=4.0)
    asked.add_argument("--rounds", type=int, default=5)
    chosen = asked.parse_args()
    json.dump(PARTS[chosen.part](chosen.seconds, chosen.rounds), sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
