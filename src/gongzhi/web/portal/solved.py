"""What was solved last month, in counts that name nobody.

A month is published once, when it is over, and what was published is kept: whoever compares today's page with yesterday's
learns nothing, for a matter that is reopened, moved or entered late changes no number any more. Counties are totals that no
further total holds; the kinds of a county are its parts (``kernel.published``). ``docs/statistics.md`` says what is promised.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from gongzhi.kernel.context import acting, clock_actor
from gongzhi.kernel.fields import Code
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.places import WIDTH
from gongzhi.kernel.published import SMALLEST, protected
from gongzhi.kernel.roles import PORTAL
from gongzhi.kernel.service import Service, services
from gongzhi.tongue import later
from gongzhi.web.models import Publication

OTHERS = later("其他")
SOLVED = "solved"
_COUNTY = 2 * WIDTH
_KEPT = 300.0  # seconds
_held: dict[Any, tuple[float, dict[str, Any]]] = {}


@dataclass(frozen=True)
class Solved:
    """Counts of a month: by county, and by kind for the county that was chosen. ``hidden``: some county is not shown."""

    counties: list[tuple[Place, int]]
    hidden: bool
    place: Place | None
    kinds: list[tuple[str, int]]
    month: int


def solved(wanted: str = "") -> Solved:
    """Return last month's counts; ``wanted`` is the id of a county."""
    month = last_month()
    said = published(month)
    counties = list(Place.objects.filter(level=city().area, ended_on=None))
    shown = [(place, said["counties"][str(place.pk)]) for place in counties if str(place.pk) in said["counties"]]
    chosen = next((place for place, _ in shown if str(place.pk) == wanted), None)
    kinds = list(_worded(said["kinds"][str(chosen.pk)])) if chosen else []
    return Solved(sorted(shown, key=lambda row: -row[1]), len(shown) < len(counties), chosen, kinds, month.month)


def last_month() -> date:
    """Return the first day of the month before this one."""
    return (timezone.localdate().replace(day=1) - timedelta(days=1)).replace(day=1)


def published(month: date) -> dict[str, Any]:
    """Return what was published of a month that is over; the first to ask publishes it.

    ``counties`` has the total of each county by id, ``kinds`` for each of them the count of each kind by code, and under ""
    what is left. Only what may be shown is there.
    """
    where = connection.settings_dict
    key = (where["HOST"], where["PORT"], where["NAME"], month)
    kept = _held.get(key)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    held = Publication.objects.filter(table=SOLVED, period=month).first()
    if held is None:
        held, _ = Publication.objects.get_or_create(table=SOLVED, period=month, defaults={"cells": _cells(month)})
    _held.clear()
    _held[key] = (time.monotonic() + _KEPT, held.cells)
    return dict(held.cells)


def _cells(month: date) -> dict[str, Any]:
    """Count the month and hide what is small."""
    with acting(clock_actor()):
        counties = list(Place.objects.filter(level=city().area, ended_on=None))
        counts = {place.path: dict.fromkeys(_kinds(), 0) for place in counties}
        for path, kind, number in _counted(month):
            if path in counts:
                counts[path][kind] += number
    made: dict[str, Any] = {"counties": {}, "kinds": {}}
    for place in counties:
        total = sum(counts[place.path].values())
        if total >= SMALLEST:
            parts, left = protected(counts[place.path])
            made["counties"][str(place.pk)] = total
            made["kinds"][str(place.pk)] = {**parts, "": left} if parts and left else parts
    return made


def _counted(month: date) -> Iterator[tuple[str, str, int]]:
    """Yield (path of a county, code of a kind, count) of what was solved in the month, of all services for residents."""
    since = timezone.make_aware(datetime(month.year, month.month, 1))  # noqa: DTZ001
    until = timezone.make_aware(datetime(month.year + month.month // 12, month.month % 12 + 1, 1))  # noqa: DTZ001
    tops = {row.code: row.parent or row.code for row in load_pack(settings.CITY).taxonomy}
    for service in _counted_services():
        span = Q(closed_at__gte=since, closed_at__lt=until, service_code=service.code, stage_code=last_stage(service))
        name = _category(service)
        found: Any = Register.objects.filter(span)
        if name is None:
            for path, number in found.values_list("place_path").annotate(n=Count("pk")):
                yield path[:_COUNTY], service.code, number
            continue
        rows = service.model._default_manager.filter(record__in=found)
        for path, code, number in rows.values_list("record__place_path", name).annotate(n=Count("pk")):
            yield path[:_COUNTY], tops.get(code, service.code), number


def _counted_services() -> list[Service]:
    return [one for one in services().values() if PORTAL in one.creating.by and not one.care]


def _category(service: Service) -> str | None:
    """Return the fact that says the kind of a matter."""
    facts = service.facts.items()
    return next((name for name, fact in facts if isinstance(fact, Code) and fact.source == "category"), None)


def _kinds() -> dict[str, str]:
    """Return every kind that a county may have: the heads of the city's categories, and the services themselves."""
    made = {row.code: row.title for row in load_pack(settings.CITY).taxonomy if not row.parent}
    return made | {service.code: str(service.title) for service in _counted_services()}


def _worded(parts: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the parts in words, the largest first, what is left at the end."""
    titles = _kinds()
    for code, number in sorted(parts.items(), key=lambda row: (not row[0], -row[1])):
        yield titles.get(code, str(OTHERS)), number


def last_stage(service: Service) -> str:
    """Return where the usual way of a record ends: solved, not declined and not merged."""
    stage, seen = service.creating.target.code, set()
    while (action := service.procedure.owed(stage)) and stage not in seen and action.target.code:
        seen.add(stage)
        stage = action.target.code
    return stage
