"""Requests: what an agency may not get, and what a resident may ask for again."""

from collections.abc import Callable
from typing import Any

import pytest

from gongzhi.kernel.act import Absent, Conflict, Done, act
from gongzhi.kernel.context import acting, portal_actor
from gongzhi.kernel.models import Register
from tests.kernel.conftest import request_in
from tests.kernel.people import People

__all__ = ["request_in"]
Make = Callable[..., Done]


def _held(crew: People, done: Done) -> tuple[Register, Any]:
    with acting(crew.operator):
        record = Register.objects.get(pk=done.record)
        return record, record.facts


def test_time_that_is_denied_leaves_the_deadline_and_may_be_asked_for_again(crew: People, request_in: Make) -> None:
    done = request_in("working")
    due = _held(crew, done)[0].due_at
    form: dict[str, Any] = {"asked_days": 10, "reason": "等设备"}
    asked = act(crew.handler, "request", "ask_time", record=done.record, version=done.version, form=form)
    with pytest.raises(Conflict):
        act(crew.handler, "request", "ask_time", record=done.record, version=asked.version, form=form)
    denied = act(
        crew.manager, "request", "deny_time", record=done.record, version=asked.version, form={"reason": "材料已齐"}
    )
    record, facts = _held(crew, done)
    assert (record.due_at, record.stage_code, facts.asked_days) == (due, "working", 0)
    again = act(
        crew.handler, "request", "ask_time", record=done.record, version=denied.version, form={**form, "asked_days": 3}
    )
    act(crew.centre, "request", "grant_time", record=done.record, version=again.version)
    record, facts = _held(crew, done)
    assert record.due_at is not None
    assert due is not None
    assert record.due_at > due
    assert facts.asked_days == 0


@pytest.mark.parametrize("stage", ["answered", "closed"])
def test_who_asked_may_have_it_done_again_by_the_same_agency(crew: People, request_in: Make, stage: str) -> None:
    done = request_in(stage)
    form = {"reason": "路灯又灭了"}
    for proof in ("", "ABCD-EFGH-JKLM"):
        with pytest.raises(Absent):
            act(portal_actor(), "request", "reopen", record=done.record, version=done.version, form=form, follow=proof)
    again = act(
        portal_actor(), "request", "reopen", record=done.record, version=done.version, form=form, follow=done.follow
    )
    record, facts = _held(crew, done)
    assert (again.stage, record.agency_id, record.closed_at) == ("working", crew.agencies["a"], None)
    assert (facts.reopened, facts.rating) == (1, "")
    assert record.due_at is not None
    answer = {"answer": "已更换整条线路"}
    act(crew.handler, "request", "answer", record=done.record, version=again.version, form=answer)
    assert _held(crew, done)[0].stage_code == "answered"
