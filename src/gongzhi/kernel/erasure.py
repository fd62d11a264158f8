"""Erasure 销毁: a closed record's words and persons become unreadable, for ever and everywhere; the ledger still verifies.

The keys of the record and of its persons are destroyed, columns that held words are blanked, the word index is emptied, the
files of attachments are removed. Codes, days, places and figures stay, so that counts do not change. An erasure is an entry
and says why, by a code: words of a reason could not be read again either. Backups from before hold the wrapped keys of
their day until their master key is dropped (``kernel.rotation``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel.act import execute
from gongzhi.kernel.canonical import canonical
from gongzhi.kernel.context import acting, clock_actor
from gongzhi.kernel.dates import day
from gongzhi.kernel.models import Attachment, Register
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.service import Service, services
from gongzhi.kernel.vault import remove
from gongzhi.tongue import later

BECAUSE: Mapping[str, str] = {
    "period": later("保存期限已满"), "person": later("本人要求删除（个人信息保护法第四十七条）"), "court": later("法院或上级机关决定"),
}  # fmt: skip
"""Why a record is erased, by code."""
BATCH = 200
"""Records that the worker erases in one round."""
GONE = later("（已销毁）")
"""Stands where a text has to stand."""


CLOCKS_APART = timedelta(minutes=10)
"""How far this process's clock may be from the database's, before or behind; acts have the same bound."""


class WrongClock(Invalid):
    """This process's clock and the database's do not agree: what has ended cannot be said, and nothing is erased."""


@dataclass(frozen=True)
class Ending:
    """A closed record whose period of retention ends at a moment."""

    number: str
    service: str
    closed_at: datetime
    ends_at: datetime
    held_until: date | None
    """The last day of a hold, also one that has passed."""


def erase(number: str, because: str) -> None:
    """Erase a closed record.

    Raises Absent (none, or erased already), Invalid (still open, held, or no such reason), WrongClock.
    """
    if because not in BECAUSE:
        raise Invalid({"because": [_("请说明销毁的原因：{codes}。").format(codes="、".join(BECAUSE))]})
    _compare_clocks()
    clock = clock_actor()
    with acting(clock):
        row = Register.objects.filter(number=number.strip().upper()).first()
    if row is None or row.erased:
        raise Absent
    if row.held:
        raise Invalid(
            {
                "number": [
                    _("{number} 已暂缓销毁，保留到 {day}，现在不能销毁。").format(
                        number=row.number, day=day(row.held_until)
                    )
                ]
            }
        )
    if row.closed_at is None:
        raise Invalid({"number": [_("{number} 还没有办结，不能销毁。").format(number=row.number)]})
    if because == "period" and not _over(row):
        raise Invalid({"number": [_("{number} 的保存期限还没有满，不能以此为由销毁。").format(number=row.number)]})
    entry, now = uuid7(), timezone.now()
    body = canonical(
        {
            "v": 1, "id": str(entry), "record": str(row.pk), "service": row.service_code, "number": row.number,
            "action": "erase", "to": row.stage_code, "version": row.version + 1, "post": clock.post,
            "at": now.isoformat(timespec="microseconds"), "because": because,
        }
    )  # fmt: skip
    addresses = execute(
        "SELECT kernel.erase(%s::bigint, %s::uuid, %s::int, %s::uuid, %s::timestamptz, %s::text, %s::text)",
        [clock.post, row.pk, row.version, entry, now, body, str(GONE)],
    )[0]
    if addresses is None:
        raise Absent
    remove(addresses)  # after the commit: files without a key say nothing, a record without its files would


def _compare_clocks() -> None:
    """Raise WrongClock where this process's clock is not the database's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    mine = timezone.now()
    if abs(mine - theirs) > CLOCKS_APART:
        raise WrongClock(
            {
                "clock": [
                    _("本机时钟（{mine}）与数据库时钟（{theirs}）相差太大，没有销毁任何内容。请先校准时钟。").format(
                        mine=mine.isoformat(" ", "minutes"),
                        theirs=theirs.astimezone(mine.tzinfo).isoformat(" ", "minutes"),
                    )
                ]
            }
        )


def _over(row: Register) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s::timestamptz + make_interval(years => %s) <= now()", [row.closed_at, row.service.retention.years]
        )
        return bool(cursor.fetchone()[0])


def erase_ended(limit: int = BATCH) -> int:
    """Erase the closed records whose period is over and that nobody holds, at most ``limit`` of them; return how many.

    Each is a transaction of its own, so that it may be broken off anywhere and goes on where it was. Raises WrongClock.
    """
    _compare_clocks()
    done = 0
    for one in ending(timezone.now(), limit, free=True):
        try:
            erase(one.number, "period")
        except WrongClock:
            raise
        except (Absent, Invalid):
            continue  # somebody held, reopened or erased it in between
        done += 1
    return done


def sweep_files() -> None:
    """Remove files of erased records that a fall between the commit and their removal left behind. The worker calls it."""
    with acting(clock_actor()):
        addresses = list(Attachment.objects.filter(record__erased=True).values_list("address", flat=True))
    remove(addresses)


def ending(until: datetime, limit: int = 10_000, *, free: bool = False) -> Iterator[Ending]:
    """Yield the closed records whose period ends until this moment, the first to end first; ``free``: without those held today."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, service, closed_at, ends_at, held_until FROM kernel.ending(%s, %s, %s, %s)",
            [clock_actor().post, until, limit, free],
        )
        rows: list[Any] = cursor.fetchall()
    for row in rows:
        yield Ending(*row)


def blanking() -> str:
    """Return the statements that blank the words in the services' own columns, for ``kernel.erase``."""
    return "\n".join(_blanked(service) for service in services().values())


def _blanked(service: Service) -> str:
    sets = []
    for name, fact in service.facts.items():
        if fact.words:
            column: Any = fact
            sets.append(f"{name} = {'NULL' if column.null else "''" if column.blank else 'p_gone'}")
    names = ", ".join(f"'{name}'" for name, fact in service.extras.items() if fact.words)
    if names:
        sets.append(f"more = more - ARRAY[{names}]")
    if not sets:
        return ""
    return f"    UPDATE public.{service.model._meta.db_table} SET {', '.join(sets)} WHERE record_id = r.id;"


def periods() -> str:
    """Return the services' periods as rows of VALUES: code and years."""
    return ", ".join(f"('{service.code}', {service.retention.years})" for service in services().values())
