"""Working days 工作日: the calendar that deadlines are counted in.

Which days those are, and when they close, the city pack says (``kernel.city.Calendar``): what the State Council has announced,
with its make-up days (package ``chinesecalendar``); the public holidays of a country or one of its parts (package
``holidays``); or a table of the pack. Years that such a table does not know yet use weekends and the feasts of fixed date, and
are provisional.
A deadline of n working days ends with the office hours of the n-th working day after the day on which it began (the
first day does not count: 民法典 201, hours and days by its articles 200–204; the working days are the city's own rule).
"""

from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

import chinese_calendar
import holidays
from django.conf import settings
from django.utils import timezone

from gongzhi.kernel.city import Calendar, read_city

_HALF_DAY = timedelta(hours=4)
_LONGEST = 3660  # days that a search may go; longer spans are a mistake


def is_workday(day: date) -> bool:
    """Return whether offices work on that day."""
    return _works(settings.CITY, day)


def provisional(day: date) -> bool:
    """Return whether the year's holidays are not known yet, so that the answer may change when they are announced."""
    return _announced(read_city(settings.CITY).calendar, day) is None


@lru_cache(maxsize=8192)
def _works(city: str, day: date) -> bool:
    calendar = read_city(city).calendar
    known = _announced(calendar, day)
    if known is not None:
        return known
    return day.isoweekday() not in calendar.weekend and (day.month, day.day) not in calendar.feasts


def _announced(calendar: Calendar, day: date) -> bool | None:
    """Return whether offices work on that day, None where nobody has said it of that year yet."""
    if calendar.days:
        if all(known.year != day.year for known in calendar.days):
            return None
        return calendar.days.get(day, day.isoweekday() not in calendar.weekend)
    if calendar.holidays == "china":
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            return None
    return day.isoweekday() not in calendar.weekend and day not in _public(calendar.holidays)


@lru_cache(maxsize=8)
def _public(named: str) -> holidays.HolidayBase:
    """Return the public holidays of a country or of one of its parts; a year's are worked out when it is first asked for."""
    country, _, part = named.partition("-")
    return holidays.country_holidays(country, subdiv=part or None)


def due(at: datetime, days: int) -> datetime:
    """Return the close of the ``days``-th working day after ``at`` (aware). ValueError for fewer than one day."""
    if days < 1:
        raise ValueError("a deadline is at least one working day")
    return _ends(settings.CITY, timezone.get_current_timezone(), _local(at), days)


@lru_cache(maxsize=1024)
def _ends(city: str, zone: tzinfo, day: date, days: int) -> datetime:
    for _ in range(_LONGEST):
        day += timedelta(days=1)
        days -= _works(city, day)
        if not days:
            return _close(city, zone, day)
    raise ValueError("a deadline ends within ten years")


def amber(at: datetime, end: datetime) -> datetime:
    """Return when a deadline begins to press: one working day before its end, or half-way where that is before ``at``."""
    before = _before(settings.CITY, timezone.get_current_timezone(), _local(end))
    return before if before > at else max(at, min(end - _HALF_DAY, at + (end - at) / 2))


@lru_cache(maxsize=1024)
def _before(city: str, zone: tzinfo, day: date) -> datetime:
    for _ in range(_LONGEST):
        day -= timedelta(days=1)
        if _works(city, day):
            break
    return _close(city, zone, day)


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


def _close(city: str, zone: tzinfo, day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, read_city(city).calendar.closes), zone)
