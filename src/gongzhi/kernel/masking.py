"""Masking 遮住: numbers that tell of a person are not shown in free text until somebody states a purpose (charter 3).

One place: whatever the application reads of the words' columns passes here, so that lists, pages, exports, API, notices, mails
and calendars are masked without knowing it. ``unmasked()`` is opened by who has written a look down (``parties.take_words``),
for the holder of a follow-up code, who wrote the words, and where a text is worked on and not shown (edits). Columns keep what
was typed; the owner's connection, which verifies and backs up, reads it as it is.

Which numbers these are, the city's pack says by patterns (``[masked]`` of ``city.toml``); e-mail addresses are the same
everywhere. Names in free text cannot be told from other words: what a form asks of a person is a party, and never shown here.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from django.conf import settings
from django.db import models

from gongzhi.kernel.city import read_city

MARK = "****"
_MAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_WIDE = {0xFF10 + digit: str(digit) for digit in range(10)} | {0xFF38: "X", 0xFF58: "x", 0xFF0D: "-", 0x3000: " "}
_WORTH = re.compile(r"[0-9\uff10-\uff19]{3}|@")
_ANY_WIDE = re.compile(f"[{''.join(map(chr, _WIDE))}]")
_HEAD, _TAIL = 3, 4
_raw: ContextVar[bool] = ContextVar("gongzhi_unmasked", default=False)


class Ambiguous(ValueError):
    """An edited text holds a masked number that may stand for several."""


@cache
def _pattern(city: str) -> re.Pattern[str]:
    numbers = "|".join(f"(?:{pattern})" for pattern in read_city(city).masked.values())
    return re.compile(rf"(?<![0-9])(?:{numbers})(?![0-9])|{_MAIL}" if numbers else _MAIL)


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where such a number stands in the text, and what is shown for it."""
    if _WORTH.search(text):
        plain = text.translate(_WIDE) if _ANY_WIDE.search(text) else text
        for match in _pattern(settings.CITY).finditer(plain):
            yield match.start(), match.end(), _mask(match[0])


def _mask(number: str) -> str:
    local, at, host = number.partition("@")
    if at:
        return f"{local[:1]}{MARK}@{host}"
    signs = [letter for letter in number if letter.isalnum()]
    return f"{''.join(signs[:_HEAD])}{MARK}{''.join(signs[-_TAIL:])}"


def masked(text: str) -> str:
    """Return the text with personal numbers masked: the first three and the last four digits are left."""
    made, last = [], 0
    for start, end, shown in _found(text):
        made += [text[last:start], shown]
        last = end
    return "".join([*made, text[last:]]) if made else text


def without(text: str) -> str:
    """Return the text with a space where a personal number stood."""
    made, last = [], 0
    for start, end, _shown in _found(text):
        made += [text[last:start], " "]
        last = end
    return "".join([*made, text[last:]]) if made else text


def restored(text: str, held: str) -> str:
    """Return an edited text with the masked numbers of the held one put back. Raises Ambiguous."""
    numbers: dict[str, list[str]] = {}
    for start, end, shown in _found(held):
        numbers.setdefault(shown, []).append(held[start:end])
    for shown, originals in numbers.items():
        parts = text.split(shown)
        if len(set(originals)) > 1 and len(parts) - 1 not in (0, len(originals)):
            raise Ambiguous(shown)
        fill = originals if len(parts) - 1 == len(originals) else originals[:1] * (len(parts) - 1)
        text = "".join(piece for pair in zip(parts, [*fill, ""], strict=True) for piece in pair)
    return text


@contextmanager
def unmasked() -> Iterator[None]:
    """Read words as they were typed meanwhile."""
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)


def shown(value: Any, alias: str) -> Any:
    """Return what is read of a column of words, or of the values of a JSON object, over the connection of this alias."""
    if alias != "default" or _raw.get():
        return value
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: masked(held) if isinstance(held, str) else held for name, held in value.items()}
    return value


class MaskedChars(models.CharField):  # type: ignore[type-arg]
    """A line of words that a person may have typed, outside the services' own facts."""

    def from_db_value(self, value: Any, _expression: Any, connection: Any) -> Any:
        """Return it masked."""
        return shown(value, connection.alias)

    def deconstruct(self) -> Any:
        """Return what a migration needs: to the database it is any other text."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.CharField", args, options


class MaskedValues(models.JSONField):
    """A JSON object whose texts a person may have typed."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return it with its texts masked."""
        return shown(super().from_db_value(value, expression, connection), connection.alias)

    def deconstruct(self) -> Any:
        """Return what a migration needs: to the database it is any other object."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.JSONField", args, options


_ROW = re.compile(r"^DETAIL: .*?(?=^(?:HINT|CONTEXT|QUERY|LINE \d+|STATEMENT): |^\n|\Z)", re.MULTILINE | re.DOTALL)


class MaskedLines(logging.Formatter):
    """Log lines without personal numbers, and without the row that a refusal of the database quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and its traceback where there is one."""
        return masked(_ROW.sub("DETAIL: (left out)\n", super().format(record)))
