"""The one door: who may, what a stale page gets, what a repeated submission gets, and that nothing is half done."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from gongzhi.kernel.act import Absent, ClockWrong, Conflict, Done, Invalid, KeyReused, act
from gongzhi.kernel.context import ContextError, acting, loader_actor, portal_actor
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.service import service
from tests.kernel.conftest import category
from tests.kernel.people import People

pytestmark = pytest.mark.any_city

Make = Callable[..., Done]


def _threads(work: Callable[[int], Any], count: int) -> list[Any]:
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_three_simultaneous_actors_one_wins_and_the_others_read_who_did_what(crew: People, request_in: Make) -> None:
    for _ in range(20):
        made = request_in("filed")
        form = {"agency": crew.agencies["a"], "category": category()}
        answers = _threads(
            lambda _, made=made, form=form: act(
                crew.operator, "request", "assign", record=made.record, version=made.version, form=form
            ),
            3,
        )
        won = [answer for answer in answers if isinstance(answer, Done)]
        lost = [answer for answer in answers if isinstance(answer, Conflict)]
        assert (len(won), len(lost)) == (1, 2)
        for conflict in lost:
            assert conflict.who == "t-operator"
            assert str(conflict.action_title) == str(service("request").action("assign").title)
            assert str(conflict.stage_title) == str(service("request").procedure.stage("assigned").title)
            assert conflict.version == won[0].version


def test_one_key_makes_one_record_however_often_and_however_fast_it_comes(crew: People) -> None:
    key = str(uuid4())
    answers = _threads(lambda _: act(portal_actor(), "request", "file", form={"detail": "井盖丢失"}, key=key), 8)
    assert {answer.record for answer in answers} == {answers[0].record}
    assert {answer.follow for answer in answers} == {answers[0].follow}
    assert sum(not answer.repeated for answer in answers) == 1


def test_a_key_of_one_act_is_refused_for_another(crew: People, request_in: Make) -> None:
    first, second = request_in("assigned"), request_in("assigned")
    key = str(uuid4())
    act(crew.handler, "request", "accept", record=first.record, version=first.version, key=key)
    with pytest.raises(KeyReused):
        act(crew.handler, "request", "accept", record=second.record, version=second.version, key=key)


def test_a_repeated_change_answers_as_the_first_time_also_on_a_page_that_is_stale_by_now(
    crew: People, request_in: Make
) -> None:
    made, key = request_in("assigned"), str(uuid4())
    first = act(crew.handler, "request", "accept", record=made.record, version=made.version, key=key)
    again = act(crew.handler, "request", "accept", record=made.record, version=made.version, key=key)
    assert again.repeated
    assert (again.record, again.version, again.stage) == (first.record, first.version, first.stage)


def _actors(crew: People) -> dict[str, Any]:
    return {
        "operator": crew.operator, "handler": crew.handler, "manager": crew.manager, "centre": crew.centre,
        "grid": crew.grid, "portal": portal_actor(), "admin": crew.admin,
    }  # fmt: skip


@pytest.mark.parametrize("action", service("request").procedure.actions, ids=lambda action: action.code)
def test_every_role_that_the_table_does_not_name_reads_the_same_sentence_as_for_no_record(
    action: Action, crew: People, request_in: Make
) -> None:
    made = request_in("filed")
    named = {role.code for role in action.by}
    for code, actor in _actors(crew).items():
        if code in named:
            continue
        form = _form(action, crew, made)
        said = []
        for record in (None if action.creates else made.record, None if action.creates else uuid4()):
            with pytest.raises(Absent) as refused:
                act(actor, "request", action.code, record=record, version=made.version, form=form)
            said.append(str(refused.value))
        assert said == [ABSENT, ABSENT]


def _form(action: Action, crew: People, made: Done) -> dict[str, Any]:
    """Return a form that fits the action."""
    given: dict[str, Any] = {
        "agency": crew.agencies["a"], "category": category(), "detail": "路灯不亮", "reason": "不属于本单位",
        "answer": "已修好", "rating": "4", "asked_days": 3, "note": "备注", "other": made.number, "task": "回访",
        "task_days": 2, "task_id": str(uuid4()),
    }  # fmt: skip
    return {name: given[name] for name in service("request").form(action).fields if name in given}


@pytest.mark.parametrize(
    ("stage", "action"),
    [
        (stage, action)
        for stage in ("filed", "assigned", "working", "answered", "closed")
        for action in service("request").procedure
        if not action.anywhere and not action.creates and not action.leaves(stage)
    ],
    ids=lambda value: value if isinstance(value, str) else value.code,
)
def test_an_action_is_refused_in_every_stage_that_it_does_not_leave(
    stage: str, action: Action, crew: People, request_in: Make
) -> None:
    made = request_in(stage)
    actor = next(actor for code, actor in _actors(crew).items() if code in {role.code for role in action.by})
    form = _form(action, crew, request_in("filed"))
    with pytest.raises((Conflict, Absent)):
        act(actor, "request", action.code, record=made.record, version=made.version, form=form, follow=made.follow)
    with acting(crew.operator):
        assert Register.objects.get(pk=made.record).version == made.version


def test_an_agency_that_hands_a_request_on_sees_it_no_more(crew: People, request_in: Make) -> None:
    made = request_in("working")
    form = {"agency": crew.agencies["b"], "reason": "属于另一单位"}
    done = act(crew.handler, "request", "hand_on", record=made.record, version=made.version, form=form)
    with acting(crew.handler):
        assert not Register.objects.filter(pk=made.record).exists()
    with acting(crew.other):
        assert Register.objects.get(pk=made.record).stage_code == "assigned"
    with pytest.raises(Absent):
        act(crew.handler, "request", "accept", record=made.record, version=done.version)


def test_twice_refused_goes_to_the_centre_of_the_county(crew: People, request_in: Make) -> None:
    made = request_in("assigned")
    reason = {"reason": "不属于本单位职责"}
    done = act(crew.handler, "request", "refuse", record=made.record, version=made.version, form=reason)
    assert done.stage == "filed"
    form = {"agency": crew.agencies["a"], "category": category()}
    done = act(crew.operator, "request", "assign", record=made.record, version=done.version, form=form)
    with pytest.raises(Conflict):
        act(crew.handler, "request", "refuse", record=made.record, version=done.version, form=reason)
    done = act(crew.handler, "request", "refuse_again", record=made.record, version=done.version, form=reason)
    assert done.stage == "coordinating"
    with acting(crew.centre):
        record = Register.objects.select_related("agency").get(pk=made.record)
        assert record.agency_id == crew.agencies["centre"]
    done = act(crew.centre, "request", "coordinate", record=made.record, version=done.version, form=form)
    assert done.stage == "assigned"
    with acting(crew.centre):
        assert Register.objects.get(pk=made.record).facts.refusals == 0


def test_asking_for_time_moves_the_deadline_only_when_it_is_granted(crew: People, request_in: Make) -> None:
    made = request_in("working")

    def due() -> Any:
        with acting(crew.manager):
            return Register.objects.get(pk=made.record).due_at

    before = due()
    form = {"asked_days": 5, "reason": "等待配件"}
    done = act(crew.handler, "request", "ask_time", record=made.record, version=made.version, form=form)
    assert due() == before
    act(crew.manager, "request", "grant_time", record=made.record, version=done.version)
    assert due() >= before + timedelta(days=5)


def test_a_pause_stops_the_clock_and_what_it_took_is_added(crew: People, request_in: Make) -> None:
    start = timezone.now() - timedelta(days=40)
    loader = loader_actor()
    made = act(loader, "request", "file", form={"detail": "噪声扰民", "place": crew.places["township"]}, at=start)
    steps: list[tuple[Any, str, dict[str, Any], int]] = [
        (crew.operator, "assign", {"agency": crew.agencies["a"], "category": category()}, 0),
        (crew.handler, "accept", {}, 1),
        (crew.handler, "pause", {"reason": "等待鉴定"}, 2),
    ]
    for actor, action, form, day in steps:
        made = act(
            actor, "request", action, record=made.record, version=made.version, form=form, loader=loader,
            at=start + timedelta(days=day),
        )  # fmt: skip
    with acting(crew.handler):
        paused = Register.objects.get(pk=made.record)
    act(
        crew.handler,
        "request",
        "resume",
        record=made.record,
        version=made.version,
        at=start + timedelta(days=16),
        loader=loader,
    )
    with acting(crew.handler):
        record = Register.objects.get(pk=made.record)
    assert paused.paused_at is not None
    assert record.paused_at is None
    assert record.due_at - paused.due_at >= timedelta(days=13)


@pytest.mark.in_chinese
def test_an_act_of_another_day_needs_the_loader(crew: People, request_in: Make) -> None:
    made = request_in("assigned")
    with pytest.raises(ClockWrong) as refused:
        act(
            crew.handler,
            "request",
            "accept",
            record=made.record,
            version=made.version,
            at=timezone.now() - timedelta(hours=1),
        )
    assert "时钟" in str(refused.value)
    with acting(crew.operator):
        assert Entry.objects.filter(record=made.record, action="accept").count() == 0


def test_a_form_that_is_not_right_says_so_by_field_and_nothing_is_written(crew: People) -> None:
    with pytest.raises(Invalid) as refused:
        act(
            crew.operator,
            "request",
            "file",
            form={"detail": " ", "asker_phone": "没有", "place": 999999999, "stray": 1},
        )
    assert {"detail", "asker_phone", "stray"} <= refused.value.errors.keys()
    with pytest.raises(Invalid) as refused:
        act(crew.operator, "request", "file", form={"detail": "x" * 4001})
    assert list(refused.value.errors) == ["detail"]


def test_act_inside_a_reading_transaction_is_a_fault_of_the_code(crew: People) -> None:
    with acting(crew.operator), pytest.raises(ContextError):
        act(crew.operator, "request", "file", form={"detail": "路灯不亮"})


@pytest.mark.in_chinese
def test_linking_needs_sight_of_both_records(crew: People, request_in: Make) -> None:
    mine, theirs = request_in("assigned"), request_in("filed")
    with pytest.raises(Invalid) as refused:
        act(crew.handler, "request", "link", record=mine.record, form={"other": theirs.number})
    assert "看不到" in str(refused.value)
    act(crew.operator, "request", "link", record=mine.record, form={"other": theirs.number})


def test_the_chain_of_a_record_can_be_computed_again_from_its_entries(crew: People, request_in: Make) -> None:
    import hashlib

    made = request_in("closed")
    with acting(crew.operator):
        head = b""
        for entry in Entry.objects.filter(record=made.record).order_by("seq"):
            head = hashlib.sha256(head + entry.body.encode()).digest()
            assert bytes(entry.hash) == head
        assert bytes(Register.objects.get(pk=made.record).head) == head
