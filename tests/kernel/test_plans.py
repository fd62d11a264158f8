"""Plans that must not turn bad: with rights on, what is open is read from its partial indexes, never from end to end."""

from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from gongzhi.kernel.act import act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.narrow import narrow
from gongzhi.kernel.service import service
from gongzhi.web.console.queue import shown
from tests.kernel.people import People

_MANY = """
INSERT INTO register (id, service, number, title, stage, agency_id, place_id, place_path, channel, filed_by_id, opened_at,
                      stage_at, due_at, due_source, closed_at, alert, version, entries, head)
SELECT uuidv7(), 'request', 'PL' || i, '路灯不亮', CASE WHEN mod(i, 25) = 0 THEN 'working' ELSE 'closed' END, a.id, p.id,
       p.path, '', %s, now() - i * interval '1 minute', now(), CASE WHEN mod(i, 25) = 0 THEN now() + interval '1 day' END,
       '', CASE WHEN mod(i, 25) > 0 THEN now() END, 0, 1, 1, sha256(i::text::bytea)
FROM generate_series(1, 30000) i
JOIN (SELECT id, path, row_number() OVER (ORDER BY id) AS n FROM place WHERE level = 'village') p ON p.n = 1 + mod(i, 900)
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM agency) a ON a.n = 1 + mod(i, 37)
"""


@pytest.fixture(scope="module")
def many(crew: People) -> People:
    with connections["owner"].cursor() as cursor:
        cursor.execute(_MANY, [crew.operator.post])
        cursor.execute("ANALYZE register")
    return crew


def plans(actor: Actor, read: Any) -> list[str]:
    """Return the plan of every statement on the register that ``read`` sends as this actor."""
    sent: list[tuple[str, Any]] = []

    def keep(execute: Any, text: str, given: Any, several: bool, context: Any) -> Any:
        if 'FROM "register"' in text:
            sent.append((text, given))
        return execute(text, given, several, context)

    with acting(actor):
        with connection.execute_wrapper(keep):
            read()
        made = []
        for text, given in sent:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {text}", given)
                made.append("\n".join(row[0] for row in cursor.fetchall()))
    return made


@pytest.mark.parametrize("who", ["handler", "operator", "manager"])
def test_a_queue_is_read_from_the_open_records_alone(many: People, who: str) -> None:
    found = plans(getattr(many, who), lambda: shown(getattr(many, who), None, timezone.now()))
    assert any("register_open_" in plan for plan in found), found
    for plan in found:
        assert "Seq Scan on register" not in plan, plan


def test_the_newest_records_of_a_place_are_read_by_index(many: People) -> None:
    place = Place.objects.filter(level="county").first()
    assert place is not None

    def read() -> None:
        said = narrow(service("request"), many.manager, {"place": str(place.pk), "state": "open"})
        list(said.records()[:50])

    for plan in plans(many.manager, read):
        assert "Seq Scan on register" not in plan, plan


def test_numbers_are_ordered_by_their_index(many: People) -> None:
    said = narrow(service("request"), many.manager, {"order": "-number"})
    [plan] = plans(many.manager, lambda: list(said.records()[:50]))
    assert "register_number" in plan, plan


def test_the_newest_are_put_in_order_where_no_index_has_the_order(many: People) -> None:
    said = narrow(service("request"), many.manager, {"order": "title"})
    assert said.unindexed
    with acting(many.manager):
        newest = list(Register.objects.order_by("-opened_at").values_list("number", flat=True)[:20])
        assert {row.number for row in said.newest(20)} == set(newest)


def test_an_act_plans_nothing_anew(crew: People) -> None:
    def walk() -> None:
        form = {"detail": "路灯不亮", "place": crew.places["township"], "asker_name": "周女士"}
        done = act(crew.operator, "request", "file", form=form)
        said = {"agency": crew.agencies["a"], "category": next(iter(titles("category")))}
        for actor, action, form in ((crew.operator, "assign", said), (crew.handler, "accept", {})):
            done = act(actor, "request", action, record=done.record, version=done.version, form=form)

    for _ in range(8):  # for five calls PostgreSQL makes plans for the values before it thinks of keeping one
        walk()
    planned: list[str] = []
    session = connection.connection
    session.add_notice_handler(lambda notice: planned.append(notice.context or ""))
    session.execute("SET debug_print_plan = on; SET client_min_messages = log")
    try:
        for _ in range(5):  # statistics gathered meanwhile let go of the plans, once
            planned.clear()
            walk()
            if not any("PL/pgSQL function kernel." in context for context in planned):
                return
    finally:
        session.execute("RESET debug_print_plan; RESET client_min_messages")
    pytest.fail("\n".join(planned))


@pytest.mark.parametrize("who", ["operator", "manager", "centre", "handler", "grid"])
@pytest.mark.parametrize("given", [{}, {"state": "open"}, {"order": "due", "state": "open"}, {"stage": "working"}])
def test_a_list_reads_little_more_with_rights_than_without(many: People, who: str, given: dict[str, str]) -> None:
    """Peers' lists slow down with rights: here the pages that are read are counted, not the seconds.

    Who sees little reads at most that little, and does not search for it among everything.
    """
    actor = getattr(many, who)
    sent: list[tuple[str, Any]] = []

    def keep(execute: Any, text: str, values: Any, several: bool, context: Any) -> Any:
        if text.startswith('SELECT "register"'):
            sent.append((text, values))
        return execute(text, values, several, context)

    with acting(actor):
        said = narrow(service("request"), actor, given)
        with connection.execute_wrapper(keep):
            list(said.records()[:50])
        [(text, values)] = sent
        own = Register.objects.count()
        with_rights = pages_read(connection, text, values)
    without = pages_read(connections["owner"], text, values)
    assert with_rights <= max(3 * without + 200, own), (with_rights, without, own)


def pages_read(where: Any, text: str, values: Any) -> int:
    """Return how many pages of the database a statement reads, the second time."""
    with where.cursor() as cursor:
        for _ in range(2):
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
            [[[told]]] = cursor.fetchall()
    return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])
