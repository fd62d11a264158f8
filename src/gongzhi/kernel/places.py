"""Paths of places: two base-36 characters a level, so that a subtree is one range."""

from collections.abc import Collection

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
WIDTH = 2


def child_path(parent: str, taken: Collection[str]) -> str:
    """Return the first free path below ``parent``; ``taken`` are the paths of its children. ValueError: 1,296 are full."""
    highest = max((_DIGITS.index(path[-2]) * 36 + _DIGITS.index(path[-1]) for path in taken), default=-1)
    for number in (*range(highest + 1, 36**WIDTH), *range(highest)):
        path = parent + _DIGITS[number // 36] + _DIGITS[number % 36]
        if path not in taken:
            return path
    raise ValueError(f"no free path below {parent!r}")


def within(path: str, area: str) -> bool:
    """Return whether the path lies in the subtree of ``area``."""
    return path.startswith(area)
