"""The mapping that every service has without a file: made of its declaration, with the headers that its export writes.

So a list that was exported can be imported elsewhere as it is, and the empty table to fill in is never out of date. What
a record's later steps write is not taken: an imported record begins where every record begins. Headers and titles of
codes are understood in every language of the platform.
"""

from collections import Counter
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import get_language, override

from gongzhi.intake.mapping import Column, Table, builtin, load
from gongzhi.kernel.export import AGENCY, LAT, LON, NUMBER, PLACE, PLACE_CODE
from gongzhi.kernel.fields import Code, Day, Measure, Money, Whole
from gongzhi.kernel.forms import AgencyField, PlaceField, PointField
from gongzhi.kernel.service import Service, services


def table(named: str) -> Table:
    """Return the mapping of this name: a service's own, one that comes with the platform, or one in a file. Raises MappingError."""
    held = services().get(named)
    return declared(held) if held else load(named)


def tables() -> dict[str, Table]:
    """Return every mapping that needs no file of one's own, by name: the services' own, and those of the platform."""
    return {code: declared(service) for code, service in services().items()} | {name: load(name) for name in builtin()}


def declared(service: Service) -> Table:
    """Return the service's own mapping: a column for each question of the form that makes a record, in today's language."""
    return _declared(service, get_language() or settings.LANGUAGE_CODE)


@cache
def _declared(service: Service, language: str) -> Table:
    bound = service.form(service.creating)
    columns = [_column(NUMBER)]
    for name, asked in bound.fields.items():
        must = bool(asked.required)
        match asked:
            case PlaceField():  # a code says it best; the first of the two that says something counts
                columns += [_column(PLACE_CODE, name, "place"), _column(PLACE, name, "place")]
            case AgencyField():
                columns.append(_column(AGENCY, name, "agency", must))
            case PointField():
                columns += [_column(LON, "lon"), _column(LAT, "lat")]
            case _:
                fact = bound.said.get(name)
                columns.append(_column(asked.label or name, name, _type(fact, name), must, _values(fact)))
    return Table(
        title=str(service.title), service=service.code, columns={column.header: column for column in columns},
        constants={}, key=(), at="", digest=language, number=columns[0].header,
    )  # fmt: skip


def _column(
    label: Any, name: str = "", kind: str = "text", must: bool = False, values: dict[str, str] | None = None
) -> Column:
    return Column(str(label), name, kind, must, values or {}, tuple(_in_every_language(lambda: str(label))))


def _in_every_language(say: Any) -> list[Any]:
    """Return what it says in each language of the platform, without what it says twice."""
    said = []
    for code, _ in settings.LANGUAGES:
        with override(code):
            one = say()
        if one not in said:
            said.append(one)
    return said


def _type(fact: Any, name: str) -> str:
    match fact:
        case Day():
            return "date"
        case Whole():
            return "whole"
        case Measure() | Money():
            return "decimal"
    return "phone" if name.endswith("_phone") else "text"


def _values(fact: Any) -> dict[str, str]:
    """Return the code by each text that may stand for it: its title, where only one has it, and the code itself."""
    if not isinstance(fact, Code):
        return {}
    values: dict[str, str] = {}
    for titles in _in_every_language(lambda: {code: str(title) for code, title in fact.titles().items()}):
        borne = Counter(titles.values())
        values |= {title: code for code, title in titles.items() if borne[title] == 1}
    return values | {code: code for code in fact.titles()}
