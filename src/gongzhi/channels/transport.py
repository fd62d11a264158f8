"""What a channel must be able to do, and how it says that it could not.

An adapter is a context manager: entering it connects and signs in, so that a server that is away is noticed before any message
is touched. It sends one message at a time and calls ``about_to`` at the last moment at which nothing has gone out yet.
"""

from collections.abc import Callable
from typing import Protocol, Self
from uuid import UUID

from gongzhi.channels.queue import Said


class Down(Exception):
    """The server cannot be used: away, wrong password, wrong certificate. Nothing was sent; everything waits."""


class Later(Exception):
    """This message was not taken now; nothing was sent. It is tried again."""


class Refused(Exception):
    """This message will never be taken: no such mailbox, no such number."""


class Unsure(Exception):
    """The line broke after the message went out and before the server said that it has it."""


class Line(Protocol):
    """An open line to a server. Raises Down on entering; Later, Refused, Down and Unsure on sending."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *broken: object) -> None: ...
    def send(self, key: UUID, to: str, said: Said, about_to: Callable[[], None]) -> None:
        """Send one message to one address."""


def server_said(code: int, text: bytes | str) -> str:
    """Return a server's answer as a line for the administrator."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(f"{code} {plain}".split())[:300]
