"""What rights cost: statements of pages with row policies and without, and what a look at a person costs beside a plain read."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg

from bench.city import City
from bench.scale import _actors, _ratio
from bench.world import world

POSTS = 6
"""Of the posts of every kind whose pages are asked for."""
EXPORTED = 30  # days of records in an exported list


def policies(seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001 (as many statements as there are)
    """Return for list, detail, history and export the time of their statements with rights on over off, a million records.

    Off is the owner, for whom no row policy holds; a page's time is that of all statements that it reads records with.
    """
    made: dict[str, Any] = {}
    with world("one") as held:
        actors = _actors()[:POSTS]
        newest = {actor.post: _newest(actor) for actor in actors}
        for name, read in _pages().items():
            asked = [(actor, _statements(actor, read, newest[actor.post])) for actor in actors]
            with psycopg.connect(held.app) as on, psycopg.connect(held.owner) as off:
                turns = [(_taken(on, asked), _taken(off, asked)) for _ in range(rounds + 1)][1:]
            made[name] = {
                "on_ms": round(statistics.median(a for a, _ in turns), 2),
                "off_ms": round(statistics.median(b for _, b in turns), 2),
                **_ratio([a / b for a, b in turns]),
            }  # fmt: skip
    return made


def _newest(actor: Any) -> Any:
    """Return the newest open record that the actor sees."""
    from gongzhi.kernel.context import acting
    from gongzhi.kernel.models import Register

    with acting(actor):
        return Register.objects.filter(closed_at=None).order_by("-opened_at").values_list("pk", flat=True)[0]


def _pages() -> dict[str, Callable[[Any, Any], Any]]:
    """Return what reads each page's records, for an actor and a record."""
    from django.utils import timezone

    from gongzhi.kernel.export import rows
    from gongzhi.kernel.history import timeline
    from gongzhi.kernel.models import Register
    from gongzhi.kernel.narrow import narrow
    from gongzhi.kernel.service import service
    from gongzhi.web.console.record import facts_of, people

    request = service("request")
    since = (timezone.localdate() - timedelta(days=EXPORTED)).isoformat()

    def listed(actor: Any, _record: Any) -> Any:
        found = narrow(request, actor, {}).records().select_related("agency", "place")[:50]
        return list(request.model._default_manager.filter(pk__in=[row.pk for row in found]))

    def detail(_actor: Any, record: Any) -> Any:
        held = Register.objects.select_related("agency", "place").get(pk=record)
        return facts_of(held, held.facts), people(held)

    def history(actor: Any, record: Any) -> Any:
        return timeline(Register.objects.get(pk=record), actor)

    def exported(actor: Any, _record: Any) -> int:
        return sum(1 for _ in rows(request, narrow(request, actor, {"opened.from": since}).records()))

    return {"list": listed, "detail": detail, "history": history, "export": exported}


def _statements(actor: Any, read: Callable[[Any, Any], Any], record: Any) -> list[tuple[str, Any]]:
    """Return every query of tables that ``read`` sends as this actor."""
    from django.db import connection

    from gongzhi.kernel.context import acting

    said: list[tuple[str, Any]] = []

    def keep(execute: Any, text: str, given: Any, many: bool, context: Any) -> Any:
        if text.startswith('SELECT "'):
            said.append((text, given))
        return execute(text, given, many, context)

    with acting(actor), connection.execute_wrapper(keep):
        read(actor, record)
    return said


def _taken(connection: "psycopg.Connection[Any]", asked: list[tuple[Any, list[tuple[str, Any]]]]) -> float:
    """Return the milliseconds of the statements of all posts, each in a transaction of its own."""
    spent = 0.0
    for actor, statements in asked:
        with connection.transaction():
            connection.execute("SELECT kernel.enter(%s)", [actor.post])
            started = time.perf_counter()
            for text, given in statements:
                connection.execute(text, given).fetchall()  # type: ignore[arg-type]
            spent += time.perf_counter() - started
    return spent * 1000


def looks(held: City, seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the microseconds of a look at a person's fields (ask, then take) beside a plain read of the record, in turn."""
    from bench.city import PASSWORD
    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import acting, actors_of
    from gongzhi.kernel.models import Party, Register
    from gongzhi.kernel.parties import ask, take
    from gongzhi.kernel.signin import sign_in

    operator = actors_of(sign_in("operator", PASSWORD, "bench"))[0]
    form = {"detail": "路灯不亮", "asker_name": "周女士", "asker_phone": "13800001234", "place": operator.place}
    record = act(operator, "request", "file", form=form, key=str(uuid4())).record
    with acting(operator):
        party = Party.objects.get(record=record).pk

    def read() -> None:
        with acting(operator):
            Register.objects.select_related("agency", "place").get(pk=record)

    def look() -> None:
        take(operator, ask(operator, party, "contact"))

    taken: dict[str, list[float]] = {"read": [], "look": []}
    for turn in range(rounds + 1):
        for name, run in (("read", read), ("look", look)):
            count, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds / 2:
                run()
                count += 1
            if turn:
                taken[name].append((time.perf_counter() - started) / count * 1e6)
    ratios = [a / b for a, b in zip(taken["look"], taken["read"], strict=True)]
    return {**{f"{name}_us": round(statistics.median(times), 1) for name, times in taken.items()}, **_ratio(ratios)}


def masks(held: City, seconds: float, rounds: int) -> dict[str, Any]:  # noqa: ARG001
    """Return the milliseconds of a list of a hundred records with all their texts, masked and not, in turn.

    Every other text names a phone and an identity card.
    """
    from bench.city import PASSWORD
    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import acting, actors_of
    from gongzhi.kernel.masking import unmasked
    from gongzhi.kernel.models import Register
    from gongzhi.kernel.service import service
    from gongzhi.kernel.signin import sign_in

    operator, request = actors_of(sign_in("operator", PASSWORD, "bench"))[0], service("request")
    told = "健康西路与淮海北路路口的路灯已经三天不亮了，晚上学生放学经过很不安全，希望尽快派人检修。"
    named = f"{told}请打 13912345679，身份证 320802199001011234。"
    keys = [
        act(operator, "request", "file", form={"detail": (told, named)[n % 2], "address": "健康西路 18 号", "place": operator.place}).record
        for n in range(100)
    ]  # fmt: skip

    def read() -> None:
        with acting(operator):
            rows = list(Register.objects.select_related("agency", "place").filter(pk__in=keys))
            facts = request.model._default_manager.in_bulk(keys)
            for row in rows:
                values = request.values(facts[row.pk])
                [fact.display(values[name]) for name, fact in request.all_facts.items()]

    def plain() -> None:
        with unmasked():
            read()

    taken: dict[str, list[float]] = {"masked": [], "plain": []}
    for turn in range(rounds + 1):
        for name, run in (("plain", plain), ("masked", read)):
            count, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds / 2:
                run()
                count += 1
            if turn:
                taken[name].append((time.perf_counter() - started) / count * 1e3)
    ratios = [a / b for a, b in zip(taken["masked"], taken["plain"], strict=True)]
    return {**{f"{name}_ms": round(statistics.median(times), 2) for name, times in taken.items()}, **_ratio(ratios)}
