"""A new master key, without stopping anything: every wrapped key is wrapped anew, and the old master can then be dropped.

The order: the new master is written into the key file beside the old ones and is in use at once (``keys.keyring`` looks at
the file again every second); then each wrapped key is opened and wrapped under it, row by row, only where it is still what
was read, so that a key destroyed meanwhile stays destroyed. What was read before, or lies in a backup, opens as long as its
master stands in the file: dropping an old master is what makes old backups unreadable.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel import keyring, keys
from gongzhi.kernel.chronicle import line
from gongzhi.kernel.install.citypack import DIRECTORY
from gongzhi.kernel.second_factor import factor_purpose

BATCH = 1000
SEEN = 2.5
"""Seconds after which every running process uses the new key file."""


class StillUsed(Exception):
    """A master key cannot be dropped; the sentence says why."""


@dataclass(frozen=True)
class Held:
    """A place in the database that holds what the master key wraps: table, its primary key, the column, how it is wrapped anew."""

    table: str
    key: str
    column: str
    anew: Callable[[Any, bytes], bytes]


def _wrapped(_key: Any, old: bytes) -> bytes:
    return keys.wrap(keys.unwrap(old))


def _sealed(account: int, old: bytes) -> bytes:
    return keys.seal_secret(factor_purpose(account), keys.open_secret(factor_purpose(account), old))


HELD = (
    Held("record_key", "record_id", "wrapped", _wrapped),
    Held("party", "id", "key", _wrapped),
    Held("contact", "id", "key", _wrapped),
    Held("message", "id", "key", _wrapped),
    Held("second_factor", "account_id", "sealed", _sealed),
)
"""Everything that the master key wraps; a test holds it against the code that wraps."""


@dataclass(frozen=True)
class Master:
    """A master key: its id, whether it is in use, since when it is in the file (None: from before this was written down)."""

    id: str
    current: bool
    since: date | None
    wrapped: int
    """How many keys in the database it wraps."""


def masters() -> list[Master]:
    """Return the master keys of the key file, the one in use first. Raises keys.KeyFileError."""
    ring, dates = keys.keyring(), keyring.master_dates()
    counts = _counts()
    made = [Master(name.hex(), name == ring.current, dates.get(name), counts.pop(name, 0)) for name in ring.masters]
    return made + [Master(name.hex(), False, None, count) for name, count in counts.items()]


def _counts() -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    with connections["owner"].cursor() as cursor:
        for held in HELD:
            cursor.execute(
                f"SELECT substring({held.column} FROM 2 FOR 4), count(*) FROM {held.table} "
                f"WHERE octet_length({held.column}) > 5 GROUP BY 1"
            )
            for name, count in cursor.fetchall():
                counts[bytes(name)] = counts.get(bytes(name), 0) + count
    return counts


def rotate(progress: Callable[[int, int], None] | None = None, wait: float = SEEN) -> dict[str, int]:
    """Put a new master key in use and wrap everything under it; return how many keys, by table. Raises keys.KeyFileError.

    Broken off, it is called again: what is done stays done, and ``rewrap`` goes on.
    """
    _told()
    master = secrets.token_bytes(keyring.KEY_BYTES)
    keyring.put_masters(lambda lines: [f"master {keyring.key_text(master)} {timezone.localdate().isoformat()}", *lines])
    time.sleep(wait)  # a process that still wraps under the old one would leave rows behind
    _said("rotate_master", {"master": keys.keyring().current.hex()})
    return rewrap(progress)


def rewrap(progress: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """Wrap what is not under the master in use yet; return how many keys, by table. Raises keys.KeysError."""
    _told()
    current = keys.keyring().current
    total = sum(count for name, count in _counts().items() if name != current)
    done: dict[str, int] = {}
    for held in HELD:
        for count in _table(held, current):
            done[held.table] = done.get(held.table, 0) + count
            if progress:
                progress(sum(done.values()), total)
    return done


def _table(held: Held, current: bytes) -> Iterator[int]:
    last: Any = None
    while True:
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            beyond = "" if last is None else f"AND {held.key} > %s "
            cursor.execute(
                f"SELECT {held.key}, {held.column} FROM {held.table} WHERE octet_length({held.column}) > 5 "
                f"AND substring({held.column} FROM 2 FOR 4) <> %s {beyond}ORDER BY {held.key} LIMIT {BATCH}",
                [current] if last is None else [current, last],
            )
            rows = cursor.fetchall()
            if not rows:
                return
            changed = 0
            for key, old in rows:
                cursor.execute(
                    f"UPDATE {held.table} SET {held.column} = %s WHERE {held.key} = %s AND {held.column} = %s",
                    [held.anew(key, bytes(old)), key, bytes(old)],
                )
                changed += cursor.rowcount
            last = rows[-1][0]
        yield changed


def drop(name: str) -> None:
    """Take an old master key out of the file: what it wrapped, in backups too, can then never be opened again.

    Raises StillUsed where it is in use, unknown, or still wraps something here; keys.KeyFileError.
    """
    keyring.writable()
    ring = keys.keyring()
    wanted = next((one for one in ring.masters if one.hex() == name.strip().lower()), None)
    if wanted is None:
        raise StillUsed(_("密钥文件里没有编号 {name} 的主密钥。").format(name=name[:20]))
    if wanted == ring.current:
        raise StillUsed(_("{name} 正在使用，不能删除。请先运行 gongzhi keys rotate。").format(name=name))
    if left := _counts().get(wanted, 0):
        raise StillUsed(
            _("还有 {count:,} 个密钥由 {name} 封装，不能删除。请先运行 gongzhi keys rewrap。").format(
                count=left, name=name
            )
        )
    _said("drop_master", {"master": name.lower()})
    keyring.put_masters(lambda lines: [line for line in lines if keyring.master_id(line) != wanted])


def _told() -> None:
    """Write the line of the master in use, where a rotation fell between the key file and its line."""
    ring = keys.keyring()
    if len(ring.masters) == 1:
        return  # the first one of all has none, nor has one whose elders were dropped
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM entry WHERE record_id = %s AND action = 'rotate_master' AND strpos(body, %s) > 0)",
            [DIRECTORY, ring.current.hex()],
        )
        if cursor.fetchone()[0]:
            return
    _said("rotate_master", {"master": ring.current.hex()})


def _said(action: str, said: dict[str, str]) -> None:
    """Write a line in the directory's chain: whose keys open what is a question of who may do what."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT kernel.system_post('clock')")
        post = cursor.fetchone()[0]
        entry, now, body = line(post, action, said)
        cursor.execute("SELECT kernel.chronicle(%s, %s, %s, %s, %s)", [post, entry, now, action, body])
