"""Fixtures of the kernel's tests: people, and a request in any stage."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import portal_actor
from tests.kernel.people import People, people

_serial = count()


@pytest.fixture(scope="module")
def crew(database: Any) -> People:
    """Posts of every role in this module's own database."""
    return people()


@pytest.fixture
def request_in(crew: People) -> Callable[..., Done]:
    """Return a function that makes a request and brings it to a stage."""

    def make(stage: str = "filed", **form: Any) -> Done:
        form = {"detail": f"路灯不亮 {next(_serial)}", "place": crew.places["township"], **form}
        done = act(portal_actor(), "request", "file", form=form)
        follow = done.follow
        assign = {"agency": crew.agencies["a"], "category": category()}
        steps: list[tuple[str, Any, str, dict[str, Any]]] = [
            ("assigned", crew.operator, "assign", assign),
            ("working", crew.handler, "accept", {}),
            ("answered", crew.handler, "answer", {"answer": "已经修好"}),
            ("closed", portal_actor(), "rate", {"rating": "5"}),
        ]
        for reached, actor, action, values in steps:
            if done.stage == stage:
                break
            proof = follow if action == "rate" else ""
            done = act(actor, "request", action, record=done.record, version=done.version, form=values, follow=proof)
            assert done.stage == reached
        return Done(done.record, done.number, done.version, done.stage, False, follow)

    return make


def category() -> str:
    """Return a category of the city's list."""
    from gongzhi.kernel.codes import titles

    return next(iter(titles("category")))


@pytest.fixture
def owner(crew: People) -> Any:
    """The owner's connection to this module's database."""
    from django.db import connections

    return connections["owner"]
