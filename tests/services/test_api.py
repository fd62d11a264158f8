"""The API of every service: the same acts, rights and sentences as the pages, in typed bodies and problem details."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.roles import STAFF
from gongzhi.kernel.service import Service
from gongzhi.web.api import doing
from tests.services.lab import Lab, Machine, at_desk

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def openapi(database: str, labs: Any, crew: Any) -> Any:
    at_desk(crew.operator)
    return Client().get("/api/openapi.json").json()


def test_every_action_has_a_typed_operation(service: Service, action: Action, openapi: Any) -> None:
    way = f"/api/{service.code}" if action.creates else f"/api/{service.code}/{{number}}/{action.code}"
    operation = openapi["paths"][way]["post"]
    assert operation["operationId"] == f"{service.code}_{action.code}"
    assert operation["summary"] == str(action.title)
    schemas = openapi["components"]["schemas"]
    form = schemas[f"{service.code}_{action.code}_form"]
    fields = service.form(action).fields
    assert set(form.get("properties", {})) == set(fields)
    assert set(form.get("required", ())) == {name for name, asked in fields.items() if asked.required}
    assert form["additionalProperties"] is False
    assert "4XX" in operation["responses"] or {"404", "409", "422"} <= set(operation["responses"])


def test_the_action_is_done_by_a_program(service: Service, action: Action, lab: Lab) -> None:
    if not set(action.by) & set(STAFF):
        pytest.skip("no person has a token for this")
    held = None if action.creates else lab.ready(action)
    actor = lab.doer(action, held)
    machine, form = Machine(actor), lab.form(action, actor, held)
    way = f"/{service.code}" if held is None else f"/{service.code}/{held.number}/{action.code}"
    key = {"Idempotency-Key": str(uuid4())}
    seen = {"If-Match": f'"{held.version}"'} if held else {}
    required = [name for name, asked in service.form(action).fields.items() if asked.required]
    if required and not action.edits:
        wrong = machine.post(way, {"form": {k: v for k, v in form.items() if k != required[0]}}, **seen)
        assert (wrong.status_code, wrong["Content-Type"]) == (422, PROBLEM)
        assert required[0] in wrong.json()["errors"]
    assert machine.post(way, {"form": {**form, "no_such_field": 1}}, **seen).status_code == 422
    if held and action.versioned:
        assert machine.post(way, {"form": form}).status_code == 428
        stale = machine.post(way, {"form": form}, **{"If-Match": f'"{held.version + 3}"'})
        assert (stale.status_code, stale["Content-Type"]) == (412, PROBLEM)
    done = machine.post(way, {"form": form}, **seen, **key)
    assert done.status_code == (201 if action.creates else 200), done.content
    body = done.json()
    assert done["ETag"] == f'"{body["version"]}"'
    assert body["stage"] == (action.target.code or (held.stage if held else ""))
    doing._numbers.clear()  # as another process, which has not met the number yet
    again = machine.post(way, {"form": form}, **seen, **key)
    assert again.status_code == done.status_code
    assert again.json() == {**body, "repeated": True}


def test_who_may_not_gets_the_same_problem_as_for_what_is_not_there(service: Service, lab: Lab) -> None:
    held = lab.standing(lab.stages[0])
    action = next(action for action in service.procedure if not action.creates and action.leaves(held.stage))
    form = lab.form(action, lab.doer(action, held), held)
    for role in STAFF:
        machine = Machine(lab.stranger(role))
        for way in (
            f"/{service.code}/{held.number}",
            f"/{service.code}/{held.number}/history",
            f"/{service.code}/XX2026999999",
        ):
            answer = machine.get(way)
            assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM), role
            assert answer.json()["detail"] == ABSENT
        for number in (held.number, str(held.record), "XX2026999999"):
            answer = machine.post(f"/{service.code}/{number}/{action.code}", {"form": form}, **{"If-Match": '"1"'})
            assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM), role
            assert answer.json()["detail"] == ABSENT
        assert held.number not in str(machine.get(f"/{service.code}?limit=200").json())
    nobody = Client().get(f"/api/{service.code}")
    assert (nobody.status_code, nobody["Content-Type"]) == (401, PROBLEM)


def test_a_record_is_read_with_its_facts_and_history(service: Service, stage: str, lab: Lab, openapi: Any) -> None:
    held = lab.standing(stage)
    record, facts = lab.row(held)
    machine = Machine(lab.watcher)
    answer = machine.get(f"/{service.code}/{held.number}")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["number"], body["stage"], body["version"]) == (held.number, stage, record.version)
    schema = openapi["components"]["schemas"][f"{service.code}_record_facts"]
    assert set(body["facts"]) == set(schema["properties"])
    for name, value in service.values(facts).items():
        assert str(body["facts"][name]) == str(
            service.all_facts[name].typed(value)
            if value is not None and service.all_facts[name].sql == "bigint"
            else value
        )
    assert machine.get(f"/{service.code}/{held.number}", **{"If-None-Match": answer["ETag"]}).status_code == 304
    history = machine.get(f"/{service.code}/{held.number}/history").json()
    assert [line["action"] for line in reversed(history)] == list(held.way)
    listed = machine.get(f"/{service.code}?stage={stage}&order=opened&limit=200").json()["items"]
    assert held.number in {row["number"] for row in listed}


def test_pages_of_the_list_join_without_a_gap(service: Service, lab: Lab) -> None:
    for number in range(5):
        lab.make(other=bool(number % 2))
    machine = Machine(lab.watcher)
    whole = [row["number"] for row in machine.get(f"/{service.code}?limit=200").json()["items"]]
    order = next(iter(fact.name for fact in service.facts.values() if fact.listed), "opened")
    for by in ("-opened", "title", order):
        found: list[str] = []
        after = ""
        while True:
            part = machine.get(f"/{service.code}?limit=3&order={by}&after={after}").json()
            found += [row["number"] for row in part["items"]]
            after = part["next"]
            if not after:
                break
        assert sorted(found) == sorted(whole), by
