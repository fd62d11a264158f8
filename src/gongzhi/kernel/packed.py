"""Columns on their way to the database: whole arrays in PostgreSQL's binary form, packed at once.

psycopg's own lists are dumped value by value in Python, which costs several times what making the value did.
"""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, Format

_NULL = b"\xff\xff\xff\xff"
_HEAD = struct.Struct("!iiIii")
_SIZE = struct.Struct("!i")
_EPOCH, _FIRST_DAY, _TICK = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1), timedelta(microseconds=1)
_size = _SIZE.pack
AS_TEXT = ("numeric",)
"""Types that travel as text and are cast."""
_CONSTANT = (type(None), str, int, datetime)
"""Types of which equal values are written alike."""
_PLAIN = ({str}, {bytes})
_UUID = b"\x00\x00\x00\x10"


def _fixed(form: str) -> Callable[[Any], bytes]:
    packer = struct.Struct(f"!i{form}")
    size, pack = packer.size - 4, packer.pack
    return lambda value: bytes(pack(size, value))


def _raw(value: bytes) -> bytes:
    return _size(len(value)) + value


def _text(value: Any) -> bytes:
    data = value.encode() if type(value) is str else str(value).encode()
    return _size(len(data)) + data


def _json(value: Any) -> bytes:
    data = str(value).encode()
    return _size(len(data) + 1) + b"\x01" + data


_whole, _big = _fixed("i"), _fixed("q")
_WAYS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "bigint": (20, _big),
    "boolean": (16, _fixed("?")),
    "bytea": (17, _raw),
    "date": (1082, lambda value: _whole((value - _FIRST_DAY).days)),
    "float8": (701, _fixed("d")),
    "int": (23, _whole),
    "jsonb": (3802, _json),
    "text": (25, _text),
    "timestamptz": (1184, lambda value: _big((value - _EPOCH) // _TICK)),
    "uuid": (2950, lambda value: _UUID + value.bytes),
}
"""The type's number in PostgreSQL's catalogue, and how a value is written with its size before it."""


def packed(kind: str, values: Sequence[Any]) -> bytes:
    """Return the values (None is NULL) as an array of the SQL type ``kind``; ids may all be given as bytes.

    KeyError for a type not known here.
    """
    number, write = _WAYS[kind]
    if not values:
        return _HEAD.pack(0, 0, number, 0, 0)[:12]
    head, first = _HEAD.pack(1, int(None in values), number, len(values), 1), values[0]
    if type(first) in _CONSTANT and values.count(first) == len(values):
        return head + (_NULL if first is None else write(first)) * len(values)
    if kind in ("text", "bytea") and set(map(type, values)) in _PLAIN:  # never left to an interpreter's loop
        data = values if kind == "bytea" else list(map(str.encode, values))
        return head + b"".join(chain.from_iterable(zip(map(_size, map(len, data)), data, strict=True)))
    if kind == "uuid" and set(map(type, values)) == {bytes}:
        return head + _UUID + _UUID.join(values)
    return head + b"".join([_NULL if value is None else write(value) for value in values])


def ask(connection: "psycopg.Connection[Any]", statement: str, arguments: Sequence[Any]) -> list[Any]:
    """Send a statement with whole numbers (or None) and packed arrays as its numbered parameters; return rows, each value as text in bytes or None.

    Other threads go on meanwhile: psycopg's own way sends such a statement in pieces and waits for Python at each of them.
    Raises what psycopg raises.
    """
    sent = [value if value is None or type(value) is bytes else str(value).encode() for value in arguments]
    formats = [Format.BINARY if type(value) is bytes else Format.TEXT for value in arguments]
    result = connection.pgconn.exec_params(statement.encode(), sent, param_formats=formats)
    if result.status != ExecStatus.TUPLES_OK:
        if connection.pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError(result.get_error_message())
        raise psycopg.errors.error_from_result(result)
    return [[result.get_value(row, n) for n in range(result.nfields)] for row in range(result.ntuples)]
