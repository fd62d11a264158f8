"""Rounds and what they find: a finding is a record of its own, and the round waits for it."""

import threading
from typing import Any

import pytest

from gongzhi.kernel.act import Absent, Done, Invalid, PartsOpen, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Link, Register
from tests.kernel.people import People


@pytest.fixture
def walking(crew: People) -> Done:
    form = {"theme": "fire", "planned_on": "2026-11-24", "scope": "沿街商铺", "place": crew.places["township"]}
    done = act(crew.grid, "inspection", "plan", form=form)
    return act(crew.grid, "inspection", "start", record=done.record, version=done.version)


def found(crew: People, walking: Done, **changed: Any) -> Done:
    form = {
        "whole": walking.number, "what": "疏散通道堆放杂物", "theme": "fire", "gravity": "major",
        "agency": crew.agencies["a"], **changed,
    }  # fmt: skip
    return act(crew.grid, "finding", "find", form=form)


def test_a_round_is_settled_when_all_it_found_is_in_order(crew: People, walking: Done) -> None:
    finding = found(crew, walking)
    done = act(
        crew.grid,
        "inspection",
        "finish",
        record=walking.record,
        version=2,
        form={"walked_on": "2026-11-24", "visited": 12},
    )
    with pytest.raises(PartsOpen, match="还有 1 项没有办结"):
        act(crew.grid, "inspection", "settle", record=done.record, version=done.version)
    mended = act(crew.handler, "finding", "mend", record=finding.record, version=1, form={"measure": "已清理"})
    back = act(
        crew.grid, "finding", "send_back", record=finding.record, version=mended.version, form={"reason": "又堆上了"}
    )
    with acting(crew.handler):  # it came back to the agency that owed it before
        record = Register.objects.get(pk=finding.record)
        assert (record.agency_id, record.stage_code, record.facts.returned) == (crew.agencies["a"], "open", 1)
        assert record.due_at is not None
    mended = act(
        crew.handler, "finding", "mend", record=finding.record, version=back.version, form={"measure": "装了围栏"}
    )
    with acting(crew.grid):
        assert Register.objects.get(pk=finding.record).agency_id == crew.grid.agency
    act(crew.grid, "finding", "clear", record=finding.record, version=mended.version)
    assert act(crew.grid, "inspection", "settle", record=done.record, version=done.version).stage == "done"


def test_a_finding_lies_where_its_round_goes_and_hangs_from_it(crew: People, walking: Done) -> None:
    finding = found(crew, walking)
    with acting(crew.grid):
        record = Register.objects.get(pk=finding.record)
        assert record.place_id == crew.places["township"]
        link = Link.objects.get(b=record)
        assert (link.kind, link.a_id) == ("part", walking.record)


@pytest.mark.parametrize("number", ["XC2026999999", "", "SQ2026000001", "乱写"])
def test_a_round_that_is_not_there_is_said(crew: People, number: str) -> None:
    with pytest.raises(Invalid) as refused:
        act(
            crew.grid,
            "finding",
            "find",
            form={"whole": number, "what": "x", "theme": "fire", "gravity": "minor", "agency": crew.agencies["a"]},
        )
    assert set(refused.value.errors) == {"whole"}


def test_a_round_of_another_area_takes_nothing_from_here(crew: People, walking: Done) -> None:
    form = {
        "whole": walking.number,
        "what": "x",
        "theme": "fire",
        "gravity": "minor",
        "agency": crew.agencies["a"],
        "place": crew.places["far"],
    }
    with pytest.raises(Invalid, match="看不到"):
        act(crew.far_centre, "finding", "find", form=form)
    with pytest.raises(Absent):
        act(crew.handler, "finding", "find", form=form)


def test_a_settled_round_takes_no_more(crew: People, walking: Done) -> None:
    done = act(
        crew.grid,
        "inspection",
        "finish",
        record=walking.record,
        version=2,
        form={"walked_on": "2026-11-24", "visited": 1},
    )
    act(crew.grid, "inspection", "settle", record=done.record, version=done.version)
    with pytest.raises(Invalid, match="已经结束"):
        found(crew, walking)


def test_no_finding_slips_in_while_its_round_is_settled(crew: People, walking: Done) -> None:
    """Twenty rounds, each settled and added to at the same moment: never both."""
    from django.db import connection

    for _ in range(20):
        form = {"theme": "gas", "planned_on": "2026-11-24", "scope": "小区", "place": crew.places["township"]}
        plan = act(crew.grid, "inspection", "plan", form=form)
        act(crew.grid, "inspection", "start", record=plan.record, version=1)
        done = act(
            crew.grid,
            "inspection",
            "finish",
            record=plan.record,
            version=2,
            form={"walked_on": "2026-11-24", "visited": 1},
        )
        outcome: dict[str, str] = {}
        gate = threading.Barrier(2)

        def go(name: str, run: Any, outcome: dict[str, str] = outcome, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                run()
                outcome[name] = "done"
            except Exception as refused:
                outcome[name] = type(refused).__name__
            finally:
                connection.close()

        runs = {
            "settle": lambda done=done: act(
                crew.grid, "inspection", "settle", record=done.record, version=done.version
            ),
            "find": lambda plan=plan: found(crew, plan),
        }
        threads = [threading.Thread(target=go, args=item) for item in runs.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcome in (
            {"settle": "done", "find": "Invalid"},
            {"settle": "done", "find": "Absent"},
            {"settle": "PartsOpen", "find": "done"},
        )


def test_a_round_that_is_dropped_is_over_and_says_why(crew: People) -> None:
    form = {"theme": "gas", "planned_on": "2026-11-24", "scope": "小区", "place": crew.places["township"]}
    plan = act(crew.grid, "inspection", "plan", form=form)
    with pytest.raises(Invalid):
        act(crew.grid, "inspection", "drop", record=plan.record, version=1, form={"reason": " "})
    act(crew.grid, "inspection", "drop", record=plan.record, version=1, form={"reason": "与消防部门的巡查重复"})
    with acting(crew.centre):
        record = Register.objects.get(pk=plan.record)
        assert (record.stage_code, record.due_at, record.closed_at is not None) == ("dropped", None, True)
        assert dict(timeline(record, crew.centre)[0].words) == {"理由": "与消防部门的巡查重复"}
    with pytest.raises(Invalid, match="已经结束"):
        found(crew, plan)


def test_a_finding_that_is_passed_on_is_the_next_agencys_by_the_same_day(crew: People, walking: Done) -> None:
    finding = found(crew, walking)
    with acting(crew.handler):
        due = Register.objects.get(pk=finding.record).due_at
    form = {"agency": crew.agencies["b"], "reason": "消防通道归物业主管单位"}
    act(crew.handler, "finding", "pass_on", record=finding.record, version=1, form=form)
    with acting(crew.handler):
        assert not Register.objects.filter(pk=finding.record).exists()
    with acting(crew.other):
        record = Register.objects.get(pk=finding.record)
        assert (record.stage_code, record.agency_id, record.due_at) == ("open", crew.agencies["b"], due)
    mended = act(crew.other, "finding", "mend", record=finding.record, version=2, form={"measure": "已清理"})
    back = act(
        crew.grid, "finding", "send_back", record=finding.record, version=mended.version, form={"reason": "没清完"}
    )
    with acting(crew.other):  # back to who mended it, not to who was asked first
        assert Register.objects.get(pk=back.record).agency_id == crew.agencies["b"]
