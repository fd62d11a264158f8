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
    """Return an edited text with the masked numbers of the held one put back.

    A mask that stands for several numbers is told by what was left untouched around it (``_Edit``). Raises Ambiguous.
    """
    before, places, last = "", {}, 0
    for start, end, shown in _found(held):
        before += held[last:start]
        places[len(before)] = held[start:end]
        before, last = before + shown, end
    before += held[last:]
    marks = {masked(number) for number in places.values()}
    if not marks:
        return text
    pattern = re.compile("|".join(map(re.escape, sorted(marks, key=len, reverse=True))))  # one may begin with another
    meant: dict[str, set[str]] = {}
    for match in pattern.finditer(before):
        places.setdefault(match.start(), match[0])  # typed with the stars: it stands for itself
        meant.setdefault(match[0], set()).add(places[match.start()])
    edit = _Edit(before, text, places, pattern)
    return pattern.sub(
        lambda match: edit.number(match) if len(meant[match[0]]) > 1 else next(iter(meant[match[0]])), text
    )


class _Edit:
    """What an edit left untouched: so many letters at the beginning, and so many at the end.

    Of a text in which something was repeated there are several ways to see it (``kept``); they must all say the same.
    """

    def __init__(self, before: str, text: str, places: dict[int, str], pattern: re.Pattern[str]) -> None:
        self.before, self.text, self.places = before, text, places
        least, head, tail = min(len(before), len(text)), _alike(before, text), _alike(before[::-1], text[::-1])
        ways = [(head, tail)] if head + tail <= least else [(k, least - k) for k in range(least - tail, head + 1)]
        self.kept = ways
        self.was, self.now = ([(m[0], m.start(), m.end()) for m in pattern.finditer(one)] for one in (before, text))

    def number(self, match: re.Match[str]) -> str:
        """Return what the mask stood for in every way to see the edit. Raises Ambiguous."""
        known = {self._in(match[0], match.start(), match.end(), *way) for way in self.kept}
        said = next(iter(known))
        if len(known) > 1 or said is None:
            raise Ambiguous(match[0])
        return said

    def _in(self, mark: str, start: int, end: int, head: int, tail: int) -> str | None:
        """Return the number, None where the mask was touched, or where what is left beside it also stood beside another."""
        if end <= head:
            kept, at = self.before[:head], start
        elif start >= len(self.text) - tail:
            kept, at = self.before[len(self.before) - tail :], start + len(self.before) - len(self.text)
        else:
            return None
        alone = self.before.find(kept, self.before.find(kept) + 1) < 0
        return self.places[at] if alone or self._all_there(mark, head, tail) else None

    def _all_there(self, mark: str, head: int, tail: int) -> bool:
        """Whether every number of this mask lies in what was left, so that each stands where it stood."""
        now = [(start, end) for one, start, end in self.now if one == mark]
        left = all(end <= head or start >= len(self.text) - tail for start, end in now)
        return left and len(now) == sum(one == mark for one, _start, _end in self.was)


def _alike(one: str, other: str) -> int:
    """Return how many letters two texts begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


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
