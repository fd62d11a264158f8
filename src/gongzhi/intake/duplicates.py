"""Open records that may be the same matter: shown to a person, who decides. Nothing is merged by itself."""

import math
from dataclasses import dataclass

from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Register
from gongzhi.kernel.search import alike
from gongzhi.tongue import listed

_NEAR = 500.0  # metres


@dataclass(frozen=True)
class Duplicate:
    """A record that resembles a text, and why."""

    record: Register
    reasons: tuple[str, ...]


def similar(
    actor: Actor, text: str, *, point: tuple[float, float] | None = None, exclude: object = None, limit: int = 3
) -> list[Duplicate]:
    """Return open records that share words with the text, near ones first; call it inside ``acting()``."""
    made = []
    for found in alike(actor, text, least=4, limit=limit * 4):
        if found.record.pk == exclude:
            continue
        reasons = [_("都提到{known}").format(known=listed(f"“{word}”" for word in found.shared[:6]))]
        away = distance(point, found.record)
        if away is not None and away > _NEAR and len(found.shared) < 8:
            continue
        if away is not None and away <= _NEAR:
            reasons.append(_("位置相距约 {count:.0f} 米").format(count=round(away, -1)))
        made.append((away if away is not None else _NEAR, Duplicate(found.record, tuple(reasons))))
    return [duplicate for _other, duplicate in sorted(made, key=lambda pair: pair[0])][:limit]


def distance(point: tuple[float, float] | None, record: Register) -> float | None:
    """Return the metres between a point and a record's, None where either is missing (haversine, R = 6,371,008.8 m)."""
    if point is None or record.lon is None or record.lat is None:
        return None
    lon, lat = (math.radians(number) for number in point)
    lon2, lat2 = math.radians(record.lon), math.radians(record.lat)
    h = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))
