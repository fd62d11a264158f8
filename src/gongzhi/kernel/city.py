"""What a city says of itself in ``city.toml`` of its pack: language, clock, money, levels of places, calendar. No Django.

The settings are made of it before Django starts, so its faults are told in Chinese and English at once.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

LANGUAGES = ("zh-hans", "en")
_FEWEST, _MOST = 2, 6  # levels; a path of six stands in the column
_NUMBER = re.compile(r"[A-Z一-鿿]{1,6}\{year\}\{serial:06\}")
_CODE = re.compile(r"[a-z][a-z0-9_-]{0,9}")


class PackError(Exception):
    """The pack is not usable; the sentence names the file and the line."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the tree of places. ``spoken``: people name its places in what they write.

    ``titles`` are words for it by language; ``title`` is the one in the city's own.
    """

    code: str
    title: str
    spoken: bool = True
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, language: str) -> str:
        """Return the level's word in a language, or in the city's own where the pack has none."""
        return self.titles.get(language, self.title)


@dataclass(frozen=True)
class Calendar:
    """When offices work.

    ``holidays`` is ``china``, a country of the package ``holidays`` (``US``, ``US-MA``), or a CSV file of the pack. ``closes`` is when office hours end, ``feasts`` are (month, day) that are free in years not announced yet.
    ``days`` says of dates whether offices work, where a file says it.
    """

    holidays: str
    closes: time
    weekend: frozenset[int]
    feasts: frozenset[tuple[int, int]]
    days: Mapping[date, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class City:
    """A city in general.

    ``centre`` is (longitude, latitude); ``currency`` an ISO 4217 code; ``hotline``, ``emergency`` and ``phone`` (an
    example of a number) may be empty. ``invented`` is the pattern of numbers that nobody can have, # standing for a digit.
    ``unknown`` is the kind of matter for texts in which no word tells. ``endings`` are how official names of places end, each
    with what people say instead, the longest first. ``numbers`` are patterns of record numbers by service, where the city has its own.
    """

    code: str
    title: str
    portal: str
    centre: tuple[float, float]
    language: str
    time_zone: str
    currency: str
    levels: tuple[Level, ...]
    calendar: Calendar
    hotline: str = ""
    emergency: tuple[str, ...] = ()
    phone: str = ""
    invented: str = ""
    unknown: str = ""
    endings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    masked: Mapping[str, str] = field(default_factory=dict)
    """Patterns of the numbers that tell of a person (``kernel.masking``), by a name of the city's own."""
    second_factor: tuple[str, ...] = ()
    """The roles whose people must sign in with a second factor."""

    @cached_property
    def order(self) -> dict[str, int]:
        """The depth of each level: 0 is the whole city."""
        return {level.code: depth for depth, level in enumerate(self.levels)}

    @property
    def top(self) -> str:
        """The level of the city itself."""
        return self.levels[0].code

    @property
    def area(self) -> str:
        """The level right below the city: the parts that its figures are told by."""
        return self.levels[1].code

    @property
    def chosen(self) -> str:
        """The level down to which places are chosen from one list; what is finer is chosen below it."""
        return self.levels[min(2, len(self.levels) - 1)].code

    @property
    def finest(self) -> str:
        """The finest level that people name."""
        return next(level.code for level in reversed(self.levels) if level.spoken)

    def above(self, level: str) -> str:
        """Return the level above, "" above the city."""
        depth = self.order[level]
        return self.levels[depth - 1].code if depth else ""

    def below(self, level: str) -> str:
        """Return the level below, "" below the last."""
        depth = self.order[level] + 1
        return self.levels[depth].code if depth < len(self.levels) else ""

    def level(self, code: str) -> Level:
        """Return the level with this code; KeyError where there is none."""
        return self.levels[self.order[code]]


def pack_folder(city: str) -> Traversable:
    """Return the folder of the pack of this name, or that stands at this absolute path."""
    named = Path(city)
    return named if named.is_absolute() else resources.files("gongzhi.cities") / city


@cache
def read_city(city: str) -> City:
    """Return what the pack of this name, or in this folder, says of its city. Raises PackError."""
    folder = pack_folder(city)
    path = folder / "city.toml"
    if not (Path(city).is_absolute() or re.fullmatch(r"[a-z0-9_-]+", city)) or not path.is_file():
        raise PackError(
            f"没有城市“{city}”的资料包：{folder} 里缺少 city.toml。 There is no city pack “{city}”: no city.toml in {folder}."
        )
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        return _city(city, said, folder)
    except KeyError as error:
        raise PackError(f"city.toml 缺少 {error}。 city.toml lacks {error}.") from error
    except (TypeError, ValueError, AttributeError, LookupError, OSError) as error:
        raise PackError(f"city.toml 有误：{error}。 city.toml is wrong: {error}.") from error


def _city(code: str, said: Mapping[str, Any], folder: Traversable) -> City:
    lon, lat = (float(number) for number in said["centre"])
    if said["language"] not in LANGUAGES:
        raise ValueError(f"language {said['language']!r}, not one of {', '.join(LANGUAGES)}")
    try:
        ZoneInfo(said["time_zone"])
    except (LookupError, OSError) as error:
        raise ValueError(f"time_zone {said['time_zone']!r}") from error
    if not re.fullmatch(r"[A-Z]{3}", said["currency"]):
        raise ValueError(f"currency {said['currency']!r}")
    return City(
        code, str(said["title"]), str(said["portal"]), (lon, lat), said["language"], said["time_zone"], said["currency"],
        _levels(said["levels"]), _calendar(said["calendar"], folder),
        str(said.get("hotline", "")), tuple(map(str, said.get("emergency", ()))), str(said.get("phone", "")), str(said.get("invented", "")),
        str(said.get("unknown", "")), {name: tuple(words) for name, words in said.get("endings", {}).items()},
        _numbers(said.get("numbers", {})), _patterns(said.get("masked", {})),
        tuple(str(role) for role in said.get("signin", {}).get("second_factor", ())),
    )  # fmt: skip


def _levels(rows: list[Mapping[str, Any]]) -> tuple[Level, ...]:
    made = tuple(
        Level(
            str(row["code"]), str(row["title"]), bool(row.get("spoken", True)),
            {name: str(row[name]) for name in LANGUAGES if name in row},
        )
        for row in rows
    )  # fmt: skip
    codes = [level.code for level in made]
    if not _FEWEST <= len(made) <= _MOST:
        raise ValueError(f"levels: {len(made)}, not {_FEWEST} to {_MOST}")
    if len(set(codes)) != len(codes) or not all(_CODE.fullmatch(code) for code in codes):
        raise ValueError(f"levels: {' '.join(codes)}; each code once, of at most ten small letters")
    if not any(level.spoken for level in made):
        raise ValueError("levels: spoken")
    return made


def _numbers(said: Mapping[str, Any]) -> dict[str, str]:
    for service, pattern in said.items():
        if not _NUMBER.fullmatch(str(pattern)):
            raise ValueError(f"numbers.{service} {pattern!r}, not like REQ{{year}}{{serial:06}}")
    return dict(said)


def _patterns(said: Mapping[str, Any]) -> dict[str, str]:
    for name, pattern in said.items():
        try:
            empty = re.compile(pattern).fullmatch("") is not None
        except (re.error, TypeError) as error:
            raise ValueError(f"masked.{name} {pattern!r}: {error}") from error
        if empty:
            raise ValueError(f"masked.{name} {pattern!r}: it finds nothing everywhere")
    return dict(said)


def _calendar(said: Mapping[str, Any], folder: Traversable) -> Calendar:
    holidays, closes = str(said["holidays"]), said["closes"]
    if not isinstance(closes, time):
        raise TypeError(f"calendar.closes {closes!r}, not like 17:30:00")
    weekend = frozenset(int(day) for day in said.get("weekend", (6, 7)))
    if not weekend < frozenset(range(1, 8)):
        raise ValueError(f"calendar.weekend {sorted(weekend)}")
    feasts = frozenset(
        (day.month, day.day) for day in (date.fromisoformat(f"2000-{text}") for text in said.get("feasts", ()))
    )
    if holidays.endswith(".csv"):
        return Calendar(holidays, closes, weekend, feasts, _days((folder / holidays).read_text(encoding="utf-8-sig")))
    if holidays != "china":
        _known(holidays)
    return Calendar(holidays, closes, weekend, feasts)


def _known(holidays: str) -> None:
    from holidays.utils import list_supported_countries  # noqa: PLC0415  (only where a city needs it)

    country, _, part = holidays.partition("-")
    supported = list_supported_countries()
    if country not in supported or (part and part not in supported[country]):
        raise ValueError(f"calendar.holidays {holidays!r}")


def _days(text: str) -> dict[date, bool]:
    """Read a table ``day,works``: ISO dates, ``yes`` or ``no``."""
    made: dict[date, bool] = {}
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if not line.strip():
            continue
        day, _, works = (part.strip() for part in line.partition(","))
        if works not in ("yes", "no"):
            raise ValueError(f"calendar, line {number}: {line!r}")
        made[date.fromisoformat(day)] = works == "yes"
    return made
