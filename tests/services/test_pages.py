"""The pages of every service: a record in each stage, its buttons, the form of each action, plates, help, and who sees none."""

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from gongzhi.kernel.buttons import possible
from gongzhi.kernel.context import acting
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.roles import ADMIN, ROLES, STAFF, Scope
from gongzhi.kernel.service import Service, services
from tests.services.lab import Lab, at_desk

pytestmark = pytest.mark.any_city


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_the_page_shows_it_and_offers_what_may_be_done(service: Service, stage: str, lab: Lab) -> None:
    held = lab.standing(stage)
    record, facts = lab.row(held)
    for role in (role for role in STAFF if role is not ADMIN):
        actor = lab.actor(role, held)
        client = at_desk(actor)
        response = client.get(f"/work/r/{held.number}")
        page = text(response)
        assert response.status_code == 200, role
        assert record.number in page
        assert html.escape(record.title) in response.content.decode()
        assert str(record.stage.title) in page
        with acting(actor):
            may = {action.code for action in possible(actor, record, facts=facts) if action.direct}
        offered = set(re.findall(rf"/work/r/{held.number}/do/(\w+)", page)) - {"task_done"}
        assert offered == may, role
    assert client.get(f"/work/r/{held.number}/qr").status_code == 200


def test_a_record_that_is_not_mine_looks_like_one_that_is_not_there(service: Service, lab: Lab) -> None:
    held = lab.standing(lab.stages[0])
    for role in (role for role in STAFF if role.scope is not Scope.NONE):
        client = at_desk(lab.stranger(role))
        for way in ("", "/qr", "/plate", "/do/note"):
            answers = [client.get(f"/work/r/{number}{way}") for number in (held.number, "XX2026999999")]
            assert [answer.status_code for answer in answers] == [404, 404], (role, way)
            assert str(ABSENT) in text(answers[0])
            assert held.number not in text(answers[0]).replace(f"/work/r/{held.number}", "")
    assert Client().get(f"/work/r/{held.number}").status_code == 302


def test_the_action_is_done_from_its_page(service: Service, action: Action, lab: Lab) -> None:
    if not set(action.by) & set(STAFF):
        pytest.skip("nobody at a desk does this")
    if action.creates:
        actor = lab.doer(action)
        client, way, version = at_desk(actor), f"/work/s/{service.code}/new", ""
        held = None
    else:
        held = lab.ready(action)
        actor = lab.doer(action, held)
        client, way, version = at_desk(actor), f"/work/r/{held.number}/do/{action.code}", str(held.version)
    form = lab.form(action, actor, held)
    shown = client.get(way)
    if action.code == "more" and not service.extras:
        assert shown.status_code == 404
        return
    assert shown.status_code == 200
    for name in service.form(action).fields:
        assert f'name="{name}"' in text(shown), name
    typed = {**form, "version": version, "key": str(uuid4())}
    missing = next((name for name, asked in service.form(action).fields.items() if asked.required), None)
    if missing:
        wrong = client.post(way, {**typed, missing: ""})
        assert wrong.status_code == 422
        kept = next((value for name, value in form.items() if name != missing and "zq" in str(value)), "")
        assert str(kept) in text(wrong)  # nothing that was typed is lost
    for _ in ("once", "again"):  # a double click, or a page sent once more
        done = client.post(way, typed)
        assert done.status_code == 302, text(done)
        after = client.get(done["Location"].partition("#")[0])
        assert after.status_code == 200
        assert str(action.title) in text(after)
        assert 'role="status"' in text(after)


def test_an_action_that_is_not_possible_has_no_form(service: Service, stage: str, lab: Lab) -> None:
    held = lab.standing(stage)
    record, facts = lab.row(held)
    client = at_desk(lab.watcher)
    with acting(lab.watcher):
        may = {action.code for action in possible(lab.watcher, record, facts=facts)}
    for action in service.procedure:
        if action.anywhere and stage != lab.stages[0]:
            continue  # possible in one stage means in all
        expected = 200 if action.code in may else 404
        assert client.get(f"/work/r/{held.number}/do/{action.code}").status_code == expected, action.code


def test_making_one_is_offered_to_those_who_may(service: Service, lab: Lab) -> None:
    for role in STAFF:
        client = at_desk(lab.actor(role))
        expected = 200 if role in service.creating.by else 404
        assert client.get(f"/work/s/{service.code}/new").status_code == expected, role


def test_help_is_made_of_the_declaration(service: Service, lab: Lab) -> None:
    page = text(at_desk(lab.watcher).get(f"/work/s/{service.code}/help"))
    for stage in service.procedure.stages:
        assert str(stage.title) in page
    for action in service.procedure:
        assert str(action.title) in page or not action.direct
    for fact in service.all_facts.values():
        assert str(fact.verbose_name) in page


def test_its_plate_is_printed_where_it_has_one(service: Service, lab: Lab) -> None:
    held = lab.make()
    client = at_desk(lab.watcher)
    page, many = client.get(f"/work/r/{held.number}/plate"), client.get(f"/work/s/{service.code}/plates")
    assert page.status_code == many.status_code == (200 if service.plate else 404)
    if service.plate:
        _, facts = lab.row(held)
        for name in service.plate:
            assert service.facts[name].display(getattr(facts, name)) in text(page)
        scanned = re.findall(r"/q/[\w.]+", text(page))
        assert held.number in text(many)
        assert all(Client().get(way).status_code == 200 for way in scanned)


def test_it_stands_on_the_map_of_those_who_see_it(service: Service, lab: Lab) -> None:
    if not any("point" in service.form(action).own for action in service.procedure):
        held = lab.make()
    else:
        held = lab.make() if "point" in service.form(service.creating).own else lab.ready(_placing(service))
        if "point" not in service.form(service.creating).own:
            lab.do(held, _placing(service))
        record, _ = lab.row(held)
        assert record.lon is not None
    placed = lab.row(held)[0].lon is not None
    for role in (role for role in ROLES.values() if role in STAFF):
        for actor, sees in ((lab.actor(role, held), placed), (lab.stranger(role), False)):
            found = at_desk(actor).get(f"/work/map/points?service={service.code}").json()
            assert (held.number in {one["properties"]["number"] for one in found["features"]}) == sees, role
    client = at_desk(lab.watcher)
    assert ('data-map="one"' in text(client.get(f"/work/r/{held.number}"))) == placed
    others = [one.code for one in services().values() if one is not service]
    for code in others:
        assert held.number not in client.get(f"/work/map/points?service={code}").content.decode()
    shown = text(client.get(f"/work/map?service={service.code}"))
    assert f'data-points="/work/map/points?service={service.code}"' in shown
    assert f"/work/map?service={service.code}" in text(client.get(f"/work/s/{service.code}/"))


def _placing(service: Service) -> Action:
    return next(action for action in service.procedure if "point" in service.form(action).own)


def test_ties_and_parts_stand_on_both_pages(service: Service, lab: Lab) -> None:
    held, other = lab.make(), lab.make()
    link = service.action("link")
    lab.do(held, link, lab.doer(link, held), other=other.number)
    client = at_desk(lab.watcher)
    assert f"/work/r/{other.number}" in text(client.get(f"/work/r/{held.number}"))
    assert f"/work/r/{held.number}" in text(client.get(f"/work/r/{other.number}"))
    if service.part_of:
        whole = held.forms[service.creating.code]["whole"]
        assert f"/work/r/{whole}" in text(client.get(f"/work/r/{held.number}"))
        assert f"/work/r/{held.number}" in text(client.get(f"/work/r/{whole}"))
