"""The city pack: divisions, agencies, sample people, kinds of matters. Tables that a clerk can edit; no database here.

A pack is a folder of ``gongzhi.cities``, or any folder whose path stands in ``GONGZHI_CITY``.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from importlib.resources.abc import Traversable
from typing import Any

from gongzhi.kernel.city import City, PackError, pack_folder, read_city
from gongzhi.kernel.roles import STAFF
from gongzhi.tongue import clauses, listed
from gongzhi.tongue import told as _

__all__ = [
    "AccountRow", "AgencyRow", "CategoryRow", "NameRow", "Pack", "PackError", "PlaceRow", "PostRow", "load_pack", "pack_file",
    "pack_text",
]  # fmt: skip

_KINDS = ("agency", "dispatch", "centre")
_STAFF = {role.code for role in STAFF}


@dataclass(frozen=True, slots=True)
class NameRow:
    """A name and code that a place bore between two days; None where the day is unknown or has not come."""

    name: str
    code: str
    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A place. ``names`` holds today's name last. Degrees of WGS-84."""

    code: str
    parent: str | None
    level: str
    name: str
    lon: float | None
    lat: float | None
    names: tuple[NameRow, ...]
    ended_on: date | None = None


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency with its seat."""

    code: str
    title: str
    short: str
    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post of a sample account."""

    agency: str
    role: str
    place: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A sample account with its posts, the first one being the one it signs in with."""

    login: str
    name: str
    posts: tuple[PostRow, ...]


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A kind of matter: the agency that owes the answer, and the words by which a text is recognised."""

    code: str
    title: str
    parent: str | None
    agency: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Pack:
    """A whole city."""

    code: str
    city: City
    places: tuple[PlaceRow, ...]
    agencies: tuple[AgencyRow, ...]
    accounts: tuple[AccountRow, ...]
    taxonomy: tuple[CategoryRow, ...]

    @property
    def top(self) -> PlaceRow:
        """The city itself."""
        return next(row for row in self.places if row.level == self.city.top)

    @cached_property
    def categories(self) -> dict[str, CategoryRow]:
        """The kinds of matters by code."""
        return {row.code: row for row in self.taxonomy}


@cache
def load_pack(city: str) -> Pack:
    """Return the pack of this name, or in this folder. Raises PackError."""
    about, folder = read_city(city), pack_folder(city)
    former: dict[str, list[NameRow]] = {}
    for code, row in _rows(folder / "names.csv", lambda row: (row["place"], _name(row))):
        former.setdefault(code, []).append(row)
    places = tuple(_rows(folder / "places.csv", lambda row: _place(row, former, about)))
    agencies = tuple(_rows(folder / "agencies.csv", _agency))
    accounts: dict[str, AccountRow] = {}
    for person in _rows(folder / "accounts.csv", _account):
        posts = accounts[person.login].posts if person.login in accounts else ()
        accounts[person.login] = AccountRow(person.login, person.name, posts + person.posts)
    taxonomy = tuple(_rows(folder / "taxonomy.csv", _category))
    pack = Pack(city, about, places, agencies, tuple(accounts.values()), taxonomy)
    _check(pack, former)
    return pack


def pack_text(city: str, name: str) -> str | None:
    """Return the text of a file of the pack, None where the pack has no such file. Raises PackError."""
    path = pack_folder(city) / name
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise PackError(_("{name} 不是 UTF-8 编码。").format(name=name)) from error


def pack_file(city: str, name: str) -> Any:
    """Return the JSON in a file of the pack, None where the pack has no such file. Raises PackError."""
    text = pack_text(city, name)
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise PackError(_("{name} 不是有效的 JSON：{error}").format(name=name, error=error)) from error


def _rows[T](path: Traversable, make: Callable[[dict[str, str]], T]) -> Iterator[T]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(
            _("读不了 {name}：文件应是 UTF-8 编码的 CSV({error})。").format(name=path.name, error=error)
        ) from error
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            yield make({name: (value or "").strip() for name, value in row.items() if name})
        except (KeyError, ValueError, TypeError) as error:
            raise PackError(
                _("{name} 第 {number} 行有误：{error}").format(name=path.name, number=number, error=error)
            ) from error


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _name(row: dict[str, str]) -> NameRow:
    return NameRow(row["name"], row["code"], _day(row["since"]), _day(row["until"]))


def _place(row: dict[str, str], former: dict[str, list[NameRow]], about: City) -> PlaceRow:
    if row["level"] not in about.order:
        raise ValueError(f"level {row['level']!r}")
    past = former.get(row["code"], [])
    since = max((name.until for name in past if name.until), default=None)
    names = (*past, NameRow(row["name"], row["code"], since, None))
    lon, lat = (float(row[name]) if row[name] else None for name in ("lon", "lat"))
    return PlaceRow(row["code"], row["parent"] or None, row["level"], row["name"], lon, lat, names)


def _agency(row: dict[str, str]) -> AgencyRow:
    if row["kind"] not in _KINDS:
        raise ValueError(f"kind {row['kind']!r}")
    return AgencyRow(row["code"], row["title"], row["short"], row["kind"], row["place"])


def _account(row: dict[str, str]) -> AccountRow:
    return AccountRow(row["login"], row["name"], (PostRow(row["agency"], row["role"], row["place"]),))


def _category(row: dict[str, str]) -> CategoryRow:
    return CategoryRow(
        row["code"],
        row["title"],
        row["parent"] or None,
        row["agency"],
        tuple(word.replace("_", " ") for word in row["words"].split()),
    )


def _check(pack: Pack, former: Iterable[str]) -> None:  # noqa: C901 (one list of what must hold)
    """Hold that everything that is named exists once. Raises PackError."""
    places = {row.code: row for row in pack.places}
    agencies = {row.code for row in pack.agencies}
    faults: list[str] = []
    if unknown := set(pack.city.second_factor) - _STAFF:
        faults.append(_("city.toml 的 second_factor 里有不存在的角色：{roles}").format(roles=listed(sorted(unknown))))
    if len(places) != len(pack.places):
        faults.append(_("places.csv 里有重复的 code"))
    if len(agencies) != len(pack.agencies):
        faults.append(_("agencies.csv 里有重复的 code"))
    order, top = pack.city.order, pack.city.top
    if [row.level for row in pack.places].count(top) != 1:
        faults.append(_("places.csv 里应当恰好有一个 {top}").format(top=top))
    if not any(row.kind == "dispatch" for row in pack.agencies):
        faults.append(_("agencies.csv 里缺少 kind 为 dispatch 的受理单位"))
    faults += [_("names.csv：没有代码为 {code} 的地点").format(code=code) for code in former if code not in places]
    for row in pack.places:
        above = places.get(row.parent or "")
        if row.level != top and (above is None or order[above.level] != order[row.level] - 1):
            faults.append(_("places.csv:{name}({code})的上级不对").format(name=row.name, code=row.code))
    faults += [
        _("agencies.csv:{title} 的地点 {place} 不存在").format(title=row.title, place=row.place)
        for row in pack.agencies
        if row.place not in places
    ]
    for account in pack.accounts:
        for post in account.posts:
            if post.agency not in agencies or post.place not in places:
                faults.append(_("accounts.csv:{login} 的单位或地点不存在").format(login=account.login))
            if post.role not in _STAFF:
                faults.append(
                    _("accounts.csv:{login} 的角色 {role} 不存在，可用的有 {known}").format(
                        login=account.login, role=post.role, known=listed(sorted(_STAFF))
                    )
                )
    codes = {row.code for row in pack.taxonomy}
    if pack.city.unknown and pack.city.unknown not in codes:
        faults.append(_("city.toml：taxonomy.csv 里没有类别 {unknown}").format(unknown=pack.city.unknown))
    for kind in pack.taxonomy:
        if kind.agency not in agencies or (kind.parent and kind.parent not in codes):
            faults.append(_("taxonomy.csv:{title} 的单位或上级类别不存在").format(title=kind.title))
    if faults:
        raise PackError(
            clauses(faults[:5])
            if len(faults) <= 5
            else _("{faults}；等 {count} 处").format(faults=clauses(faults[:5]), count=len(faults))
        )
