"""The lives that sample requests lead: which steps, how many working days apart, how long ago the last of them was."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from gongzhi.kernel.workdays import is_workday

Days = tuple[int, ...]  # working days, each as likely as the others
Steps = tuple[tuple[str, Days], ...]  # an action, and the working days after the one before
_SOON, _TWO, _WEEK, _LONG = (0, 0, 0, 1), (0, 1, 1, 2), (1, 2, 3, 4, 5), (7, 8, 9, 12, 15)
_TO_WORK: Steps = (("assign", _SOON), ("accept", _TWO))
_REFUSED: Steps = (("assign", _SOON), ("refuse", _TWO))
_TWICE: Steps = (*_REFUSED, ("assign", _SOON), ("refuse_again", _TWO))
_ANSWERED: Steps = (*_TO_WORK, ("answer", _WEEK))
_PAST: Days = ()  # anywhere in the time that the sample covers


@dataclass(frozen=True)
class Life:
    """A way through the procedure. ``share`` of a hundred or so; ``refusals`` is how many agencies refuse it on the way.

    ``ages`` are working days between the last step and now, chosen so that some deadlines are over, some end today.
    """

    share: int
    steps: Steps
    ages: Days
    refusals: int = 0


LIVES: dict[str, Life] = {
    "filed": Life(7, (), (0, 0, 0, 0, 1, 1, 2)),
    "assigned": Life(10, (("assign", _SOON),), (0, 0, 1, 1, 1, 2, 2, 3, 4)),
    "refused": Life(2, _REFUSED, (0, 0, 1, 2), 1),
    "assigned_again": Life(3, (*_REFUSED, ("assign", _SOON)), (0, 1, 2, 3), 1),
    "coordinating": Life(3, _TWICE, (0, 1, 2, 3), 2),
    "coordinated": Life(2, (*_TWICE, ("coordinate", _SOON)), (0, 1, 2), 2),
    "working": Life(15, _TO_WORK, (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 7, 9)),
    "paused": Life(2, (*_TO_WORK, ("pause", _TWO)), (1, 2, 5)),
    "time_asked": Life(3, (*_TO_WORK, ("ask_time", (2, 3, 4))), (0, 0, 1, 2)),
    "time_granted": Life(2, (*_TO_WORK, ("ask_time", (3, 4)), ("grant_time", _SOON)), (0, 1, 2, 4)),
    "time_denied": Life(1, (*_TO_WORK, ("ask_time", (3, 4)), ("deny_time", _SOON)), (0, 1)),
    "handed_on": Life(2, (*_TO_WORK, ("hand_on", _TWO)), (0, 1, 2), 1),
    "reopened": Life(2, (*_ANSWERED, ("reopen", _WEEK)), (0, 2, 4, 5, 6)),
    "answered": Life(9, _ANSWERED, (0, 0, 1, 2, 3, 4, 5, 6)),
    "rated": Life(21, (*_ANSWERED, ("rate", _TWO)), _PAST),
    "silent": Life(6, (*_ANSWERED, ("close", (8,))), _PAST),
    "late": Life(6, (("assign", (0, 2, 3)), ("accept", (1, 3, 4)), ("answer", _LONG), ("rate", _TWO)), _PAST),
    "resumed": Life(2, (*_TO_WORK, ("pause", _TWO), ("resume", _WEEK), ("answer", _TWO), ("rate", _TWO)), _PAST),
    "refused_rated": Life(3, (*_REFUSED, *_ANSWERED, ("rate", _TWO)), _PAST, 1),
    "coordinated_rated": Life(
        1, (*_TWICE, ("coordinate", _TWO), ("accept", _TWO), ("answer", _WEEK), ("rate", _TWO)), _PAST, 2
    ),
    "redone": Life(2, (*_ANSWERED, ("reopen", _TWO), ("answer", _WEEK), ("rate", _TWO)), _PAST),
    "declined": Life(2, (("decline", _SOON),), _PAST),
    "merged": Life(3, (("merge", _SOON),), (0, 1)),
}
BY_RESIDENT = ("file", "rate", "reopen")


def order() -> list[str]:
    """Return the names of the lives in a fixed mixed order, each as often as its share: any long run has them all."""
    names = [name for name, life in LIVES.items() for _ in range(life.share)]
    random.Random("gongzhi").shuffle(names)
    return names


def moments(dice: random.Random, life: Life, now: datetime, covers: int) -> list[datetime]:
    """Return when it was filed and when each step was done, counted back from now, in order and never after now.

    ``covers``: working days that closed matters reach back. Agencies act in office hours on working days.
    """
    age = dice.choice(life.ages) if life.ages else dice.randint(0, covers)
    day = _back(timezone.localtime(now), age)
    made: list[datetime] = []
    latest = now - timedelta(minutes=dice.randint(3, 9))
    for action, gap in (*reversed(life.steps), ("file", (0,))):
        at = min(_hour(dice, day, action), latest)
        made.append(at)
        latest = at - timedelta(minutes=dice.randint(10, 70))
        day = _back(min(day, timezone.localtime(latest)), dice.choice(gap))
    return made[::-1]


def _back(day: datetime, count: int) -> datetime:
    """Return a day ``count`` working days earlier; a working day unless it is 0 days earlier than today."""
    while count > 0:
        day -= timedelta(days=1)
        count -= is_workday(day.date())
    return day


def _hour(dice: random.Random, day: datetime, action: str) -> datetime:
    if action in BY_RESIDENT:
        return day.replace(hour=dice.randint(7, 20), minute=dice.randint(0, 59), second=dice.randint(0, 59))
    while not is_workday(day.date()):
        day -= timedelta(days=1)
    return day.replace(
        hour=dice.choice((8, 9, 9, 10, 11, 14, 15, 16)), minute=dice.randint(31, 59), second=dice.randint(0, 59)
    )


def covered(size: int) -> int:
    """Return how many working days a sample of this size reaches back: a few weeks, or most of a year."""
    return 45 if size < 1000 else 190


def choose(dice: random.Random, among: Sequence[str]) -> str:
    """Return one of them, "" where there are none."""
    return dice.choice(among) if among else ""
