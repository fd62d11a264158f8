"""Who is acting. Rights come from posts; a transaction reads as exactly one actor, or sees nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from gongzhi.kernel.keys import KeyRing, keyed_hash
from gongzhi.kernel.masking import unmasked
from gongzhi.kernel.models import Register
from gongzhi.kernel.roles import CLOCK, LOADER, PORTAL, ROLES


class NoPost(Exception):
    """The post has ended, its account is closed, or there is none."""


class ContextError(RuntimeError):
    """Code tried to read as two actors in one transaction: a fault of the code, not of the user."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A post that acts: ids of post, account, agency and place, and how far it sees.

    ``low`` and ``high`` bound the paths of its area (both empty where the role sees by agency or not at all); ``own`` is
    the agency that gives it rights, None where the role has none. ``behalf`` is the name of the person whose post a
    delegate holds, "" otherwise; ``epoch`` is the account's (sessions and tokens of another one have ended).
    """

    post: int
    account: int
    agency: int
    role: str
    low: str
    high: str
    own: int | None
    place: int
    name: str
    agency_title: str
    place_name: str
    behalf: str = ""
    epoch: int = field(default=0, compare=False)

    @property
    def role_title(self) -> str:
        """The role in words."""
        return ROLES[self.role].title

    @property
    def named(self) -> str:
        """The person's name, and for a delegate the other person's: 乙 代 甲."""
        return named(f"{self.name}{_FOR}{self.behalf}" if self.behalf else self.name)


_COLUMNS = (
    "post, account, agency, role, coalesce(low, ''), coalesce(high, ''), own, place, name, agency_title, place_name, behalf, "
    "epoch"
)
_FOR = "\x1f"
"""Stands between the names in ``kernel.named``."""
_current: ContextVar[Actor | str | None] = ContextVar("gongzhi_actor", default=None)


def named(text: str) -> str:
    """Return who acted, as people read it: what ``kernel.named`` gives, with “代” between a delegate and the absent person."""
    who, _mark, other = text.partition(_FOR)
    return _("{who} 代 {other}").format(who=who, other=other) if other else who


def actor_of(post: int) -> Actor:
    """Return the actor of this post. Raises NoPost."""
    rows = _rows(f"SELECT {_COLUMNS} FROM kernel.post(%s)", post)
    if not rows:
        raise NoPost(_("这个岗位已经停用，请重新登录或更换岗位。"))
    return Actor(*rows[0])


def actors_of(account: int) -> list[Actor]:
    """Return what an account may act as: one actor for each of its posts of today, the oldest first."""
    return [Actor(*row) for row in _rows(f"SELECT {_COLUMNS} FROM kernel.posts_of(%s)", account)]


def portal_actor() -> Actor:
    """Return the portal: it acts for residents."""
    return _system(PORTAL.code, _where())


def clock_actor() -> Actor:
    """Return the clock: it reminds, escalates and closes."""
    return _system(CLOCK.code, _where())


def loader_actor() -> Actor:
    """Return the loader: it may write acts of the past."""
    return _system(LOADER.code, _where())


def _where() -> tuple[Any, ...]:
    """Return which database this is: a remembered actor belongs to one."""
    settings = connection.settings_dict
    return settings["HOST"], settings["PORT"], settings["NAME"]


@lru_cache(maxsize=32)
def _system(login: str, _database: tuple[Any, ...]) -> Actor:
    post = _rows("SELECT kernel.system_post(%s)", login)[0][0]
    if post is None:
        raise NoPost(_("数据库里还没有载入城市资料，请先运行 gongzhi init。"))
    return actor_of(post)


def forget_system() -> None:
    """Ask again who the system's parts are: for tests, where one process meets many databases."""
    _system.cache_clear()


def _rows(sql: str, argument: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [argument])
        rows: list[Any] = cursor.fetchall()
    return rows


@contextmanager
def acting(actor: Actor) -> Iterator[Actor]:
    """Read as this actor: one transaction, whose row rights end with it. Raises NoPost; nested use is for the same actor.

    A query set that is read after the block returns nothing.
    """
    held = _current.get()
    if held is not None:
        if held != actor:
            raise ContextError("one transaction reads as one actor")
        yield actor
        return
    _begins()
    token = _current.set(actor)
    try:
        with transaction.atomic():
            if not _rows("SELECT post FROM (SELECT 1 AS post FROM kernel.enter(%s)) s", actor.post):
                raise NoPost(_("这个岗位已经停用，请重新登录或更换岗位。"))
            yield actor
    finally:
        _current.reset(token)


def _begins() -> None:
    """Refuse to begin within another transaction: a savepoint's end is not the end of the settings made in it.

    They would hold until the outer transaction ends, and whatever it reads would be read as this actor.
    """
    if connection.in_atomic_block:
        raise ContextError("acting() and following() are transactions of their own; call them outside atomic()")


@contextmanager
def in_index_order() -> Iterator[None]:
    """Read in the order of an index meanwhile: for the first few of many records that an agency owes; inside ``acting()``.

    The planner counts the agency twice, in the condition and in the row policy, takes thousands of records for a handful, and
    would read and sort them all for the first fifteen.
    """
    _rows("SELECT set_config('enable_bitmapscan', %s, true)", "off")
    yield
    _rows("SELECT set_config('enable_bitmapscan', %s, true)", "on")


@contextmanager
def following(number: str, code: str) -> Iterator[Register | None]:
    """Read as the person who holds a record's follow-up code: one record and what hangs from it, or None."""
    if _current.get() is not None:
        raise ContextError("one transaction reads as one actor")
    _begins()
    token = _current.set(f"follow {number}")
    try:
        with transaction.atomic(), unmasked():
            with connection.cursor() as cursor:
                cursor.execute("SELECT kernel.enter_follow(%s, %s)", [number.strip().upper(), follow_hash(code)])
                row = cursor.fetchone()
            yield Register.objects.select_related("agency", "place").get(pk=row[0]) if row and row[0] else None
    finally:
        _current.reset(token)


_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PAIRS = [low + high for high in _LETTERS for low in _LETTERS]
"""Two letters for ten bits, the lower five first."""


def follow_code(record_bytes: bytes, ring: KeyRing | None = None) -> str:
    """Return the follow-up code of a record: 12 characters that are easy to read aloud (60 bits of a keyed hash)."""
    number = int.from_bytes(keyed_hash("follow", record_bytes, ring)[:8])
    a, b, c, d, e, f = (_PAIRS[number >> shift & 1023] for shift in (0, 10, 20, 30, 40, 50))
    return f"{a}{b}-{c}{d}-{e}{f}"


def follow_hash(code: str, ring: KeyRing | None = None) -> bytes:
    """Return what the database keeps of a follow-up code, however it was typed."""
    return keyed_hash("follow code", "".join(filter(str.isalnum, code.upper())), ring)
