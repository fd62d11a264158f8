"""Quiet hours over midnight and over the nights on which the clock is changed; the digest over a holiday."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from gongzhi.channels.times import next_digest, quiet_end

NIGHT = (time(21), time(7, 30))
CHINA, EAST = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


@pytest.fixture
def new_york() -> Iterator[None]:
    with timezone.override("America/New_York"):
        yield


def at(zone: ZoneInfo, *when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=zone, fold=fold)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ((2026, 11, 24, 20, 59), (2026, 11, 24, 20, 59)),
        ((2026, 11, 24, 21, 0), (2026, 11, 25, 7, 30)),
        ((2026, 11, 24, 23, 59), (2026, 11, 25, 7, 30)),
        ((2026, 11, 25, 0, 0), (2026, 11, 25, 7, 30)),
        ((2026, 11, 25, 7, 29), (2026, 11, 25, 7, 30)),
        ((2026, 11, 25, 7, 30), (2026, 11, 25, 7, 30)),
        ((2026, 12, 31, 22, 0), (2027, 1, 1, 7, 30)),
    ],
)
def test_a_quiet_night_ends_in_the_morning(moment: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert quiet_end(at(CHINA, *moment), *NIGHT) == at(CHINA, *end)


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    noon = at(CHINA, 2026, 11, 24, 12, 30)
    assert quiet_end(noon, time(12), time(14)) == at(CHINA, 2026, 11, 24, 14, 0)
    assert quiet_end(noon, time(14), time(18)) == noon
    assert quiet_end(noon, time(8), time(8)) == noon
    assert quiet_end(noon, None, None) == noon


@pytest.mark.usefixtures("new_york")
def test_the_night_that_lacks_an_hour() -> None:
    begun = at(EAST, 2026, 3, 7, 23, 0)
    assert quiet_end(begun, *NIGHT) == at(EAST, 2026, 3, 8, 7, 30)
    assert quiet_end(begun, *NIGHT).astimezone(UTC) - begun.astimezone(UTC) == timedelta(hours=7, minutes=30)
    # 02:30 does not exist on that night: quiet hours that end then end with the gap's other side
    assert quiet_end(begun, time(21), time(2, 30)).astimezone(UTC) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


@pytest.mark.usefixtures("new_york")
def test_the_night_that_has_an_hour_twice() -> None:
    begun = at(EAST, 2026, 10, 31, 23, 0)
    assert quiet_end(begun, *NIGHT).astimezone(UTC) - begun.astimezone(UTC) == timedelta(hours=9, minutes=30)
    again = at(EAST, 2026, 11, 1, 1, 10, fold=1)
    assert quiet_end(again, time(21), time(1, 30)).astimezone(UTC) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@settings(deadline=None)
@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    begins=st.times(),
    ends=st.times(),
)
def test_the_end_is_never_before_and_never_quiet_itself(moment: datetime, begins: time, ends: time) -> None:
    with timezone.override("America/New_York"):
        begins, ends = begins.replace(microsecond=0), ends.replace(microsecond=0)
        end = quiet_end(moment, begins, ends)
        assert moment <= end <= moment + timedelta(hours=25)


def test_a_digest_comes_on_the_next_working_day() -> None:
    before = at(CHINA, 2026, 9, 30, 17, 0)  # the last working day before the National Day's holiday
    due = next_digest(before, 8)
    assert due == at(CHINA, 2026, 10, 8, 8, 0)
    assert next_digest(at(CHINA, 2026, 11, 24, 7, 59), 8) == at(CHINA, 2026, 11, 24, 8, 0)
    assert next_digest(at(CHINA, 2026, 11, 24, 8, 0), 8) == at(CHINA, 2026, 11, 25, 8, 0)
    assert next_digest(at(CHINA, 2026, 11, 27, 9, 0), 8) == at(CHINA, 2026, 11, 30, 8, 0)  # over a weekend
