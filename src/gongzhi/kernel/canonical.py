"""The one text of an entry's body, and its digests.

The text is canonical JSON (RFC 8785), and the very text that is hashed is the one that is kept. ``orjson`` with sorted
keys already writes that form for a subset of JSON; the guard below admits that subset and nothing else:

* keys are ASCII strings (only there do code-point order and RFC 8785's UTF-16 order agree, and ``orjson`` sorts bytes);
* no floats (their shortest form differs between writers): decimals are strings;
* whole numbers stay under 2**53, the largest a JavaScript reader keeps exactly;
* text is valid Unicode (no lone surrogates);
* dates, UUIDs and enums are turned into strings by the caller: what a library would make of them is not ours to keep.

A test holds the result byte-equal to the ``rfc8785`` package, which is about 14 times slower.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

ALG = "sha256"  # written beside every digest: a city may need SM3 (GB/T 32905), old digests then keep their own name
SALT_BYTES = 16

_LIMIT = 2**53
_NAMES, _SIMPLE = {str}, {str, bool, type(None)}
_DEPTH = 32
_ALGORITHMS: dict[str, Callable[[bytes], Any]] = {"sha256": hashlib.sha256}


class NotCanonical(TypeError):
    """A value has no canonical form here; ``path`` says where it stands, as in ``$.places[2].lon``."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class UnknownAlgorithm(ValueError):
    """A digest names an algorithm that this version does not know."""


def canonical(value: Mapping[str, object]) -> str:
    """Return the RFC 8785 text of a mapping of plain values.

    Raises NotCanonical, with the path of the first value that cannot be written.
    """
    if type(value) is dict and _plain(value, _DEPTH):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        except orjson.JSONEncodeError:  # a lone surrogate: the only thing left that the guard lets through
            pass
    _explain(value, "$", _DEPTH)
    raise NotCanonical("$", "cannot be written as JSON")


def digest(text: str | bytes, alg: str = ALG) -> bytes:
    """Return the digest of a text's UTF-8 bytes, or of bytes. Raises UnknownAlgorithm."""
    try:
        algorithm = _ALGORITHMS[alg]
    except KeyError:
        raise UnknownAlgorithm(f"unknown digest algorithm {alg!r}; known: {', '.join(_ALGORITHMS)}") from None
    result: bytes = algorithm(text.encode() if isinstance(text, str) else text).digest()
    return result


def salted(text: str, salt: bytes, alg: str = ALG) -> str:
    """Return the hexadecimal digest that stands for a free text or personal field in an entry's body.

    The salt (16 bytes, fresh for each field of each entry) lies encrypted beside the words. Once the record's key is
    destroyed nobody can test a guess against the digest; while it is there, the words can be proved.
    """
    if len(salt) != SALT_BYTES:  # a fixed length keeps salt + text unambiguous
        raise ValueError(f"a salt has {SALT_BYTES} bytes, this one has {len(salt)}")
    try:
        algorithm = _ALGORITHMS[alg]
    except KeyError:
        raise UnknownAlgorithm(f"unknown digest algorithm {alg!r}; known: {', '.join(_ALGORITHMS)}") from None
    result: str = algorithm(salt + text.encode()).hexdigest()
    return result


def _plain(value: dict[Any, Any], depth: int) -> bool:
    """Whether a dictionary holds only what orjson writes as RFC 8785 does. Hot: about 1 µs for an ordinary body."""
    if not depth or not set(map(type, value)) <= _NAMES or not "".join(value).isascii():
        return False
    if _SIMPLE.issuperset(map(type, value.values())):
        return True
    for item in value.values():
        kind = type(item)
        if kind in _SIMPLE:
            continue
        if kind is int:
            if not -_LIMIT < item < _LIMIT:
                return False
        elif kind is dict:
            if not _plain(item, depth - 1):
                return False
        elif kind is not list or not _plain_list(item, depth - 1):
            return False
    return True


def _plain_list(value: list[Any], depth: int) -> bool:
    if not depth:
        return False
    for item in value:
        kind = type(item)
        if kind is str or item is None or kind is bool:
            continue
        if kind is int:
            if not -_LIMIT < item < _LIMIT:
                return False
        elif kind is dict:
            if not _plain(item, depth - 1):
                return False
        elif kind is not list or not _plain_list(item, depth - 1):
            return False
    return True


def _explain(value: object, path: str, depth: int) -> None:  # noqa: C901 (one line for each rule)
    """Raise NotCanonical for the first value that the guard refused; the slow way, only after a refusal."""
    kind = type(value)
    if (kind is dict or kind is list) and not depth:
        raise NotCanonical(path, f"nested deeper than {_DEPTH} levels")
    if isinstance(value, dict) and kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise NotCanonical(path, f"key {key!r} is not an ASCII string")
            _explain(item, f"{path}.{key}", depth - 1)
    elif isinstance(value, list) and kind is list:
        for index, item in enumerate(value):
            _explain(item, f"{path}[{index}]", depth - 1)
    elif isinstance(value, str) and kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotCanonical(path, "text with a lone surrogate is not valid Unicode") from None
    elif isinstance(value, int) and kind is int:
        if not -_LIMIT < value < _LIMIT:
            raise NotCanonical(path, "whole numbers must stay under 2**53; write larger ones as strings")
    elif kind is float:
        raise NotCanonical(path, "floats have no one form; write decimals as strings")
    elif value is not None and kind is not bool:
        raise NotCanonical(path, f"a {kind.__qualname__} is not a plain JSON value; turn it into a string first")


def point_text(lon: float, lat: float) -> str:
    """Return a position as an entry's digest covers it: degrees of WGS-84 with six decimals, about a tenth of a metre."""
    return f"{lon:.6f},{lat:.6f}"
