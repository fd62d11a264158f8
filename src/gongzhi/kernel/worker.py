"""What happens without a person: the outbox is told, deadlines turn amber and red, what nobody answered is escalated.

The outbox is the log of entries itself, read in the order of transactions below the oldest running one, with one cursor
for each reader: an entry cannot commit behind it. Notices carry what made them, so a worker that starts again tells
nothing twice. NOTIFY happens here alone: inside ``act()`` it would make commits wait for each other.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from gongzhi.kernel import limits, notices, workdays
from gongzhi.kernel.act import act, execute
from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.context import Actor, acting, clock_actor
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.procedure import Effect, Gives
from gongzhi.kernel.refusals import Refused
from gongzhi.kernel.roles import CLOCK
from gongzhi.kernel.service import services

READER = "notices"
_BATCH = 500
_ESCALATE_AFTER = (1, 3)  # working days over the deadline, for the first and the second reminder

Notices = list[dict[str, Any]]


def tell_outbox() -> int:
    """Tell agencies what new entries mean for them. Returns how many entries were read."""
    clock = clock_actor()
    with connection.cursor() as cursor:
        cursor.execute("SELECT xid, id FROM kernel.outbox(%s, %s)", [READER, _BATCH])
        rows = cursor.fetchall()
    if not rows:
        return 0
    with acting(clock):
        entries = Entry.objects.select_related("record", "account", "agency").in_bulk([row[1] for row in rows])
        made = [notice for _other, key in rows if key in entries for notice in _of_entry(entries[key])]
    xid, last = rows[-1]
    _tell(clock, made, READER, xid, last)
    return len(rows)


def _of_entry(entry: Entry) -> Iterable[dict[str, Any]]:
    record = entry.record
    service = services().get(record.service_code)
    action = service.procedure.by_code.get(entry.action) if service else None
    if service is None or action is None or entry.loader_id or entry.action == "note":
        return
    body = orjson.loads(entry.body)
    if action.effect is Effect.TASK:
        yield _notice(entry, body["agency"], "task")
    elif action.effect is Effect.ESCALATE:
        for agency in {record.agency_id, atlas().nearest("dispatch", record.place_path)} - {None}:
            yield _notice(entry, agency, "escalated")
    elif body["agency"] is not None:
        owed = service.procedure.owed(action.target.code)
        due = body["due"] or (_due(record) if record.version == entry.version else "")
        yield _notice(entry, body["agency"], "assigned", notices.until(due, owed))
    elif action.tells is not Gives.KEEP:
        agency = atlas().nearest(action.tells.value, record.place_path)
        if agency:
            yield _notice(entry, agency, "changed", notices.made_by(entry, action))
    elif action.versioned and entry.agency_id != record.agency_id:
        yield _notice(entry, record.agency_id, "changed", notices.made_by(entry, action))


def _notice(entry: Entry, agency: Any, kind: str, about: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "record": str(entry.record_id), "agency": agency, "kind": kind, "about": about or {}, "at": entry.at.isoformat(),
        "once": f"{entry.pk}:{agency}",
    }  # fmt: skip


def _tell(clock: Actor, made: Notices, reader: str = "", xid: int = 0, entry: Any = None) -> int:
    told: int = execute(
        "SELECT kernel.tell(%s::bigint, %s::jsonb, %s::text, %s::bigint, %s::uuid)",
        [clock.post, orjson.dumps(made).decode(), reader, xid, entry],
    )[0]
    return told


def moved_on(reader: str, xid: int, entry: Any) -> None:
    """Write down that a reader of the outbox has dealt with everything up to this entry."""
    _tell(clock_actor(), [], reader, xid, entry)


def watch_deadlines(now: datetime | None = None) -> dict[str, int]:
    """Tell what turns amber or red, escalate what stays red, close what nobody rated. Returns counts by kind."""
    now, clock = now or timezone.now(), clock_actor()
    with acting(clock):
        running = Register.objects.filter(closed_at=None, paused_at=None, due_at__isnull=False).exclude(due_source="")
        amber = list(_told(running.filter(amber_at__lte=now, due_at__gt=now), "amber"))
        late = running.filter(due_at__lte=now)
        red = list(_told(late, "red"))
        over = [r for r in late.filter(alert__lt=len(_ESCALATE_AFTER)).order_by("due_at")[:_BATCH] if _overdue(r, now)]
        ended = list(
            Register.objects.filter(closed_at=None, due_at__lte=now, due_source="").order_by("due_at")[:_BATCH]
        )
    counts = {"amber": _tell(clock, amber), "red": _tell(clock, red), "escalated": 0, "closed": 0}
    for record in over:
        counts["escalated"] += _try(
            clock, record, "escalate", record.version, f"late:{record.pk}:{record.alert}:{record.due_at}"
        )
    for record in ended:
        action = record.service.procedure.owed(record.stage_code)
        if action and CLOCK in action.by:
            counts["closed"] += _try(clock, record, action.code, record.version, f"auto:{record.pk}:{record.version}")
    return counts


def _told(records: QuerySet[Register], kind: str) -> Iterable[dict[str, Any]]:
    for record in records.order_by("due_at")[: 4 * _BATCH]:
        yield {
            "record": str(record.pk), "agency": record.agency_id, "kind": kind, "at": timezone.now().isoformat(),
            "about": notices.until(_due(record), None), "once": f"{kind}:{record.pk}:{_due(record)}",
        }  # fmt: skip


def _due(record: Register) -> str:
    return record.due_at.isoformat() if record.due_at else ""


def _overdue(record: Register, now: datetime) -> bool:
    return record.due_at is not None and -workdays.left(now, record.due_at) >= _ESCALATE_AFTER[record.alert]


def _try(clock: Actor, record: Register, action: str, version: int, key: str) -> int:
    try:
        done = act(clock, record.service_code, action, record=record.pk, version=version, key=key[:80])
    except Refused:
        return 0  # somebody acted in between, which is what was wanted
    return 0 if done.repeated else 1


def tick() -> dict[str, int]:
    """Do everything that is due, once. Returns counts by kind."""
    read = 0
    while batch := tell_outbox():
        read += batch
        if batch < _BATCH:
            break
    return {"entries": read, **watch_deadlines(), "swept": limits.sweep()}
