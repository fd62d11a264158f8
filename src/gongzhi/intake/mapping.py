"""Mapping files: which column of a table is which field of a form, and how its cells are read (``docs/import.md``)."""

import dataclasses
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.places import find_places

TYPES = {
    "text": "文字", "whole": "整数", "decimal": "数字，可以有小数", "date": "日期", "datetime": "日期和时间", "phone": "电话",
    "place": "地点的统计代码或名称", "agency": "单位的代码或名称",
}  # fmt: skip
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
    """How one column is read. ``field`` is empty for columns that only identify or date the row."""

    header: str
    field: str = ""
    type: str = "text"
    required: bool = False
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Other headers that mean the same: the label in the platform's other languages."""

    def named(self, headers: Collection[str]) -> str:
        """Return which of the table's headers (without spaces) is this column's, "" where none is."""
        return next((flat for one in (self.header, *self.also) if (flat := "".join(one.split())) in headers), "")


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

    @property
    def required(self) -> list[Column]:
        """The columns without which nothing can be imported."""
        return [column for column in self.columns.values() if column.required]


def builtin() -> dict[str, str]:
    """Return the titles of the mappings that come with the platform, by name."""
    folder = resources.files("gongzhi.intake") / "mappings"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {
        name.removesuffix(".toml"): parse((folder / name).read_text(encoding="utf-8"), name).title for name in names
    }


def load(named: str) -> Table:
    """Return the mapping of this name, or in this file. Raises MappingError."""
    inside = resources.files("gongzhi.intake") / "mappings" / f"{named}.toml"
    try:
        if re.fullmatch(r"[a-z0-9-]+", named) and inside.is_file():
            return parse(inside.read_text(encoding="utf-8"), named)
        return parse(Path(named).read_text(encoding="utf-8-sig"), named)
    except OSError as error:
        raise MappingError(f"读不到映射文件“{named}”。内置的映射有：{'、'.join(builtin())}。") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"映射文件“{named}”不是 UTF-8 编码，请另存为 UTF-8。") from error


def parse(text: str, name: str = "") -> Table:
    """Return the mapping that a TOML text declares. Raises MappingError."""
    try:
        declared = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"映射文件“{name}”的写法不对：{error}") from error
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
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise MappingError(f"映射文件“{name}”缺少 service 或 columns，或某一列不是表（{error}）。") from error
    for header in (*made.key, *([made.at] if made.at else [])):
        if header not in columns:
            raise MappingError(f"映射文件“{name}”的 key 或 at 提到“{header}”，但 columns 里没有这一列。")
    fields = [column.field for column in columns.values() if column.field]
    if len(fields) != len(set(fields)):
        raise MappingError(f"映射文件“{name}”里有两列写进同一个表单项。")
    return made


def _column(header: str, said: Mapping[str, Any]) -> Column:
    unknown = set(said) - {"field", "type", "required", "values"}
    if unknown:
        raise MappingError(f"列“{header}”有不认识的设置：{'、'.join(sorted(unknown))}。")
    kind = str(said.get("type", "text"))
    if kind not in TYPES:
        raise MappingError(f"列“{header}”的 type 只能是：{'、'.join(TYPES)}。")
    values = {str(key): str(value) for key, value in said.get("values", {}).items()}
    return Column(header, str(said.get("field", "")), kind, bool(said.get("required", False)), values)


# --- cells ----------------------------------------------------------------------------------------------------------


def read(column: Column, cell: Any, places: Mapping[str, int], agencies: Mapping[str, int] = {}) -> Any:
    """Return the cell as the form takes it, None where it is empty. Raises BadCell.

    ``places`` are ids by code, ``agencies`` by code and by name.
    """
    text = tidy(cell)
    if text == "":
        return None
    if column.values:
        if text not in column.values:
            raise BadCell(f"“{text[:30]}”不在允许的值里({'、'.join(list(column.values)[:8])})")
        return column.values[text]
    match column.type:
        case "whole":
            return whole(text)
        case "date" | "datetime":
            return moment(cell)
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
    """Return a cell as text: without control characters and outer spaces, whole numbers without “.0”."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    text = "".join(letter for letter in str(cell) if letter in "\n\t" or unicodedata.category(letter)[0] != "C")
    return text.strip().strip("\u3000").strip()


def plain_digits(text: str) -> str:
    """Return the text with full-width digits and signs as ordinary ones."""
    return unicodedata.normalize("NFKC", text)


def whole(text: str) -> int:
    """Return a whole number; full-width digits and thousands separators are understood. Raises BadCell."""
    plain = plain_digits(text).replace(",", "").strip()
    if not re.fullmatch(r"[+-]?\d{1,15}", plain):
        raise BadCell(f"“{text[:30]}”不是整数")
    return int(plain)


def decimal(text: str) -> str:
    """Return a number as the form takes it; full-width digits, separators and a sign of currency are understood. Raises BadCell."""
    plain = plain_digits(text).replace(",", "").strip().lstrip("¥$")
    if not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,6})?", plain):
        raise BadCell(_("“{text}”不是数字").format(text=text[:30]))
    return plain


def moment(cell: Any) -> datetime:
    """Return the moment (aware, in the city's time) that a cell names. Raises BadCell.

    Understood: real dates of a spreadsheet, its serial numbers, 2026-11-23, 2026/11/23, 2026.11.23, 2026年11月23日, 20261123,
    each with or without a clock time (14:05, 14:05:30, 14时05分), also in full-width digits.
    """
    if isinstance(cell, datetime):
        return cell if timezone.is_aware(cell) else timezone.make_aware(cell)
    if isinstance(cell, date):
        return timezone.make_aware(datetime.combine(cell, time()))
    if isinstance(cell, int | float) and not isinstance(cell, bool) and not 19000101 <= cell <= 99991231:
        return _serial(float(cell))
    text = plain_digits(tidy(cell)).strip()
    try:
        if found := _PLAIN_DAY.match(text):
            parts = [int(part) for part in found.groups() if part]
            return timezone.make_aware(datetime(*parts))  # type: ignore[arg-type]  # noqa: DTZ001
        if found := _DAY.match(text):
            day = date(int(found[1]), int(found[2]), int(found[3]))
            return timezone.make_aware(datetime.combine(day, _clock(found[4])))
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            return _serial(float(text))
    except (ValueError, OverflowError) as error:
        raise BadCell(f"“{text[:30]}”不是日历上有的日期或时间") from error
    raise BadCell(f"“{text[:30]}”不是日期，应写成 2026-11-23 或 2026年11月23日")


def _clock(text: str | None) -> time:
    if not text:
        return time()
    found = _CLOCK.match(text.strip())
    if not found:
        raise ValueError(text)
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def _serial(number: float) -> datetime:
    if not 20000 <= number <= 80000:  # 1954 to 2119
        raise BadCell(f"“{number:g}”不是日期")
    return timezone.make_aware(_EXCEL_EPOCH + timedelta(seconds=round(number * 86400)))


def _place(text: str, places: Mapping[str, int]) -> int:
    plain = plain_digits(text)
    if plain in places:
        return places[plain]
    found = find_places(text)
    if not found:
        raise BadCell(f"没有认出“{text[:30]}”是哪个地点，请写统计代码，或县区和镇街的名称")
    return places[found[0].code]
