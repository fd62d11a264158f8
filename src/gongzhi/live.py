"""Live events: a raw ASGI application of its own process, because a Django view held open costs a thread each.

``GET /live`` with the session's cookie answers ``text/event-stream``: an event ``notice`` when the agency of the session's
post has something new; the page then asks for what it is. The event itself says nothing that a stranger could use.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.db.utils import Error  # noqa: E402

from gongzhi.kernel.context import NoPost, actor_of  # noqa: E402

log = logging.getLogger("gongzhi.live")
Message = dict[str, Any]
_BEAT = 20.0  # seconds between signs of life, which proxies and phones need to keep the line open
_WAITING = 8  # events that a slow reader may be behind; it is told once more and no harm is done

_readers: dict[int, set[asyncio.Queue[str]]] = {}
_listener: asyncio.Task[None] | None = None


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer one connection."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/health":
        await _answer(send, 200, b"ok")
        return
    if scope["path"] != "/live" or scope["method"] != "GET":
        await _answer(send, 404, b"")
        return
    try:
        agency = await asyncio.to_thread(_agency, dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    except Error as error:
        log.warning("database: %s", error)
        await _answer(
            send, 200, b"retry: 5000\n\n", b"text/event-stream"
        )  # after an error a browser would not ask again
        return
    if agency is None:
        await _answer(send, 401, b"")
        return
    _listen()
    queue: asyncio.Queue[str] = asyncio.Queue(_WAITING)
    _readers.setdefault(agency, set()).add(queue)
    gone = asyncio.create_task(_until_gone(receive))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _headers(b"text/event-stream")})
        await _say(send, ": open\nretry: 5000\n\n")
        while not gone.done():
            waiting = asyncio.create_task(queue.get())
            await asyncio.wait({waiting, gone}, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                await _say(send, f"event: {waiting.result()}\ndata: 1\n\n")
            else:
                waiting.cancel()
                await _say(send, ": beat\n\n")
    except OSError:
        pass  # the reader hung up while being told
    finally:
        gone.cancel()
        _readers[agency].discard(queue)


async def _until_gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Callable[[Message], Awaitable[None]], text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _answer(
    send: Callable[[Message], Awaitable[None]], status: int, body: bytes, kind: bytes = b"text/plain"
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _headers(kind)})
    await send({"type": "http.response.body", "body": body})


def _headers(kind: bytes) -> list[tuple[bytes, bytes]]:
    origin = os.environ.get("GONGZHI_ORIGIN", "")
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    if origin:
        headers += [(b"access-control-allow-origin", origin.encode()), (b"access-control-allow-credentials", b"true")]
    return headers


def _agency(cookie: str) -> int | None:
    """Return the agency of the session's post, None for who is not signed in."""
    try:
        held = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
        if held is None:
            return None
        session = SessionStore(held.value)
        actor = actor_of(session["post"]) if session.get("post") else None
        return actor.agency if actor and actor.epoch == session.get("epoch", 0) else None
    except (CookieError, NoPost):
        return None
    finally:
        connection.close()


def _listen() -> None:
    """Start the listener with the first reader: there is no other moment in which the process has a loop."""
    global _listener  # noqa: PLW0603
    if _listener is None or _listener.done():
        _listener = asyncio.create_task(_run())


async def _run() -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(_address(), autocommit=True) as listening:
                await listening.execute("LISTEN gongzhi")
                _tell(list(_readers))  # whoever was connected while the line was down may have missed something
                async for notice in listening.notifies():
                    _tell([int(word) for word in notice.payload.split() if word.isdigit()])
        except psycopg.Error as error:
            log.warning("listening: %s", error)
        await asyncio.sleep(1)


def _tell(agencies: list[int]) -> None:
    for agency in agencies:
        for queue in _readers.get(agency, ()):
            with suppress(asyncio.QueueFull):
                queue.put_nowait("notice")


def _address() -> str:
    made = connections["default"].get_connection_params()
    keys = ("dbname", "user", "password", "host", "port")
    # A line that went silent is noticed within a minute.
    alive: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return psycopg.conninfo.make_conninfo(**{key: made[key] for key in keys if made.get(key)}, **alive)
