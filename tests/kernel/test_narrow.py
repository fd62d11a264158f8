"""Narrowing by the city's own fields: their numbers are numbers and their days are days, though they stand in JSON."""

import json
from typing import Any

import pytest

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.cursor import page
from gongzhi.kernel.fields import Day, Measure, Whole
from gongzhi.kernel.narrow import narrow
from gongzhi.kernel.service import service
from tests.kernel.people import People


@pytest.fixture
def houses(crew: People, owner: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Three houses with the city's own fields: a decimal, a whole number and a day; number by its decimal."""
    declared = service("house")
    own: dict[str, Any] = {"width": Measure("门宽"), "steps": Whole("台阶"), "seen": Day("查验日期")}
    for name, fact in own.items():
        fact.name = name
    monkeypatch.setitem(vars(declared), "extras", own)
    monkeypatch.setitem(vars(declared), "all_facts", {**declared.facts, **own})
    made = {}
    for width, steps, seen in (("9.50", 100, "2026-03-01"), ("10.25", 20, "2026-01-31"), ("100.00", 3, "2025-12-31")):
        form = {"address": "x", "use": "home", "place": crew.places["township"]}
        done = act(crew.grid, "house", "enter", form=form)
        with owner.cursor() as cursor:
            more = json.dumps({"width": width, "steps": steps, "seen": seen})
            cursor.execute("UPDATE grid_house SET more = %s WHERE record_id = %s", [more, done.record])
        made[width] = done.number
    return made


def found(crew: People, **given: str) -> list[str]:
    with acting(crew.grid):
        said = narrow(service("house"), crew.grid, {name.replace("__", "."): text for name, text in given.items()})
        assert not said.faults
        return [record.number for record in said.records()]


@pytest.mark.parametrize(
    ("given", "widths"),
    [
        ({"width__from": "10"}, ["10.25", "100.00"]),
        ({"width__from": "9.5", "width__to": "10.25"}, ["9.50", "10.25"]),
        ({"width": "100"}, ["100.00"]),
        ({"steps__from": "19", "steps__to": "100"}, ["9.50", "10.25"]),
        ({"seen__from": "2026-01-01"}, ["9.50", "10.25"]),
        ({"seen": "2025-12-31"}, ["100.00"]),
    ],
)
def test_spans_of_the_citys_own_fields(
    crew: People, houses: dict[str, str], given: dict[str, str], widths: list[str]
) -> None:
    everything = set(found(crew, **given)) & set(houses.values())
    assert everything == {houses[width] for width in widths}


@pytest.mark.parametrize(
    ("order", "widths"),
    [
        ("width", ["9.50", "10.25", "100.00"]),
        ("-steps", ["9.50", "10.25", "100.00"]),
        ("seen", ["100.00", "10.25", "9.50"]),
    ],
)
def test_orders_and_cursors_of_the_citys_own_fields(
    crew: People, houses: dict[str, str], order: str, widths: list[str]
) -> None:
    wanted = [houses[width] for width in widths]
    assert [number for number in found(crew, order=order) if number in wanted] == wanted
    with acting(crew.grid):
        said, after, one_by_one = narrow(service("house"), crew.grid, {"order": order}), "", []
        while True:
            rows, after = page(said, after, 1)
            one_by_one += [row.number for row in rows]
            if not after:
                break
    assert [number for number in one_by_one if number in wanted] == wanted
