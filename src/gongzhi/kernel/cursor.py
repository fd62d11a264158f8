"""Cursors: where one page of a list ended, so that the next begins there whatever came in between (keyset pagination)."""

import base64
import binascii
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from gongzhi.kernel.fields import Day
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import ORDERS, Narrowing


class BadCursor(ValueError):
    """The cursor is none of this list's."""

    def __init__(self) -> None:
        super().__init__(_("这个翻页标记不属于这个列表，请从第一页开始。"))


def page(
    said: Narrowing, after: str, limit: int, base: "QuerySet[Register] | None" = None
) -> tuple[list[Register], str]:
    """Return at most ``limit`` records that come after the cursor, and the next one's cursor, "" at the end. Raises BadCursor."""
    found = said.records(base)
    if after:
        found = found.filter(_beyond(said, after))
    rows = list(found[: limit + 1])
    return rows[:limit], _mark(said, rows[limit - 1]) if len(rows) > limit else ""


def _column(said: Narrowing) -> str:
    return ORDERS.get(said.order.removeprefix("-"), "ordered_by")


def _mark(said: Narrowing, row: Register) -> str:
    text = orjson.dumps([said.order, getattr(row, _column(said)), str(row.pk)], default=_plain)
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else value.isoformat()


def _beyond(said: Narrowing, after: str) -> Q:
    try:
        order, value, key = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        last = UUID(key)
        value = None if value is None else _held(said, value)
    except (ValueError, TypeError, binascii.Error, AttributeError) as error:
        raise BadCursor from error
    if order != said.order:
        raise BadCursor
    name, down = order.removeprefix("-"), order.startswith("-")
    column = _column(said)
    same = Q(pk__gt=last) if name == "opened" and not down else Q(pk__lt=last)
    if value is None:
        return Q(**{f"{column}__isnull": True}) & same
    # Both bounds of the key stand in the condition, because the planner reads no index through an OR alone.
    way = "lt" if down else "gt"
    further = Q(**{f"{column}__{way}e": value}) & (Q(**{f"{column}__{way}": value}) | same)
    return further if column in ("opened_at", "number", "title") else further | Q(**{f"{column}__isnull": True})


def _held(said: Narrowing, value: Any) -> Any:
    """Return the value of a cursor as the column holds it. Raises ValueError and TypeError."""
    name = said.order.removeprefix("-")
    if name in ("opened", "due"):
        made = parse_datetime(value)
        if made is None or made.tzinfo is None:
            raise BadCursor
        return made
    if name in ORDERS:
        return str(value)
    fact: Any = said.service.all_facts[name]
    if name in said.service.extras and not fact.ranges:
        return str(value)
    held = value if name in said.service.extras and isinstance(fact, Day) else fact.to_python(value)
    if not isinstance(held, str | int | bool | Decimal | date | datetime):
        raise BadCursor
    return held
