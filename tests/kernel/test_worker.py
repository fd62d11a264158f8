"""What happens without a person: notices, amber, red, escalation, closing what nobody rated."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from gongzhi.kernel import workdays
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import Actor, acting, clock_actor, loader_actor, portal_actor
from gongzhi.kernel.models import DeadlineKept, Notice, Register
from gongzhi.kernel.worker import tell_outbox, tick, watch_deadlines
from tests.kernel.conftest import category
from tests.kernel.people import People

Make = Callable[..., Done]


def past(crew: People, days: float, *steps: tuple[str, float]) -> Done:
    """Make a request ``days`` ago and carry it on; each step is (action, days ago)."""
    now, loader = timezone.now(), loader_actor()
    actors: dict[str, tuple[Actor, dict[str, Any]]] = {
        "assign": (crew.operator, {"agency": crew.agencies["a"], "category": category()}),
        "accept": (crew.handler, {}),
        "pause": (crew.handler, {"reason": "等待鉴定"}),
        "answer": (crew.handler, {"answer": "已经修好"}),
    }
    form = {"detail": "路灯不亮", "place": crew.places["township"]}
    done = act(loader, "request", "file", form=form, at=now - timedelta(days=days))
    for action, ago in steps:
        actor, values = actors[action]
        done = act(
            actor, "request", action, record=done.record, version=done.version, form=values, loader=loader,
            at=now - timedelta(days=ago),
        )  # fmt: skip
    return done


def held(done: Done) -> Register:
    with acting(clock_actor()):
        return Register.objects.get(pk=done.record)


def told(actor: Actor, done: Done) -> list[str]:
    with acting(actor):
        return list(Notice.objects.filter(record_id=done.record).order_by("id").values_list("kind", flat=True))


def test_what_is_late_is_told_once_and_escalated_twice(crew: People) -> None:
    done = past(crew, 60, ("assign", 59), ("accept", 58))
    first = watch_deadlines()
    assert first["red"] >= 1
    assert first["escalated"] >= 1
    assert told(crew.handler, done).count("red") == 1
    assert held(done).alert == 1
    assert watch_deadlines()["red"] == 0
    assert held(done).alert == 2
    watch_deadlines()
    assert held(done).alert == 2
    tell_outbox()
    assert told(crew.handler, done).count("escalated") == 2
    assert told(crew.manager, done).count("escalated") == 2


def test_what_ends_soon_is_told_as_amber_and_a_paused_clock_is_left_alone(crew: People) -> None:
    soon, paused = past(crew, 0.01, ("assign", 0.005)), past(crew, 60, ("assign", 59), ("accept", 58), ("pause", 57))
    due = held(soon).due_at
    assert due is not None
    amber = workdays.amber(timezone.now(), due)
    watch_deadlines(max(amber, timezone.now()) + timedelta(minutes=1))
    assert told(crew.handler, soon) == ["amber"]
    assert told(crew.handler, paused) == []
    assert held(paused).alert == 0


def test_an_answer_that_nobody_rates_is_closed_by_the_clock_without_being_late(crew: People) -> None:
    done = past(crew, 60, ("assign", 59.9), ("accept", 59.8), ("answer", 59.5))
    counts = watch_deadlines()
    assert counts["closed"] == 1
    record = held(done)
    assert record.stage_code == "closed"
    assert "red" not in told(crew.handler, done)
    with acting(crew.manager):
        assert set(DeadlineKept.objects.filter(record=record).values_list("stage", flat=True)) == {
            "filed", "assigned", "working",
        }  # fmt: skip


def test_a_step_left_late_is_written_down_with_who_owed_it_then(crew: People) -> None:
    done = past(crew, 60, ("assign", 59.9), ("accept", 59.8), ("answer", 2))
    with acting(crew.manager):
        kept = DeadlineKept.objects.get(record_id=done.record, stage="working")
    assert kept.agency_id == crew.agencies["a"]
    assert kept.met_at > kept.due_at
    assert kept.source == "本市规定"


def test_time_that_stood_still_is_not_counted_against_who_answers_while_it_stands(crew: People) -> None:
    done = past(crew, 40, ("assign", 39.9), ("accept", 39.8), ("pause", 39.7), ("answer", 1))
    with acting(crew.manager):
        kept = DeadlineKept.objects.get(record_id=done.record, stage="working")
    assert kept.met_at <= kept.due_at


def test_every_new_owner_is_told_and_the_loader_tells_nobody(crew: People, request_in: Make) -> None:
    tick()
    made, loaded = request_in("assigned"), past(crew, 3, ("assign", 2))
    tick()
    assert told(crew.operator, made) == ["assigned"]
    assert told(crew.handler, made) == ["assigned"]
    assert "assigned" not in told(crew.handler, loaded)


def test_who_asks_for_time_is_told_of_at_the_dispatch_office_and_a_task_at_its_agency(
    crew: People, request_in: Make
) -> None:
    made = request_in("working")
    form = {"asked_days": 3, "reason": "等待配件"}
    act(crew.handler, "request", "ask_time", record=made.record, version=made.version, form=form)
    act(crew.handler, "request", "task", record=made.record, form={"task": "现场复查", "task_days": 2})
    tick()
    assert "changed" in told(crew.manager, made)
    assert "task" in told(crew.handler, made)


def test_a_worker_that_falls_between_telling_and_moving_on_tells_nothing_twice(
    crew: People, request_in: Make, owner: Any
) -> None:
    made = request_in("assigned")
    tick()
    before = told(crew.handler, made)
    with owner.cursor() as cursor:
        cursor.execute("UPDATE outbox_position SET xid = 0, entry = '00000000-0000-0000-0000-000000000000'")
    assert tick()["entries"] > 0
    assert told(crew.handler, made) == before


def test_an_entry_of_a_transaction_still_open_is_not_passed_over(crew: People, request_in: Make, owner: Any) -> None:
    tick()
    with owner.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_current_xact_id()")
        made = request_in("assigned")
        assert tell_outbox() == 0
        cursor.execute("COMMIT")
    assert tell_outbox() == 2
    assert told(crew.handler, made) == ["assigned"]


@pytest.mark.parametrize("hours", [0, 5, 24])
def test_a_future_clock_changes_nothing_but_notices(hours: int, crew: People, request_in: Make) -> None:
    made = request_in("assigned")
    watch_deadlines(timezone.now() + timedelta(hours=hours))
    assert held(made).version == made.version
    assert isinstance(held(made).due_at, datetime)
    assert portal_actor().role == "portal"
