"""Exporting a list: the records that the actor sees, narrowed as the list is, as XLSX or CSV.

No person is in it: parties are shown one by one, for a purpose (charter 3). Rows are read and written in pieces, so that
fifty thousand cost no more memory than two thousand.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from gongzhi.kernel.fields import Code, Fact, Flag, Money
from gongzhi.kernel.forms import OWN_FIELDS, WHOLE
from gongzhi.kernel.generate import PART
from gongzhi.kernel.models import Agency, Link, Place, Register
from gongzhi.kernel.service import Service
from gongzhi.kernel.workbook import write_book
from gongzhi.tongue import later

MOST = 200_000
"""Rows of one export; a workbook holds a million."""
_PIECE = 2000
_RISKY = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these
_MARKED = ("'", *_RISKY)  # and what begins with the mark itself gets another, so that it can be taken off again
_WIDTHS = (16, 36, 16)
_REGISTER = (
    "pk", "number", "title", "stage_code", "agency_id", "place_id", "opened_at", "due_at", "closed_at", "lon", "lat",
)  # fmt: skip
NUMBER, AGENCY, PLACE, PLACE_CODE = later("编号"), later("责任单位"), later("地点"), later("地点代码")
LON, LAT = later("经度"), later("纬度")
"""Headers that an import reads again (``intake.declared``)."""
_HEAD = (
    NUMBER, later("标题"), later("环节"), AGENCY, PLACE, PLACE_CODE, later("登记时间"), later("期限"), later("结束时间"), LON, LAT,
)  # fmt: skip


@dataclass(frozen=True)
class _Book:
    """What the columns of the register are called in words."""

    stages: dict[str, str]
    agencies: dict[int, str]
    places: dict[int, tuple[str, str]]
    """Name and code by id."""
    zone: tzinfo


def safe(text: str) -> str:
    """Return a text that a spreadsheet opens as a text, whatever it begins with."""
    return f"'{text}" if text.startswith(_MARKED) else text


def plain(text: str) -> str:
    """Return the text that ``safe`` made safe."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_MARKED) else text


def heads(service: Service) -> list[str]:
    """Return the names of the columns."""
    whole = [str(OWN_FIELDS[WHOLE](True).label)] if service.part_of else []
    return [*map(str, _HEAD), *whole, *(str(fact.verbose_name) for fact in service.all_facts.values())]


def rows(service: Service, found: "QuerySet[Register]") -> Iterator[list[Any]]:
    """Yield the cells of each record: texts, numbers, days and moments (naive, in the city's time)."""
    book = _Book(
        {stage.code: str(stage.title) for stage in service.procedure.stages},
        dict(Agency.objects.values_list("pk", "title")), {pk: (name, code) for pk, name, code in Place.objects.values_list("pk", "name", "code")},
        timezone.get_current_timezone(),
    )  # fmt: skip
    columns = ("pk", *service.facts, "more")
    cells = [_cell(fact) for fact in service.all_facts.values()]
    for piece in _pieces(found.values_list(*_REGISTER)[:MOST].iterator(chunk_size=_PIECE)):
        facts = {
            row[0]: row
            for row in service.model._default_manager.filter(pk__in=[row[0] for row in piece]).values_list(*columns)
        }
        wholes = _wholes([row[0] for row in piece]) if service.part_of else {}
        for row in piece:
            held = facts[row[0]]
            values = [*held[1:-1], *(held[-1].get(name) for name in service.extras)]
            whole = [wholes.get(row[0])] if service.part_of else []
            yield [*_register(row, book), *whole, *(cell(value) for cell, value in zip(cells, values, strict=True))]


def _wholes(keys: list[Any]) -> dict[Any, str]:
    """Return the number of the record that each is a part of, where the actor sees it."""
    return dict(Link.objects.filter(b__in=keys, kind=PART).values_list("b", "a__number"))


def _pieces(found: Iterable[Any]) -> Iterator[list[Any]]:
    piece: list[Any] = []
    for row in found:
        piece.append(row)
        if len(piece) == _PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _register(row: Any, book: _Book) -> list[Any]:
    _other, number, title, stage, agency, place, opened, due, closed, lon, lat = row
    return [
        number, title, book.stages.get(stage, stage), book.agencies[agency], *book.places[place],
        _local(opened, book.zone), _local(due, book.zone), _local(closed, book.zone), lon, lat,
    ]  # fmt: skip


def _local(at: datetime | None, zone: tzinfo) -> datetime | None:
    return at.astimezone(zone).replace(tzinfo=None, microsecond=0) if at else None


def _cell(fact: Fact) -> Callable[[Any], Any]:
    """Return what makes a cell of the fact's value."""
    if isinstance(fact, Code):
        titles = {code: str(title) for code, title in fact.titles().items()}
        return lambda value: titles.get(value, value) if value else None
    if isinstance(fact, Flag):
        return fact.display
    if isinstance(fact, Money):
        return lambda value: None if value is None else Decimal(value) / 100
    return lambda value: None if value == "" else value


def to_csv(path: Path, service: Service, found: "QuerySet[Register]") -> int:
    """Write a CSV file (UTF-8 with its mark, which Excel needs); return how many records it holds."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(heads(service))
        for row in rows(service, found):
            out.writerow([safe(cell) if isinstance(cell, str) else cell for cell in row])
            count += 1
    return count


def to_xlsx(path: Path, service: Service, found: "QuerySet[Register]") -> int:
    """Write a workbook whose cells are texts, numbers and dates, never formulas; return how many records it holds."""
    return write_book(path, service.title[:30], heads(service), _WIDTHS, rows(service, found))


def csv_text(table: Iterable[Iterable[Any]]) -> str:
    """Return a small table as the text of a CSV file."""
    target = io.StringIO()
    out = csv.writer(target)
    for row in table:
        out.writerow([safe(cell) if isinstance(cell, str) else cell for cell in row])
    return target.getvalue()


FORMATS: dict[str, tuple[str, Callable[..., int]]] = {
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", to_xlsx),
    "csv": ("text/csv; charset=utf-8", to_csv),
}
