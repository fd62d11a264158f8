"""When a message may come: quiet hours and the hour of the digest, in the city's time zone.

Hours are those of the clock on the wall. Where a night has an hour twice, quiet hours end at the later one; where it lacks one, they
end with the gap.
"""

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

from gongzhi.kernel import workdays

_LONGEST = 60  # days without a working day: a mistake of the calendar


def quiet_end(at: datetime, begins: time | None, ends: time | None) -> datetime:
    """Return when the quiet hours around ``at`` end; ``at`` itself outside of them. No hours, or equal ones: never quiet."""
    if begins is None or ends is None or begins == ends:
        return at
    here = timezone.localtime(at)
    clock = here.time().replace(tzinfo=None)
    over_midnight = begins > ends
    quiet = (clock >= begins or clock < ends) if over_midnight else begins <= clock < ends
    if not quiet:
        return at
    day = here.date() + timedelta(days=int(over_midnight and clock >= begins))
    end = _at(day, ends)
    return end if end > at else _at(day, ends, fold=1)


def next_digest(at: datetime, hour: int) -> datetime:
    """Return the first moment after ``at`` at which it is ``hour`` on a working day."""
    day = timezone.localtime(at).date()
    for _ in range(_LONGEST):
        moment = _at(day, time(hour))
        if moment > at and workdays.is_workday(day):
            return moment
        day += timedelta(days=1)
    raise ValueError("the calendar has no working day in two months")


def _at(day: date, clock: time, fold: int = 0) -> datetime:
    return datetime.combine(day, clock, tzinfo=timezone.get_current_timezone()).replace(fold=fold).astimezone(UTC)
