"""Places named in a text, by today's names and those they bore before; in letters with cases, as whole words in any case."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from django.conf import settings
from django.utils.text import format_lazy

from gongzhi.kernel.pack import NameRow, PlaceRow, load_pack
from gongzhi.tongue import later

_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A place that a text names: its code and today's name, what the text says, and a remark where the name is old."""

    code: str
    name: str
    level: str
    matched: str
    remark: str = ""


def find_places(text: str) -> list[FoundPlace]:
    """Return the places that the text names, the most precise first; a name borne by several counts by its context."""
    found: dict[str, FoundPlace] = {}
    names, ancestors, written = _index()
    plain = text.casefold()
    hits = [(name, row, remark) for name, rows in names.items() if _named(name, plain) for row, remark in rows]
    named = {row.code for _other, row, _other in hits}
    for name, row, remark in hits:
        several = len({other.code for other, _other in names[name]}) > 1
        if several and not named & set(ancestors[row.code]):
            continue  # a village name of many townships, and none of them is named
        held = found.get(row.code)
        if held is None or len(name) > len(held.matched):
            found[row.code] = FoundPlace(row.code, row.name, row.level, written[name], remark)
    covered = {above for code in found for above in ancestors[code]}
    order = load_pack(settings.CITY).city.order
    return sorted(found.values(), key=lambda place: (place.code in covered, -order[place.level], -len(place.matched)))


def _named(name: str, text: str) -> bool:
    """Return whether the text has the name; one in Latin letters only as words of its own."""
    if name not in text:
        return False
    if not name.isascii():
        return True
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


@cache
def _index() -> tuple[dict[str, list[tuple[PlaceRow, str]]], dict[str, tuple[str, ...]], dict[str, str]]:
    pack = load_pack(settings.CITY)
    rows = {row.code: row for row in pack.places}
    names: dict[str, list[tuple[PlaceRow, str]]] = {}
    ancestors: dict[str, tuple[str, ...]] = {}
    written: dict[str, str] = {}
    for row in pack.places:
        above, parent = [], row.parent
        while parent:
            above.append(parent)
            parent = rows[parent].parent
        ancestors[row.code] = tuple(above)
        if row.level == pack.city.top or not pack.city.level(row.level).spoken:
            continue
        for name in row.names:
            remark = _former(name, row) if name.until else ""
            for form in _forms(name.name, pack.city.endings):
                names.setdefault(form.casefold(), []).append((row, remark))
                written[form.casefold()] = form
    return names, ancestors, written


def _forms(name: str, endings: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the name and what people call the place: by the pack, what its official ending is replaced by."""
    for ending, spoken in endings.items():
        if name.endswith(ending) and len(name) - len(ending) > _SHORTEST:
            return {name, *(name.removesuffix(ending) + word for word in spoken)}
    return {name}


def _former(name: NameRow, row: PlaceRow) -> str:
    year = name.until.year if name.until else ""  # worded when it is read: the index is kept
    return cast("str", format_lazy(later("{old}现为{new}（{year} 年起）"), old=name.name, new=row.name, year=year))
