"""What was solved this month, in counts that name nobody.

A count under ten is hidden, and cannot be had by subtraction: no total is given that holds a hidden county, and within a
county what is hidden is added up under 其他, together with the smallest count shown where the sum would be under ten.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from gongzhi.kernel.context import acting, clock_actor
from gongzhi.kernel.fields import Code
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.places import WIDTH
from gongzhi.kernel.roles import PORTAL
from gongzhi.kernel.service import Service, services
from gongzhi.tongue import later

SMALLEST = 10
OTHERS = later("其他")
_COUNTY = 2 * WIDTH
_KEPT = 300.0  # seconds
_held: dict[Any, tuple[float, "Solved"]] = {}


@dataclass(frozen=True)
class Solved:
    """Counts of this month: by county, and by kind for the county that was chosen. ``hidden``: some were too small."""

    counties: list[tuple[Place, int]]
    hidden: bool
    place: Place | None
    kinds: list[tuple[str, int]]
    month: int


def solved(wanted: str = "") -> Solved:
    """Return the counts; ``wanted`` is the id of a county."""
    settings_dict = connection.settings_dict
    key = (settings_dict["HOST"], settings_dict["PORT"], settings_dict["NAME"], wanted[:10])
    kept = _held.get(key)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    if len(_held) > 200:  # whoever asks for made-up places gains nothing
        _held.clear()
    made = _solved(wanted)
    _held[key] = (time.monotonic() + _KEPT, made)
    return made


def _solved(wanted: str) -> Solved:
    since = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with acting(clock_actor()):
        counties = {place.path: place for place in Place.objects.filter(level=city().area, ended_on=None)}
        counts: dict[str, int] = {}
        chosen = next((p for p in counties.values() if str(p.pk) == wanted), None)
        kinds: dict[str, int] = {}
        for service in services().values():
            if PORTAL not in service.creating.by:
                continue
            found = Register.objects.filter(
                service_code=service.code, stage_code=last_stage(service), closed_at__gte=since
            )
            for path, number in found.values_list("place_path").annotate(n=Count("pk")):
                counts[path[:_COUNTY]] = counts.get(path[:_COUNTY], 0) + number
            if chosen:
                _count_kinds(service, chosen, since, kinds)
    shown = [(place, counts[path]) for path, place in counties.items() if counts.get(path, 0) >= SMALLEST]
    small = any(0 < counts.get(path, 0) < SMALLEST for path in counties)
    visible = chosen if chosen and counts.get(chosen.path, 0) >= SMALLEST else None
    return Solved(sorted(shown, key=lambda row: -row[1]), small, visible, lumped(kinds) if visible else [], since.month)


def last_stage(service: Service) -> str:
    """Return where the usual way of a record ends: solved, not declined and not merged."""
    stage, seen = service.creating.target.code, set()
    while (action := service.procedure.owed(stage)) and stage not in seen and action.target.code:
        seen.add(stage)
        stage = action.target.code
    return stage


def _count_kinds(service: Service, county: Place, since: datetime, kinds: dict[str, int]) -> None:
    name = next(
        (name for name, fact in service.facts.items() if isinstance(fact, Code) and fact.source == "category"), None
    )
    if name is None:
        return
    pack = load_pack(settings.CITY)
    titles = {row.code: row.title for row in pack.taxonomy}
    tops = {row.code: titles.get(row.parent or row.code, row.title) for row in pack.taxonomy}
    found = service.model._default_manager.filter(
        record__stage_code=last_stage(service), record__closed_at__gte=since, record__place_path__gte=county.path,
        record__place_path__lt=county.high,
    )  # fmt: skip
    for code, number in found.values_list(name).annotate(n=Count("pk")):
        title = tops.get(code, OTHERS)
        kinds[title] = kinds.get(title, 0) + number


def lumped(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the counts that may be shown, the largest first; the rest under 其他, never under ten."""
    shown = sorted(
        ((title, number) for title, number in counts.items() if number >= SMALLEST and title != OTHERS),
        key=lambda row: -row[1],
    )
    rest = sum(counts.values()) - sum(number for _, number in shown)
    while 0 < rest < SMALLEST and shown:
        rest += shown.pop()[1]
    return [*shown, (OTHERS, rest)] if rest >= SMALLEST else shown
