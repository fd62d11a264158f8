"""Places named in a text, by today's names and those they bore before (楚州区 is 淮安区, 清河区 is 清江浦区)."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings

from gongzhi.kernel.pack import PlaceRow, load_pack

_ENDINGS = ("社区居委会", "居民委员会", "村民委员会", "居委会", "村委会", "社区")
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
    names, ancestors = _index()
    hits = [(name, row, remark) for name, rows in names.items() if name in text for row, remark in rows]
    named = {row.code for _, row, _ in hits}
    for name, row, remark in hits:
        several = len({other.code for other, _ in names[name]}) > 1
        if several and not named & set(ancestors[row.code]):
            continue  # a village name of many townships, and none of them is named
        held = found.get(row.code)
        if held is None or len(name) > len(held.matched):
            found[row.code] = FoundPlace(row.code, row.name, row.level, name, remark)
    covered = {above for code in found for above in ancestors[code]}
    order = ["grid", "village", "township", "county", "city"]
    return sorted(
        found.values(), key=lambda place: (place.code in covered, order.index(place.level), -len(place.matched))
    )


@cache
def _index() -> tuple[dict[str, list[tuple[PlaceRow, str]]], dict[str, tuple[str, ...]]]:
    pack = load_pack(settings.CITY)
    rows = {row.code: row for row in pack.places}
    names: dict[str, list[tuple[PlaceRow, str]]] = {}
    ancestors: dict[str, tuple[str, ...]] = {}
    for row in pack.places:
        above, parent = [], row.parent
        while parent:
            above.append(parent)
            parent = rows[parent].parent
        ancestors[row.code] = tuple(above)
        if row.level in ("city", "grid"):
            continue
        for name in row.names:
            remark = f"{name.name}现为{row.name}({name.until.year} 年起)" if name.until else ""
            for form in _forms(name.name):
                names.setdefault(form, []).append((row, remark))
    return names, ancestors


def _forms(name: str) -> set[str]:
    forms = {name}
    for ending in _ENDINGS:
        if name.endswith(ending) and len(name) - len(ending) > _SHORTEST:
            forms |= {name.removesuffix(ending) + "社区", name.removesuffix(ending) + "村"}
            break
    return forms
