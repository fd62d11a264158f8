"""Houses: a register without deadlines, whose facts change and whose owner may change."""

from typing import Any

import pytest

from gongzhi.kernel.act import Absent, Conflict, Invalid, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Entry, Party, Register
from gongzhi.kernel.search import find
from tests.kernel.people import People


@pytest.fixture
def entered(crew: People) -> Any:
    form = {
        "address": "健康西路 12 号 3 幢 101 室", "use": "home", "frame": "brick", "floors": "6", "area": "86.5",
        "rented": "是", "residents": 3, "place": crew.places["township"], "point": "119.02,33.6",
        "owner_name": "王明", "owner_phone": "13900000000",
        "safety_grade": "B", "graded_on": "2026-05-01",
    }  # fmt: skip
    return act(crew.grid, "house", "enter", form=form)


def test_a_house_is_entered_once_for_all(crew: People, entered: Any) -> None:
    with acting(crew.operator):
        record = Register.objects.get(number=entered.number)
        house = record.facts
        assert (record.title, record.due_at, record.closed_at) == ("健康西路 12 号 3 幢 101 室", None, None)
        assert (str(house.area), house.rented, house.residents) == ("86.50", True, 3)
        assert house.more == {"public_owned": None, "safety_grade": "B", "graded_on": "2026-05-01"}
        assert Party.objects.get(record=record).role == "owner"
        assert [found.number for found in find(crew.operator, "健康西路")] == [entered.number]


def test_a_visit_changes_what_was_seen_and_leaves_the_rest(crew: People, entered: Any) -> None:
    form = {"checked_on": "2026年11月20日", "residents": "4"}
    done = act(crew.grid, "house", "visit", record=entered.record, version=1, form=form)
    with acting(crew.grid):
        record = Register.objects.get(pk=done.record)
        house = record.facts
        assert (house.residents, house.rented, house.checked_on.isoformat()) == (4, True, "2026-11-20")
        line = timeline(record, crew.grid)[0]
        assert dict(line.facts) == {"居住人数": "4", "最近走访": "2026年11月20日"}  # rented was not touched


def test_a_corrected_address_is_the_title_and_is_found(crew: People, entered: Any) -> None:
    form = {"address": "淮海北路 8 号 2 幢 202 室", "remark": ""}
    act(crew.operator, "house", "correct", record=entered.record, version=1, form=form)
    with acting(crew.operator):
        record = Register.objects.get(pk=entered.record)
        assert record.title == "淮海北路 8 号 2 幢 202 室"
        assert record.lon == 119.02
        assert record.facts.area is not None
        assert [found.pk for found in find(crew.operator, "淮海北路 202")] == [record.pk]


def test_a_new_owner_is_a_party_beside_the_old_one(crew: People, entered: Any) -> None:
    with pytest.raises(Invalid, match="请填写这一项"):
        act(crew.grid, "house", "transfer", record=entered.record, version=1, form={})
    form = {"owner_name": "李芳", "owner_phone": "13800000000"}
    act(crew.grid, "house", "transfer", record=entered.record, version=1, form=form)
    with acting(crew.grid):
        assert Party.objects.filter(record=entered.record, role="owner").count() == 2
        body = Entry.objects.get(record=entered.record, action="transfer").body
        assert "李芳" not in body
        assert '"known":"name phone"' in body


def test_what_is_wrong_is_said_beside_the_field(crew: People) -> None:
    form = {
        "address": "x", "use": "castle", "floors": "0", "area": "-1", "rented": "maybe", "residents": "many",
        "built": "1492", "place": crew.places["township"],
    }  # fmt: skip
    with pytest.raises(Invalid) as refused:
        act(crew.grid, "house", "enter", form=form)
    assert set(refused.value.errors) == {"use", "floors", "area", "rented", "residents", "built"}


def test_the_citys_schema_holds_between_its_fields(crew: People) -> None:
    form = {"address": "x", "use": "home", "place": crew.places["township"], "safety_grade": "D"}
    with pytest.raises(Invalid) as refused:
        act(crew.grid, "house", "enter", form=form)
    assert refused.value.errors == {"graded_on": ["请填写这一项。"]}


def test_the_citys_fields_are_mended_later(crew: People, entered: Any) -> None:
    act(
        crew.grid,
        "house",
        "more",
        record=entered.record,
        form={"safety_grade": "C", "graded_on": "2026-11-01", "public_owned": "否"},
    )
    with acting(crew.grid):
        record = Register.objects.get(pk=entered.record)
        assert record.facts.more == {"public_owned": False, "safety_grade": "C", "graded_on": "2026-11-01"}
        assert dict(timeline(record, crew.grid)[0].facts) == {
            "公有住房": "否",
            "安全鉴定等级": "C 级：局部危房",
            "鉴定日期": "2026年11月1日",
        }


def test_a_struck_house_takes_no_visit(crew: People, entered: Any) -> None:
    act(crew.grid, "house", "strike", record=entered.record, version=1, form={"reason": "已拆除"})
    with acting(crew.grid):
        assert Register.objects.get(pk=entered.record).closed_at is not None
    with pytest.raises(Conflict):
        act(crew.grid, "house", "visit", record=entered.record, version=2, form={"checked_on": "2026-11-20"})


def test_an_agency_that_owes_it_nothing_sees_no_house(crew: People, entered: Any) -> None:
    with pytest.raises(Absent):
        act(crew.handler, "house", "visit", record=entered.record, version=1, form={"checked_on": "2026-11-20"})
    with acting(crew.handler):
        assert not Register.objects.filter(pk=entered.record).exists()
