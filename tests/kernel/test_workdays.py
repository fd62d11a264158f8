"""Working days: what a deadline counts, checked against the calendar of 2025 and by properties."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.kernel import workdays

YEARS = st.datetimes(datetime(2019, 1, 1), datetime(2029, 6, 30))  # announced years, and years not announced yet
MOMENTS = YEARS.map(timezone.make_aware)
SPANS = st.integers(1, 30)


def at(year: int, month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    """Return a moment of the city's own time."""
    return timezone.make_aware(datetime(year, month, day, hour, minute))


def unannounced() -> date:
    """Return a Monday, not a feast, of a year whose holidays nobody knows yet."""
    day = date(2035, 6, 4)
    assert day.weekday() == 0
    return day


def test_an_announced_holiday_is_no_working_day_and_its_make_up_sunday_is_one() -> None:
    assert not workdays.is_workday(date(2025, 10, 1))
    assert not workdays.is_workday(date(2025, 10, 8))
    assert workdays.is_workday(date(2025, 9, 28)), "Sunday 28 September 2025 was worked for the National Day"
    assert not workdays.is_workday(date(2025, 9, 27)), "the Saturday before it was not"
    assert not workdays.provisional(date(2025, 10, 1))


def test_a_year_not_announced_yet_counts_weekends_and_fixed_feasts_and_says_that_it_is_provisional() -> None:
    monday = unannounced()
    assert workdays.provisional(monday)
    assert workdays.is_workday(monday)
    assert not workdays.is_workday(monday + timedelta(days=5))
    assert not workdays.is_workday(date(2035, 10, 1))
    assert not workdays.is_workday(date(2035, 1, 1))


def test_a_deadline_ends_with_the_office_hours_of_the_last_working_day() -> None:
    assert workdays.due(at(2025, 11, 3), 1) == at(2025, 11, 4, 17, 30)
    assert workdays.due(at(2025, 11, 3), 5) == at(2025, 11, 10, 17, 30), "a weekend lies between"
    assert workdays.due(at(2025, 9, 30, 16), 1) == at(2025, 10, 9, 17, 30), "the long holiday lies between"
    assert workdays.due(at(2025, 9, 26), 1) == at(2025, 9, 28, 17, 30), "a made-up Sunday counts"


def test_the_day_is_the_citys_own_even_when_the_moment_is_written_in_another_zone() -> None:
    late_monday = datetime(2025, 11, 3, 15, 59, tzinfo=UTC)  # 23:59 in Huai'an
    early_tuesday = datetime(2025, 11, 3, 16, 1, tzinfo=UTC)  # 00:01 on Tuesday
    assert workdays.due(late_monday, 1) == at(2025, 11, 4, 17, 30)
    assert workdays.due(early_tuesday, 1) == at(2025, 11, 5, 17, 30)


@pytest.mark.parametrize("days", [0, -1, 100_000])
def test_a_deadline_of_no_days_or_of_centuries_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="deadline"):
        workdays.due(at(2025, 11, 3), days)


def test_days_left_are_counted_as_people_say_them() -> None:
    end = at(2025, 11, 7, 17, 30)  # a Friday
    assert workdays.left(at(2025, 11, 5), end) == 2
    assert workdays.left(at(2025, 11, 7, 9), end) == 0
    assert workdays.left(at(2025, 11, 7, 18), end) == -1, "over on the same evening"
    assert workdays.left(at(2025, 11, 8), end) == -1, "Saturday: no working day has passed yet, but it is over"
    assert workdays.left(at(2025, 11, 10), end) == -1
    assert workdays.left(at(2025, 11, 11), end) == -2


def test_a_pause_moves_the_deadline_by_the_working_days_it_lasted() -> None:
    end = at(2025, 11, 7, 17, 30)
    assert workdays.shift(end, at(2025, 11, 5), at(2025, 11, 6)) == at(2025, 11, 10, 17, 30)
    assert workdays.shift(end, at(2025, 11, 5, 9), at(2025, 11, 5, 16)) == end, "within one day nothing is won"
    assert workdays.shift(end, at(2025, 11, 8), at(2025, 11, 9)) == end, "a pause over a weekend costs nobody a day"


def test_amber_comes_one_working_day_before_the_end() -> None:
    assert workdays.amber(at(2025, 11, 3), at(2025, 11, 10, 17, 30)) == at(2025, 11, 7, 17, 30)


@given(MOMENTS, SPANS)
def test_a_deadline_lies_on_a_working_day_as_many_working_days_away_as_was_said(begun: datetime, days: int) -> None:
    end = workdays.due(begun, days)
    local = timezone.localtime(end)
    assert workdays.is_workday(local.date())
    assert (local.hour, local.minute) == (17, 30)
    assert workdays.between(begun, end) == days
    assert workdays.left(begun, end) == days


@given(MOMENTS, SPANS, SPANS)
def test_a_longer_span_never_ends_earlier_and_a_later_beginning_neither(begun: datetime, days: int, more: int) -> None:
    assert workdays.due(begun, days) < workdays.due(begun, days + more)
    assert workdays.due(begun, days) <= workdays.due(begun + timedelta(days=more), days)


@given(MOMENTS, SPANS)
def test_amber_lies_between_the_beginning_and_the_end(begun: datetime, days: int) -> None:
    end = workdays.due(begun, days)
    assert begun <= workdays.amber(begun, end) < end


@given(MOMENTS, SPANS, st.integers(0, 40 * 24))
def test_what_is_left_never_grows_and_turns_negative_exactly_when_the_deadline_has_passed(
    begun: datetime, days: int, hours: int
) -> None:
    end = workdays.due(begun, days)
    now = begun + timedelta(hours=hours)
    assert (workdays.left(now, end) < 0) == (now > end)
    assert workdays.left(now + timedelta(hours=7), end) <= workdays.left(now, end)


@given(MOMENTS, SPANS, st.integers(0, 400), st.integers(0, 400))
def test_a_pause_never_shortens_a_deadline(begun: datetime, days: int, wait: int, length: int) -> None:
    end = workdays.due(begun, days)
    since = begun + timedelta(hours=wait)
    until = since + timedelta(hours=length)
    moved = workdays.shift(end, since, until)
    assert moved >= end
    assert workdays.between(end, moved) == workdays.between(since, until)
