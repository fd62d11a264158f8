"""The whole API from its own document, by Schemathesis.

Whatever is sent: no server error, no answer beside the document, nothing of a record that the role does not see, and of no
record the person, who is shown for a purpose and not by the API.
One role is tried at every landing, all of them among the long tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from gongzhi.kernel.act import act
from gongzhi.kernel.context import Actor, acting, portal_actor
from gongzhi.kernel.models import Register
from gongzhi.web.wsgi import application
from tests.web import matters
from tests.web.machines import Machine

CHECKS: list[Any] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
CANARY = "鹦鹉螺之"
NAME, PHONE = "欧阳珊瑚礁", "13912340987"
"""Of the person whom every planted record tells of: no answer of the API has them, for whoever asks."""
LONG = pytest.mark.long
ROLES = [
    ("jy", 8), *(pytest.param(login, 20, marks=LONG) for login in ("jy", "operator", "manager", "centre-04", "grid", "admin")),
]  # fmt: skip
"""Accounts, one of each role, and how often each operation is tried: a handler of an agency that owes a part of the records
at every landing."""


@dataclass(frozen=True)
class Target:
    """The API's document, and what stands in the city: numbers that a fuzzer would not hit by chance, and ids."""

    operations: list[Any]
    planted: dict[str, str]
    numbers: list[str]
    places: list[int]
    agencies: list[int]


@pytest.fixture(scope="module")
def target(city: str, actor: Callable[[str], Actor], ids: Any) -> Target:
    """Records of all services in several stages, and requests with a word each that nobody sends."""
    made = matters.made()
    agencies, places = ids
    planted = {}
    for nth, owing in enumerate(("jy", "zjj", "")):
        word = f"{CANARY}{'甲乙丙'[nth]}"
        form = {
            "detail": f"{word}。学校门口路灯不亮，请打{PHONE}。", "place": places["320812"], "asker_name": NAME,
            "asker_phone": PHONE,
        }  # fmt: skip
        done = act(portal_actor(), "request", "file", form=form)
        if owing:
            given = {"agency": agencies[owing], "category": "build", "note": f"{word}的来电"}
            act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=given)
        planted[word] = done.number
    schema = schemathesis.openapi.from_dict(Client().get("/api/openapi.json").json())
    schema.app = application
    found = [result.ok() for result in schema.get_all_operations()]
    numbers = [*planted.values(), *(value for value in made.values() if isinstance(value, str) and value[:2].isalpha())]
    return Target(found, planted, numbers, list(places.values())[:20], [agencies["jy"], agencies["zjj"]])


def _aimed(target: Target, case: Case, data: Any) -> Case:
    """Let half of what is sent name what exists."""
    chance = st.booleans()
    if "number" in (case.path_parameters or {}) and data.draw(chance):
        case.path_parameters["number"] = data.draw(st.sampled_from(target.numbers))
    form = case.body.get("form") if isinstance(case.body, dict) else None
    for name, real in (("place", target.places), ("agency", target.agencies)):
        if isinstance(form, dict) and name in form and data.draw(chance):
            form[name] = data.draw(st.sampled_from(real))
    if isinstance(form, dict) and "version" in case.body and data.draw(chance):
        case.body["version"] = data.draw(st.integers(1, 3))
    return case


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("login", "examples"), ROLES)
def test_nothing_sent_breaks_the_api_or_shows_what_the_role_does_not_see(
    target: Target, actor: Callable[[str], Actor], login: str, examples: int
) -> None:
    machine = Machine(login)
    with acting(actor(login)):
        seen = set(Register.objects.values_list("number", flat=True))
    hidden = [word for word, number in target.planted.items() if number not in seen]
    assert hidden or login in {"operator", "manager", "admin"}  # these see the whole city
    faults = []
    for operation in target.operations:
        try:
            _try(target, operation, machine, [*hidden, NAME, PHONE], examples)
        except (FailureGroup, AssertionError) as fault:
            faults.append(f"{operation.label}: {fault}")
    assert not faults, "\n\n".join(faults)


def _try(target: Target, operation: Any, machine: Machine, hidden: list[str], examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def tried(data: Any) -> None:
        mode = data.draw(st.sampled_from(list(GenerationMode)))
        case = _aimed(target, data.draw(operation.as_strategy(generation_mode=mode)), data)
        response = case.call(headers=machine.headers)
        case.validate_response(response, checks=CHECKS)
        text = response.content.decode("utf-8", "replace")
        assert not [word for word in hidden if word in text], (operation.label, case)

    tried()
