"""Texts as a model reads them: groups of neighbouring characters, and words, each known by its hash alone.

No dictionary of the training texts is kept, so none can be read out of a model. Whatever tells of a person by its form is
gone before that: every number becomes one 0, every e-mail or web address one @. Names cannot be told from other words;
groups that few messages share are dropped (``training``), and a name goes with them.
"""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rjieba

BITS = 21  # of a hash that are kept, in each part
TITLE, TEXT = 0, 1


@dataclass(frozen=True)
class Part:
    """What is taken of a text: ``sizes`` neighbouring characters or words, and how much the part weighs beside the others."""

    source: int
    sizes: tuple[int, ...]
    words: bool
    weight: float


PARTS = (
    Part(TITLE, (1, 2, 3), False, 0.7),
    Part(TITLE, (1, 2), True, 0.5),
    Part(TEXT, (1, 2), False, 1.0),
    Part(TEXT, (1,), True, 0.7),
)
SPACE = len(PARTS) << BITS
"""Hashes are smaller than this; each part has its own range."""
LONGEST = 20_000  # characters of a text that are read
_LONG_WORD = 16  # characters; a longer one is no word

_ADDRESS = re.compile(r"[a-z0-9._%+-]+@[a-z0-9.-]+|https?://[\x21-\x7e]+|www\.[\x21-\x7e]+")
_MASK = re.compile(r"\*+")
_NUMBER = re.compile(r"\d+")
_SPACE = re.compile(r"[\s\x00-\x1f]+")
_NO_SPACE = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Groups:
    """The groups of many texts, side by side: of which text, which hash, and where in the text (one row each)."""

    text: Any
    hash: Any
    start: Any
    size: Any


def normal(text: str) -> str:
    """Return the text in one form: width and case do not count, numbers and addresses are gone, spaces only between words."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    plain = _NUMBER.sub("0", _MASK.sub("", _ADDRESS.sub("@", plain)))
    return _NO_SPACE.sub("", _SPACE.sub(" ", plain)).strip()


def reading(title: str, detail: str) -> tuple[str, str]:
    """Return title and whole text of a message in the form that the model reads."""
    above, below = normal(title), normal(detail)
    return above, "\n".join(filter(None, (above, below)))


def spans(read: str) -> list[tuple[str, int, int]]:
    """Return the words of a text in its normal form, with where each begins and ends."""
    made, at = [], 0
    for word in rjieba.cut(read.encode(errors="replace").decode()):
        end = at + len(word)
        if word.isalnum() and end - at <= _LONG_WORD:
            made.append((word, at, end))
        at = end
    return made


def groups(texts: Sequence[str], number: int) -> Groups:
    """Return all groups that the part of this number takes of the texts."""
    part = PARTS[number]
    made = _words(texts, part.sizes) if part.words else _characters(texts, part.sizes)
    return Groups(
        made.text, (made.hash >> np.uint64(64 - BITS)).astype(np.int64) + (number << BITS), made.start, made.size
    )


def _characters(texts: Sequence[str], sizes: Sequence[int]) -> Groups:
    """Return the groups of characters; those at an end of a text know that they stand there."""
    joined = "\x00".join(["", *texts, ""])
    signs = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = signs == 0
    number = np.cumsum(ends, dtype=np.int32) - 1
    first = np.flatnonzero(ends).astype(np.int32)
    wide = signs.astype(np.uint64)
    made: list[tuple[Any, ...]] = []
    for size in sizes:
        many = len(signs) - size + 1
        if many <= 0:
            continue
        mixed = np.full(many, np.uint64(size), np.uint64)
        for step in range(size):
            mixed = (mixed ^ wide[step : step + many]) * _MIX
            mixed ^= mixed >> np.uint64(29)
        inside = ~ends[:many] if size == 1 else ~(ends[:many] & ends[size - 1 : size - 1 + many])
        for step in range(1, size - 1):
            inside &= ~ends[step : step + many]
        at = np.flatnonzero(inside).astype(np.int32)
        text = number[at]
        made.append((text, mixed[at], at - first[text] - 1, np.full(len(at), size, np.int32)))
    return _joined(made)


def _words(texts: Sequence[str], sizes: Sequence[int]) -> Groups:
    """Return the words, and neighbouring ones together."""
    number: list[int] = []
    known: list[int] = []
    start: list[int] = []
    size: list[int] = []
    for at, read in enumerate(texts):
        found = spans(read)
        coded = [word.encode() for word, *_where in found]
        begins = [begin for _word, begin, _end in found]
        ends = [end for *_word, end in found]
        hashes: list[int] = []
        for many in range(1, max(sizes) + 1):  # a longer group goes on from the hash of the shorter one
            hashes = (
                [zlib.crc32(b" " + word, held) for held, word in zip(hashes, coded[many - 1 :], strict=False)]
                if many > 1
                else [zlib.crc32(word) for word in coded]
            )
            if many in sizes:
                number += [at] * len(hashes)
                known += hashes
                start += begins[: len(hashes)]
                size += [end - begin for begin, end in zip(begins, ends[many - 1 :], strict=False)]
    mixed = np.array(known, np.uint64) * _MIX
    return Groups(np.array(number, np.int32), mixed, np.array(start, np.int32), np.array(size, np.int32))


def _joined(made: Sequence[tuple[Any, ...]]) -> Groups:
    kinds = (np.int32, np.uint64, np.int32, np.int32)
    if not made:
        return Groups(*(np.zeros(0, kind) for kind in kinds))
    return Groups(*(np.concatenate(column) for column in zip(*made, strict=True)))
