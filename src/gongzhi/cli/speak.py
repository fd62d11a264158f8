"""What commands say: lines for people, one JSON value for scripts, and their exit codes."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

GOOD, FOUND, BAD = 0, 1, 2


class Bad(Exception):
    """The command cannot do what was asked; one clear line for the person, exit code 2."""


def say(text: str = "") -> None:
    """Write a line for the person."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(value: Any) -> None:
    """Write one JSON value, as the last line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line to the error stream, if anybody still reads it."""
    with suppress(OSError):  # the terminal was closed
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def leave(text: str) -> NoReturn:
    """End with exit code 2 and a sentence."""
    raise Bad(text)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in which Chinese characters count two columns."""
    widths = [max(_width(row[number]) for row in [head, *rows]) for number in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        return "  " + "  ".join(cells).rstrip()

    return "\n".join(map(line, (head, tuple("─" * width for width in widths), *rows)))


def _width(text: str) -> int:
    return sum(2 if "⺀" <= letter <= "￦" else 1 for letter in text)


def bar(text: str) -> Callable[[int, int], None]:
    """Return a function (done, total) that shows progress on a terminal, and nothing elsewhere."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            filled = 30 * done // max(1, total)
            sys.stderr.write(f"\r{text} [{'█' * filled}{'·' * (30 - filled)}] {done:,}/{total:,}")
            sys.stderr.write("\n" if done >= total else "")
            sys.stderr.flush()

    return show
