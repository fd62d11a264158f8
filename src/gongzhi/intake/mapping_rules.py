"""The rules of a mapping file beyond its columns: how the file writes moments, what lies where, what has happened to a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import Any
from zoneinfo import ZoneInfo

_METRES = 111_320  # of a degree of latitude


@dataclass(frozen=True)
class Times:
    """How a file writes moments: patterns of ``strptime``, tried before the usual ones, and its time zone (None: the city's)."""

    formats: tuple[str, ...] = ()
    zone: ZoneInfo | None = None


USUAL = Times()


@dataclass(frozen=True)
class ByPoint:
    """How a place is found by a point where no name tells it.

    ``lon`` and ``lat`` are the columns, in degrees of WGS-84. ``bounds`` (west, south, east, north): a point outside is a fault.
    ``nowhere`` are the points that a source gives where it knows none. ``nearest``: the closest place of the finest level that
    has a point, if it lies within so many metres. ``whole``: what is found in no way belongs to the whole city; else it is a fault.
    """

    lon: str
    lat: str
    bounds: tuple[float, float, float, float]
    nowhere: tuple[tuple[float, float], ...] = ()
    nearest: float = 0
    whole: bool = False

    def inside(self, lon: float, lat: float) -> bool:
        """Return whether the point lies within the bounds."""
        west, south, east, north = self.bounds
        return west <= lon <= east and south <= lat <= north

    def closest(self, lon: float, lat: float, among: Mapping[int, tuple[float, float]]) -> int | None:
        """Return the place of these points that is the closest, None where none is near enough."""
        far = {
            place: _METRES * hypot((other[0] - lon) * cos(radians(lat)), other[1] - lat)
            for place, other in among.items()
        }
        best = min(far, key=lambda place: far[place], default=None)
        return best if best is not None and far[best] <= self.nearest else None


@dataclass(frozen=True)
class Step:
    """What has happened to a row after it was filed.

    ``do`` is an action, ``at`` the column of its moment: a step whose cell is empty has not happened, nor have those after it.
    ``due`` is the column of the deadline that then begins, none where its cell is empty; "" leaves it to the procedure.
    """

    do: str
    at: str
    due: str = ""


@dataclass(frozen=True)
class Compare:
    """What a file says itself of being late: in the column ``late``, by its words; ``stage`` is the one whose deadline is meant."""

    late: str
    is_late: frozenset[str]
    in_time: frozenset[str]
    stage: str


def times_of(said: Mapping[str, Any]) -> Times:
    """Return how the file writes moments. Raises ValueError."""
    try:
        zone = ZoneInfo(str(said["zone"])) if said.get("zone") else None
    except (LookupError, OSError) as error:
        raise ValueError(f"zone = {said['zone']!r}") from error
    return Times(tuple(map(str, said.get("formats", ()))), zone)


def by_point(said: Mapping[str, Any]) -> ByPoint:
    """Return how places are found by points. Raises ValueError, KeyError, TypeError."""
    _only(said, {"lon", "lat", "bounds", "nowhere", "nearest", "whole"}, "place")
    west, south, east, north = (float(edge) for edge in said["bounds"])
    if not (west < east and south < north):
        raise ValueError(f"place.bounds = {said['bounds']}")
    nowhere = tuple((float(lon), float(lat)) for lon, lat in said.get("nowhere", ()))
    return ByPoint(
        str(said["lon"]), str(said["lat"]), (west, south, east, north), nowhere, float(said.get("nearest", 0)),
        bool(said.get("whole", False)),
    )  # fmt: skip


def step_of(said: Mapping[str, Any]) -> Step:
    """Return one step. Raises ValueError, KeyError."""
    _only(said, {"do", "at", "due"}, "steps")
    return Step(str(said["do"]), str(said["at"]), str(said.get("due", "")))


def compare_of(said: Mapping[str, Any]) -> Compare:
    """Return what to compare. Raises ValueError, KeyError."""
    _only(said, {"late", "is_late", "in_time", "stage"}, "compare")
    return Compare(str(said["late"]), frozenset(said["is_late"]), frozenset(said["in_time"]), str(said["stage"]))


def _only(said: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := set(said) - known:
        raise ValueError(f"{where}: {'、'.join(sorted(unknown))}")
