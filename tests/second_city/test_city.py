"""Testville is whole: its sample, its words, its own fields, its pages."""

import re
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection

from gongzhi.intake import sample, scenes
from gongzhi.intake.crew import Crew
from gongzhi.intake.duplicates import similar
from gongzhi.intake.places import find_places
from gongzhi.intake.routing import propose
from gongzhi.kernel import money, workdays
from gongzhi.kernel.act import Invalid, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.search import find

CHINESE = re.compile("[一-鿿]")


def test_settings_come_from_the_pack(database: str) -> None:
    assert (settings.CITY, settings.LANGUAGE_CODE, settings.TIME_ZONE) == ("testville", "en", "America/New_York")
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE prosrc LIKE %s", ["%Asia/Shanghai%"])
        assert cursor.fetchall() == []


def test_deadlines_follow_the_citys_holidays_and_hours() -> None:
    before = datetime(2026, 11, 25, 10, tzinfo=ZoneInfo("America/New_York"))
    assert workdays.due(before, 1) == datetime(2026, 11, 27, 17, tzinfo=ZoneInfo("America/New_York")), (
        "Thanksgiving is free"
    )
    assert workdays.is_workday(date(2026, 10, 1))
    assert not workdays.is_workday(date(2026, 4, 20))
    assert money.shown(128000) == "$1,280.00"


def test_the_sample_leads_every_life_in_english(people: Crew) -> None:
    made = sample.load("small")
    assert {"filed", "assigned", "working", "coordinating", "answered", "closed", "invalid", "merged"} <= made.keys()
    assert scenes.load() > 10
    with acting(people.loader):
        records = list(Register.objects.exclude(service_code="directory").select_related("place"))
        assert {record.place.level for record in records} <= {"city", "district", "quarter"}
        assert [record.title for record in records if CHINESE.search(record.title)] == []
        assert max(len(record.title) for record in records if record.service_code == "request") <= 90


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("The STREET LIGHTS on Elm Street are out", "street-light"),
        ("A Large Branch fell from a tree in Hyde Park", "green-tree"),
        ("No heat and no hot water since Friday", "building-housing"),
        ("Double parked cars block the bus", "traffic-parking"),
    ],
)
def test_english_words_route_in_any_case_as_whole_words(text: str, category: str) -> None:
    assert propose(text)[0].category == category


def test_a_part_of_a_word_says_nothing() -> None:
    assert propose("We are starting to crate and carpet") == [], "no rat, no car, no park"
    assert propose("I walked through Hyde Park") == [], "the name of a place is no kind of matter"


def test_places_are_found_as_whole_words_in_any_case() -> None:
    assert [place.name for place in find_places("near hyde park")] == ["Hyde Park"]
    assert [place.name for place in find_places("Roxbury Town")] == ["Roxbury"]
    assert find_places("an Allstonian matter") == []


def test_english_words_are_found_in_any_case(people: Crew) -> None:
    done = act(people.operator, "request", "file", form={"detail": "The WEATHERVANE of O'Neil's café is e-mail-shaped"})
    for words in ("weathervane", "Weathervane CAFÉ", "o'neil", "E-MAIL weathervane", done.number.lower()):
        with acting(people.operator):
            assert [record.number for record in find(people.operator, words)] == [done.number], words
    with acting(people.operator):
        assert find(people.operator, "weather") == []
        assert similar(people.operator, "They have been here and this is what they were about") == []


def test_the_citys_own_fields_work_here_too(people: Crew) -> None:
    grid: Any = people.grid
    form = {"address": "1 Elm Street", "use": "home", "place": grid.place, "parcel": "0401234000"}
    assert act(grid, "house", "enter", form=form).number.startswith("HSE")
    with pytest.raises(Invalid) as refusal:
        act(grid, "house", "enter", form={**form, "parcel": "12345678901"})
    assert "parcel" in refusal.value.errors
    with pytest.raises(Invalid):
        act(grid, "house", "enter", form={**form, "certified_on": "2026-01-02"})
