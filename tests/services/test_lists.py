"""The list of every service: narrowed by each filter, ordered by each column, counted, kept as a view, done in bulk."""

import html
import re
from datetime import date
from typing import Any
from urllib.parse import urlencode

from gongzhi.kernel.context import acting
from gongzhi.kernel.fields import Code, Fact, Flag, Whole
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import ORDERS, sortable
from gongzhi.kernel.roles import ADMIN, STAFF
from gongzhi.kernel.service import Service
from gongzhi.web.console.lists import bulk_actions
from tests.services.lab import Held, Lab, Machine, at_desk


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def numbers(page: str) -> list[str]:
    """Return the numbers of the rows, in order."""
    return re.findall(r'href="/work/r/(\w+)"\s*data-row', page)


def test_the_list_shows_what_one_sees_and_nothing_else(service: Service, lab: Lab) -> None:
    held = lab.make()
    lab.make(other=True)
    for role in (role for role in STAFF if role is not ADMIN):
        response = at_desk(lab.actor(role, held)).get(f"/work/s/{service.code}/")
        assert response.status_code == 200
        assert held.number in numbers(text(response)), role
        assert held.number not in text(at_desk(lab.stranger(role)).get(f"/work/s/{service.code}/")), role


def said(fact: Fact, value: Any) -> dict[str, str]:
    """Return what the address says to find this value."""
    if isinstance(fact, Flag):
        return {fact.name: "yes" if value else "no"}
    if isinstance(fact, Code):
        return {fact.name: str(value)}
    typed = value.isoformat() if isinstance(value, date) else str(fact.typed(value))
    return {f"{fact.name}.from": typed, f"{fact.name}.to": typed}


def with_value(lab: Lab, fact: Fact) -> tuple[Held, Held]:
    """Return a record on which the fact was set, and one on which it is another or none."""
    service = lab.service
    if fact.name in service.form(service.creating).said:
        return lab.make(), lab.make(other=True)
    writer = next(
        action for action in service.procedure
        if fact.name in (*service.form(action).columns, *action.counts) and not action.creates
    )  # fmt: skip
    held = lab.ready(writer)
    lab.do(held, writer)
    return held, lab.make()


def test_each_filter_narrows_it(service: Service, lab: Lab) -> None:
    client = at_desk(lab.watcher)
    shown = text(client.get(f"/work/s/{service.code}/"))
    for fact in (*service.narrowing, *(fact for fact in service.extras.values() if not fact.words)):
        held, other = with_value(lab, fact)
        value = service.values(lab.row(held)[1])[fact.name]
        assert value not in (None, ""), fact.name
        given = said(fact, value)
        assert all(f'name="{name}"' in shown for name in given), fact.name
        response = client.get(f"/work/s/{service.code}/?{urlencode(given)}")
        assert held.number in numbers(text(response)), fact.name
        assert other.number not in numbers(text(response)), fact.name
    first, last = lab.standing(lab.stages[0]), lab.standing(lab.stages[-1])
    for name, value, wanted, other in (
        ("stage", first.stage, first, last), ("stage", last.stage, last, first), ("q", _word(first), first, last),
    ):  # fmt: skip
        found = numbers(text(client.get(f"/work/s/{service.code}/?{urlencode({name: value, 'order': 'number'})}")))
        assert wanted.number in found or len(found) == 50, (name, value)
        assert other.number not in found or first is last, (name, value)


def _word(held: Held) -> str:
    texts = [value for form in held.forms.values() for value in form.values() if "zq" in str(value)]
    return str(texts[0])[str(texts[0]).index("zq") :]


def test_each_column_orders_it(service: Service, lab: Lab) -> None:
    lab.make()
    lab.make(other=True)
    machine, client = Machine(lab.watcher), at_desk(lab.watcher)
    facts = {name: fact for name, fact in service.all_facts.items() if sortable(fact)}
    every = ",".join(service.all_facts)
    for name in (*ORDERS, *facts):
        for order in (name, f"-{name}"):
            found = machine.get(f"/{service.code}?order={order}&limit=200")
            assert found.status_code == 200, (order, found.content)
            rows = found.json()["items"]
            key = {"opened": "opened_at", "due": "due_at"}.get(name, name)
            values = [row[key] if name in ORDERS else row["facts"][name] for row in rows]
            known = [value for value in values if value is not None]
            if name in service.facts and service.facts[name].sql in ("numeric", "bigint"):
                known = [float(value) for value in known]
            assert known == sorted(known, reverse=order.startswith("-")), order
            assert None not in values[: len(known)], order
            if order != name:
                continue  # the page orders as the API does
            page = client.get(f"/work/s/{service.code}/?order={order}&cols={every}")
            assert page.status_code == 200
            assert 'aria-sort="' in text(page) or name == "number" or (name == "due" and not service.timed), order
            assert numbers(text(page)) == [row["number"] for row in rows][:50], order


def test_every_count_opens(service: Service, lab: Lab) -> None:
    for stage in lab.stages:
        lab.standing(stage)
    client = at_desk(lab.watcher)
    page = text(client.get(f"/work/s/{service.code}/"))
    counts = re.findall(r'href="\?stage=(\w+)"[^>]*>.*?<b>([\d,]+)</b>', page, re.DOTALL)
    assert {code for code, _ in counts} == {s.code for s in service.procedure.stages if s.open}
    for code, shown in counts:
        opened = text(client.get(f"/work/s/{service.code}/?stage={code}"))
        assert f'<span class="n">{shown}</span>' in opened.partition("</h1>")[0], code


def test_a_view_is_kept_and_shared_with_the_agency(service: Service, lab: Lab) -> None:
    mine, colleague = lab.watcher, lab.actor(next(role for role in STAFF if role.code == "operator"))
    client = at_desk(mine)
    way = f"/work/s/{service.code}/"
    stage = lab.stages[0]
    for title, shared in (("只给我", ""), ("给大家", "yes")):
        answer = client.post(f"{way}views", {"title": title, "query": f"stage={stage}&order=number", "shared": shared})
        assert answer.status_code == 302
    own, theirs = text(client.get(way)), text(at_desk(colleague).get(way))
    assert "只给我" in own
    assert "只给我" not in theirs
    assert "给大家" in theirs
    assert "给大家" not in text(at_desk(lab.stranger(STAFF[0])).get(way))
    assert f"stage={stage}" in theirs


def test_many_are_done_at_once_each_with_its_own_answer(service: Service, lab: Lab) -> None:
    """Every action that the declaration lets one do to many: two that can, one that cannot, and each says so."""
    for role in (role for role in STAFF if role is not ADMIN):
        actions = [action for action in bulk_actions(lab.actor(role), service) if not action.anywhere]
        for action in actions:
            held, second = lab.ready(action), lab.ready(action)
            actor = lab.actor(role, held)
            away = next((stage for stage in lab.stages if not action.leaves(stage)), None)
            unfit = lab.standing(away) if away else None
            client, way = at_desk(actor), f"/work/s/{service.code}/bulk"
            chosen = [one for one in (held, second, unfit) if one]
            asked = client.get(way, {"action": action.code, "number": [one.number for one in chosen]})
            assert asked.status_code == 200
            fit = re.findall(r'name="version"\s+value="(\w+):', text(asked))
            assert fit == [held.number, second.number], (role, action.code)
            form = lab.form(action, actor, held)
            versions = [f"{one.number}:{one.version}" for one in (held, second)]
            stale = f"{second.number}:{second.version + 7}" if action.versioned else versions[1]
            done = client.post(
                way,
                {
                    **form,
                    "action": action.code,
                    "number": [held.number, second.number],
                    "version": [versions[0], stale],
                },
            )
            assert done.status_code == 200, text(done)
            moved = [lab.refresh(one).version for one in (held, second)]
            assert moved == [int(versions[0].split(":")[1]) + 1, int(versions[1].split(":")[1])]
            assert held.number in text(done)
            assert second.number in text(done)
        if actions:
            return
    assert not any(bulk_actions(lab.actor(role), service) for role in STAFF if role is ADMIN)


def test_a_fact_that_counts_begins_at_nothing(service: Service, lab: Lab) -> None:
    counted = {name for action in service.procedure for name in action.counts}
    held = lab.make()
    with acting(lab.watcher):
        row = Register.objects.get(pk=held.record).facts
    assert {name: getattr(row, name) for name in counted} == dict.fromkeys(counted, 0)
    assert all(isinstance(service.facts[name], Whole) for name in counted)
