"""Columns on their way to the database: whole arrays in PostgreSQL's binary form, packed at once.

psycopg's own lists are dumped value by value in Python, which costs several times what making the value did.
"""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_NULL = b"\xff\xff\xff\xff"
_HEAD = struct.Struct("!iiIii")
_SIZE = struct.Struct("!i")
_EPOCH, _FIRST_DAY, _TICK = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1), timedelta(microseconds=1)
_size = _SIZE.pack


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
    "uuid": (2950, lambda value: b"\x00\x00\x00\x10" + value.bytes),
}
"""The type's number in PostgreSQL's catalogue, and how a value is written with its size before it."""


class Packed(bytes):
    """An array in PostgreSQL's binary form; the statement's cast says of what type."""

    __slots__ = ()


class _PackedDumper(Dumper):
    format = Format.BINARY
    oid = 0

    def dump(self, obj: Any) -> bytes:
        return bytes(obj)


def packed(kind: str, values: Sequence[Any]) -> Packed:
    """Return the values (None is NULL) as an array of the SQL type ``kind``. KeyError for a type not known here."""
    number, write = _WAYS[kind]
    written = [_NULL if value is None else write(value) for value in values]
    if not written:
        return Packed(_HEAD.pack(0, 0, number, 0, 0)[:12])
    return Packed(_HEAD.pack(1, int(None in values), number, len(written), 1) + b"".join(written))


def take_packed(connection: "psycopg.Connection[Any]") -> None:
    """Let this connection send packed arrays."""
    connection.adapters.register_dumper(Packed, _PackedDumper)
