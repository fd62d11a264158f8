"""Mapping files: which column of a table is which field of a form, and how its cells are read (``docs/import.md``)."""

import dataclasses
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cached_property, lru_cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.mapping_rules import USUAL, ByPoint, Compare, Step, Times, by_point, compare_of, step_of, times_of
from gongzhi.intake.places import find_places
from gongzhi.kernel import money
from gongzhi.kernel.city import pack_folder
from gongzhi.tongue import later, listed

TYPES = {
    "text": later("文字"), "whole": later("整数"), "decimal": later("数字，可以有小数"), "date": later("日期"), "datetime": later("日期和时间"), "phone": later("电话"),
    "place": later("地点的统计代码或名称"), "agency": later("单位的代码或名称"),
}  # fmt: skip
_COLUMN = {"field", "type", "required", "values", "other", "empty", "oneline"}
_WHOLE = {
    "service",
    "title",
    "key",
    "at",
    "zone",
    "formats",
    "columns",
    "constants",
    "texts",
    "place",
    "steps",
    "compare",
}
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 (made aware with the city's time)  # day 0 of Excel's 1900 calendar, which counts a 29 February 1900 that never was
_DAY = re.compile(r"^(\d{4})\s*(?:[-/.年])\s*(\d{1,2})\s*(?:[-/.月])\s*(\d{1,2})\s*日?(?:[T\s]+(.+))?$")
_PLAIN_DAY = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:[T\s]*(\d{2})(\d{2})(\d{2})?)?$")
_CLOCK = re.compile(r"^(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})秒?)?分?$")


class MappingError(Exception):
    """The mapping file cannot be used; the sentence says where and why."""


class BadCell(ValueError):
    """A cell cannot be read as what it should be; the sentence is for the clerk."""


@dataclass(frozen=True)
class Column:
    """How one column is read.

    ``field`` is the form's field that it fills, ``more`` are further ones, ``action.field`` for those of a step's form; none for
    a column that only identifies or dates the row. ``other`` is meant by a cell that is not in ``values`` (None: that is a fault), ``empty`` by one
    that is empty. ``oneline`` makes one space of every run of them.
    """

    header: str
    field: str = ""
    type: str = "text"
    required: bool = False
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Other headers that mean the same: the label in the platform's other languages."""
    other: str | None = None
    empty: str = ""
    oneline: bool = False
    more: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that it fills."""
        return (self.field, *self.more) if self.field else ()

    @cached_property
    def _flat(self) -> tuple[str, ...]:
        return tuple("".join(one.split()) for one in (self.header, *self.also))

    def named(self, headers: Collection[str]) -> str:
        """Return which of the table's headers (without spaces) is this column's, "" where none is."""
        for flat in self._flat:
            if flat in headers:
                return flat
        return ""


@dataclass(frozen=True)
class Table:
    """A mapping: columns by header, constants, the columns that identify a row, the column that dates it."""

    title: str
    service: str
    columns: Mapping[str, Column]
    constants: Mapping[str, str]
    key: tuple[str, ...]
    at: str
    digest: str
    number: str = ""
    """The column with the record's number, where the table was exported from here: what is here already is not made again."""
    times: Times = dataclasses.field(default_factory=Times)
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Texts made of several columns: by field, with ``{header}`` for a cell."""
    place: ByPoint | None = None
    steps: tuple[Step, ...] = ()
    compare: Compare | None = None

    def fields(self, action: str = "") -> set[str]:
        """Return the fields of an action's form that are filled, of the creating one for ""."""
        named = [name for column in self.columns.values() for name in column.fields]
        named += [*self.constants, *self.texts, *(("place",) if self.place else ())]
        return {name.rpartition(".")[2] for name in named if name.rpartition(".")[0] == action}

    @property
    def actions(self) -> set[str]:
        """The actions whose forms are filled, beside the creating one."""
        named = [name for column in self.columns.values() for name in column.fields]
        return {name.rpartition(".")[0] for name in (*named, *self.constants, *self.texts)} - {""}

    @property
    def required(self) -> list[Column]:
        """The columns without which nothing can be imported."""
        return [column for column in self.columns.values() if column.required]


def builtin() -> dict[str, str]:
    """Return the titles of the mappings that come with the platform and with the city's pack, by name."""
    found = {
        entry.name.removesuffix(".toml"): entry
        for folder in _folders()
        if folder.is_dir()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }
    return {name: parse(entry.read_text(encoding="utf-8"), name).title for name, entry in found.items()}


def _folders() -> list[Traversable]:
    return [resources.files("gongzhi.intake") / "mappings", pack_folder(settings.CITY) / "mappings"]


def load(named: str) -> Table:
    """Return the mapping of this name, or in this file. Raises MappingError."""
    try:
        for folder in _folders() if re.fullmatch(r"[a-z0-9-]+", named) else ():
            if (folder / f"{named}.toml").is_file():
                return parse((folder / f"{named}.toml").read_text(encoding="utf-8"), named)
        return parse(Path(named).read_text(encoding="utf-8-sig"), named)
    except OSError as error:
        raise MappingError(
            _("读不到映射文件“{named}”。内置的映射有：{known}。").format(named=named, known=listed(builtin()))
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(_("映射文件“{named}”不是 UTF-8 编码，请另存为 UTF-8。").format(named=named)) from error


def parse(text: str, name: str = "") -> Table:
    """Return the mapping that a TOML text declares. Raises MappingError."""
    try:
        declared = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(_("映射文件“{name}”的写法不对：{error}").format(name=name, error=error)) from error
    try:
        columns = {header: _column(header, said) for header, said in declared["columns"].items()}
        made = Table(
            title=str(declared.get("title", name)),
            service=str(declared["service"]),
            columns=columns,
            constants={key: str(value) for key, value in declared.get("constants", {}).items()},
            key=tuple(declared.get("key", ())),
            at=str(declared.get("at", "")),
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
            times=times_of(declared),
            texts={str(field): str(pattern) for field, pattern in declared.get("texts", {}).items()},
            place=by_point(declared["place"]) if "place" in declared else None,
            steps=tuple(step_of(said) for said in declared.get("steps", ())),
            compare=compare_of(declared["compare"]) if "compare" in declared else None,
        )
    except ValueError as error:
        raise MappingError(_("映射文件“{name}”里有不能用的设置：{error}。").format(name=name, error=error)) from error
    except (KeyError, AttributeError, TypeError) as error:
        raise MappingError(
            _("映射文件“{name}”缺少 service 或 columns，或某一列不是表（{error}）。").format(name=name, error=error)
        ) from error
    unknown = set(declared) - _WHOLE
    if unknown:
        raise MappingError(
            _("映射文件“{name}”有不认识的设置：{unknown}。").format(name=name, unknown=listed(sorted(unknown)))
        )
    for header in _headers(made):
        if header not in columns:
            raise MappingError(
                _("映射文件“{name}”提到“{header}”，但 columns 里没有这一列。").format(name=name, header=header)
            )
    fields = [field for column in columns.values() for field in column.fields]
    if len(fields) != len(set(fields)):
        raise MappingError(_("映射文件“{name}”里有两列写进同一个表单项。").format(name=name))
    return made


def _headers(made: Table) -> list[str]:
    """Return every header that is named outside the columns themselves."""
    named = [*made.key, made.at]
    for step in made.steps:
        named += [step.at, step.due]
    if made.place:
        named += [made.place.lon, made.place.lat]
    if made.compare:
        named.append(made.compare.late)
    for pattern in made.texts.values():
        named += re.findall(r"\{([^{}]+)\}", pattern)
    return [header for header in named if header]


def _column(header: str, said: Mapping[str, Any]) -> Column:
    unknown = set(said) - _COLUMN
    if unknown:
        raise MappingError(
            _("列“{header}”有不认识的设置：{unknown}。").format(header=header, unknown=listed(sorted(unknown)))
        )
    kind = str(said.get("type", "text"))
    if kind not in TYPES:
        raise MappingError(_("列“{header}”的 type 只能是：{known}。").format(header=header, known=listed(TYPES)))
    values = {str(key): str(value) for key, value in said.get("values", {}).items()}
    field = said.get("field", "")
    first, *more = [field] if isinstance(field, str) else map(str, field)
    return Column(
        header, first, kind, bool(said.get("required", False)), values,
        other=None if "other" not in said else str(said["other"]), empty=str(said.get("empty", "")),
        oneline=bool(said.get("oneline", False)), more=tuple(more),
    )  # fmt: skip


# --- cells ----------------------------------------------------------------------------------------------------------


def read(
    column: Column, cell: Any, places: Mapping[str, int], agencies: Mapping[str, int] = MappingProxyType({}),
    times: Times = USUAL,
) -> Any:  # fmt: skip
    """Return the cell as the form takes it, None where it is empty. Raises BadCell.

    ``places`` are ids by code, ``agencies`` by code and by name.
    """
    text = tidy(cell) or column.empty
    if column.oneline:
        text = " ".join(text.split())
    if column.values and text:
        if text not in column.values and column.other is None:
            raise BadCell(
                _("“{text}”不在允许的值里({known})").format(text=text[:30], known=listed(list(column.values)[:8]))
            )
        text = column.values.get(text, column.other or "")
    if text == "":
        return None
    match column.type:
        case "whole":
            return whole(text)
        case "date" | "datetime":
            return moment(text if column.values else cell, times)
        case "phone":
            return plain_digits(text).replace(" ", "")
        case "decimal":
            return decimal(text)
        case "place":
            return _place(text, places)
        case "agency":
            if text not in agencies:
                raise BadCell(_("没有单位“{text}”，请写单位的代码或全称").format(text=text[:30]))
            return agencies[text]
        case _:
            return text


def tidy(cell: Any) -> str:
    """Return a cell as text: without control characters and outer spaces, whole numbers without “.0”.

    A true or false of a spreadsheet is TRUE or FALSE, as the spreadsheet shows it and writes it into a CSV file.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    text = str(cell)
    if not text.isprintable():  # what can be printed has no control characters
        text = "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter)[0] != "C")
    return text.strip().strip("\u3000").strip()


def plain_digits(text: str) -> str:
    """Return the text with full-width digits and signs as ordinary ones."""
    return unicodedata.normalize("NFKC", text)


def whole(text: str) -> int:
    """Return a whole number; full-width digits and thousands separators are understood. Raises BadCell."""
    plain = plain_digits(text).replace(",", "").strip()
    if not re.fullmatch(r"[+-]?\d{1,15}", plain):
        raise BadCell(_("“{text}”不是整数").format(text=text[:30]))
    return int(plain)


def decimal(text: str) -> str:
    """Return a number as the form takes it; full-width digits, separators and the currency's sign are understood. Raises BadCell."""
    plain = money.bare(text)
    if not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,6})?", plain):
        raise BadCell(_("“{text}”不是数字").format(text=text[:30]))
    return plain


def moment(cell: Any, times: Times = USUAL) -> datetime:
    """Return the moment (aware) that a cell names, in the file's time zone or the city's. Raises BadCell.

    Understood: real dates of a spreadsheet, its serial numbers, 2026-11-23, 2026/11/23, 2026.11.23, 2026年11月23日, 20261123,
    each with or without a clock time (14:05, 14:05:30, 14时05分), also in full-width digits; before them the file's own patterns.
    """
    zone = times.zone or timezone.get_current_timezone()
    found = _patterned(tidy(cell), times.formats, zone) if times.formats else None
    if found is not None:
        return found
    aware = partial(timezone.make_aware, timezone=zone)
    if isinstance(cell, datetime):
        return cell if timezone.is_aware(cell) else aware(cell)
    if isinstance(cell, date):
        return aware(datetime.combine(cell, time()))
    if isinstance(cell, int | float) and not isinstance(cell, bool) and not 19000101 <= cell <= 99991231:
        return aware(_serial(float(cell)))
    text = plain_digits(tidy(cell)).strip()
    try:
        if match := _PLAIN_DAY.match(text):
            parts = [int(part) for part in match.groups() if part]
            return aware(datetime(*parts))  # type: ignore[arg-type]  # noqa: DTZ001
        if match := _DAY.match(text):
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return aware(datetime.combine(day, _clock(match[4])))
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            return aware(_serial(float(text)))
    except (ValueError, OverflowError) as error:
        raise BadCell(_("“{text}”不是日历上有的日期或时间").format(text=text[:30])) from error
    raise BadCell(_("“{text}”不是日期，应写成 2026-11-23 或 2026年11月23日").format(text=text[:30]))


@lru_cache(maxsize=4096)  # a history cites the moment of its filing several times
def _patterned(text: str, formats: tuple[str, ...], zone: tzinfo) -> datetime | None:
    for pattern in formats:
        try:
            found = datetime.strptime(text, pattern)  # noqa: DTZ007 (made aware at once)
        except ValueError:
            continue
        return found if timezone.is_aware(found) else timezone.make_aware(found, zone)
    return None


def _clock(text: str | None) -> time:
    if not text:
        return time()
    found = _CLOCK.match(text.strip())
    if not found:
        raise ValueError(text)
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def _serial(number: float) -> datetime:
    if not 20000 <= number <= 80000:  # 1954 to 2119
        raise BadCell(_("“{number:g}”不是日期").format(number=number))
    return _EXCEL_EPOCH + timedelta(seconds=round(number * 86400))


def _place(text: str, places: Mapping[str, int]) -> int:
    plain = plain_digits(text)
    if plain in places:
        return places[plain]
    found = find_places(text)
    if not found:
        raise BadCell(_("没有认出“{text}”是哪个地点，请写统计代码，或连同上级一起写名称").format(text=text[:30]))
    return places[found[0].code]
