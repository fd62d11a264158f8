"""Places and agencies as a process remembers them, for a few seconds: what act() must know without asking each time."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from gongzhi.kernel.models import Agency, Place
from gongzhi.kernel.places import within

_KEPT = 10.0  # seconds; the database checks again whatever is built on it


@dataclass(frozen=True)
class Atlas:
    """The living places by id (path, level, name) and agencies by id (kind, path of the seat, short title)."""

    places: dict[int, tuple[str, str, str]]
    agencies: dict[int, tuple[str, str, str]]
    _nearest: dict[tuple[str, str], int | None] = field(default_factory=dict, compare=False)

    def nearest(self, kind: str, path: str) -> int | None:
        """Return the agency of this kind whose seat is the closest above the path, or None."""
        if (kind, path) not in self._nearest:
            found = [
                (-len(seat), agency)
                for agency, (k, seat, _) in self.agencies.items()
                if k == kind and within(path, seat)
            ]
            self._nearest[kind, path] = min(found)[1] if found else None
        return self._nearest[kind, path]


_held: dict[tuple[Any, ...], tuple[float, Atlas]] = {}
_lock = threading.Lock()


def atlas() -> Atlas:
    """Return the places and agencies of the current database."""
    settings = connection.settings_dict
    where = (settings["HOST"], settings["PORT"], settings["NAME"])
    kept = _held.get(where)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    with _lock:
        kept = _held.get(where)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        places = {
            pk: (path, level, name)
            for pk, path, level, name in Place.objects.filter(ended_on=None).values_list("pk", "path", "level", "name")
        }
        agencies = {
            pk: (kind, path, short)
            for pk, kind, path, short in Agency.objects.filter(ended_on=None).values_list(
                "pk", "kind", "place__path", "short"
            )
        }
        made = Atlas(places, agencies)
        _held[where] = (time.monotonic() + _KEPT, made)
        return made


def forget() -> None:
    """Read again at the next use: after a change of places or agencies."""
    _held.clear()
