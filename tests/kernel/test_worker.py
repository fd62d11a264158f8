"""What happens without a person: notices, amber, red, escalation, closing what nobody rated."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from gongzhi.kernel import workdays
from gongzhi.kernel.act import Done, act, execute
from gongzhi.kernel.context import Actor, acting, clock_actor, loader_actor, portal_actor
from gongzhi.kernel.dates import brief
from gongzhi.kernel.models import DeadlineKept, Notice, Register
from gongzhi.kernel.notices import worded
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


def said(actor: Actor, done: Done, kind: str, language: str) -> list[str]:
    """Return the sentences of a kind in one reader's language, with number and title out of the way."""
    with acting(actor), override(language):
        record = Register.objects.get(pk=done.record)
        found = [worded(n) for n in Notice.objects.filter(record=record, kind=kind).select_related("record")]
    what = {"zh-hans": "{}《{}》", "en": "{} “{}”"}[language].format(record.number, record.title[:40])
    assert all(text.startswith(what) for text in found)
    return [text.removeprefix(what) for text in found]


def test_a_notice_is_worded_when_it_is_read_in_the_language_of_whoever_reads(crew: People, request_in: Make) -> None:
    made = request_in("assigned")
    act(crew.handler, "request", "task", record=made.record, form={"task": "现场复查", "task_days": 2})
    done = act(crew.handler, "request", "accept", record=made.record, version=made.version)
    form = {"asked_days": 3, "reason": "等待配件"}
    act(crew.handler, "request", "ask_time", record=made.record, version=done.version, form=form)
    with override("en"):  # whatever language the worker runs in
        tick()
    assert said(crew.handler, made, "task", "zh-hans") == ["有一项任务交给您单位"]
    assert said(crew.handler, made, "task", "en") == [": your agency was given a task"]
    [chinese], [english] = (said(crew.handler, made, "assigned", language) for language in ("zh-hans", "en"))
    with acting(crew.handler):
        due = DeadlineKept.objects.get(record_id=made.record, stage="assigned").due_at  # of the step that it tells of
    with override("zh-hans"):
        assert chinese == f"转到您单位，请在 {brief(due)} 前签收"
    with override("en"):
        assert english == f" is now with your agency: Accept by {brief(due)}"
    agency = crew.handler.agency_title
    assert said(crew.manager, made, "changed", "zh-hans") == [f"：{agency}申请延期"]
    assert said(crew.manager, made, "changed", "en") == [f": Ask for more time ({agency})"]


def test_amber_red_and_escalated_notices_say_until_when_in_each_language(crew: People) -> None:
    late, soon = past(crew, 60, ("assign", 59), ("accept", 58)), past(crew, 0.01, ("assign", 0.005))
    due = held(soon).due_at
    assert due is not None
    watch_deadlines()
    watch_deadlines(max(workdays.amber(timezone.now(), due), timezone.now()) + timedelta(minutes=1))
    tell_outbox()
    for language, red, amber, escalated in (
        ("zh-hans", "已经超期：", "期限将到：", "已被催办，请尽快处理"),
        ("en", " is overdue since ", " is due soon: ", " was escalated; please deal with it soon"),
    ):
        with override(language):
            assert said(crew.handler, late, "red", language) == [red + brief(held(late).due_at)]
            assert said(crew.handler, soon, "amber", language) == [amber + brief(due)]
        assert escalated in said(crew.handler, late, "escalated", language)


def test_a_notice_of_the_release_before_keeps_its_sentence_and_an_act_no_longer_declared_still_has_one(
    crew: People, request_in: Make, owner: Any
) -> None:
    made = request_in("assigned")
    old = f"{made.number}《路灯不亮》转到您单位，请在 11月24日 17:30 前受理"
    with owner.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notice (record_id, agency_id, kind, text, at, once) VALUES (%s, %s, 'assigned', %s, now(), 'old')",
            [made.record, crew.agencies["a"], old],
        )
        cursor.execute(
            "INSERT INTO notice (record_id, agency_id, kind, about, at, once) VALUES (%s, %s, 'changed', %s, now(), 'gone')",
            [made.record, crew.agencies["a"], '{"action": "no_longer_there", "by": 1}'],
        )
        cursor.execute(  # one of before, whose words were erased with the record's
            "INSERT INTO notice (record_id, agency_id, kind, at, once) VALUES (%s, %s, 'red', now(), 'erased')",
            [made.record, crew.agencies["a"]],
        )
    with acting(crew.handler), override("en"):
        assert worded(Notice.objects.select_related("record").get(once="old")) == old
    assert said(crew.handler, made, "red", "en") == [" has changed"]
    assert said(crew.handler, made, "changed", "en") == [" has changed"]


def test_a_worker_of_the_release_before_may_still_tell_a_finished_sentence(crew: People, request_in: Make) -> None:
    made, clock = request_in("assigned"), clock_actor()
    old = [{"record": str(made.record), "agency": crew.agencies["a"], "kind": "task", "text": "一句写好的话",
            "at": timezone.now().isoformat(), "once": "told before"}]  # fmt: skip
    assert execute("SELECT kernel.tell(%s::bigint, %s::jsonb, '', 0, NULL)", [clock.post, json.dumps(old)])[0] == 1
    with acting(crew.handler):
        assert worded(Notice.objects.select_related("record").get(once="told before")) == "一句写好的话"


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
