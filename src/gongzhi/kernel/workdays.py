"""Working days 工作日: the calendar that deadlines are counted in.

Holidays and make-up days come from the package ``chinesecalendar``, which knows the years that the State Council has
announced. Later years use weekends and the feasts of fixed date (New Year, Labour Day, National Day) and are provisional.
A deadline of n working days ends with the office hours of the n-th working day after the day on which it began (the
first day does not count: 民法典 201, hours and days by its articles 200–204; the working days are the city's own rule).
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache

import chinese_calendar
from django.utils import timezone

CLOSES = time(17, 30)
_HALF_DAY = timedelta(hours=4)
_FEASTS = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}  # 全国年节及纪念日放假办法, the days of fixed date
_LONGEST = 3660  # days that a search may go; longer spans are a mistake


@lru_cache(maxsize=8192)
def is_workday(day: date) -> bool:
    """Return whether offices work on that day."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5 and (day.month, day.day) not in _FEASTS


def provisional(day: date) -> bool:
    """Return whether the year's holidays are not known yet, so that the answer may change when they are announced."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return True
    return False


def due(at: datetime, days: int) -> datetime:
    """Return the close of the ``days``-th working day after ``at`` (aware). ValueError for fewer than one day."""
    if days < 1:
        raise ValueError("a deadline is at least one working day")
    day = _local(at)
    for _ in range(_LONGEST):
        day += timedelta(days=1)
        days -= is_workday(day)
        if not days:
            return _close(day)
    raise ValueError("a deadline ends within ten years")


def amber(at: datetime, end: datetime) -> datetime:
    """Return when a deadline begins to press: one working day before its end, or half-way where that is before ``at``."""
    day = _local(end)
    for _ in range(_LONGEST):
        day -= timedelta(days=1)
        if is_workday(day):
            break
    before = _close(day)
    return before if before > at else max(at, min(end - _HALF_DAY, at + (end - at) / 2))


def left(now: datetime, end: datetime) -> int:
    """Return the working days left: 0 on the last day; negative once it is over, -1 on the first working day after it."""
    today, last = _local(now), _local(end)
    if now <= end:
        return _count(today, last)
    return -max(1, _count(last, today)) if today > last else -1


def between(start: datetime, end: datetime) -> int:
    """Return how many working days lie after ``start``'s day, up to and with ``end``'s; 0 where ``end`` is earlier."""
    return _count(_local(start), _local(end))


def shift(end: datetime, since: datetime, until: datetime) -> datetime:
    """Return a deadline moved by the working days between two moments, for which its clock stood still."""
    days = between(since, until)
    return due(end, days) if days else end


def _count(start: date, end: date) -> int:
    if end <= start:
        return 0
    return sum(is_workday(start + timedelta(days=number)) for number in range(1, (end - start).days + 1))


def _local(at: datetime) -> date:
    return timezone.localtime(at).date()


def _close(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, CLOSES))
