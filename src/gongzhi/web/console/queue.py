"""My queue: what must I do now? Overdue first, then due today, then new."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel import workdays
from gongzhi.kernel.context import Actor, in_index_order
from gongzhi.kernel.duties import owed_by
from gongzhi.kernel.models import Place, Register, Task
from gongzhi.kernel.roles import MANAGER, ROLES, Scope
from gongzhi.kernel.service import services
from gongzhi.tongue import later
from gongzhi.web.paging import Paged
from gongzhi.web.who import chosen_place, in_place, page, reads

GROUPS = {
    "late": later("已超期"),
    "today": later("今天到期"),
    "new": later("新到"),
    "rest": later("在办"),
    "paused": later("计时已暂停"),
}
_SHOWN = 15
_NOTHING = {
    "late": later("没有超期的事项。"),
    "today": later("今天没有到期的事项。"),
    "new": later("没有新到的事项。"),
    "rest": later("没有其他在办事项。"),
    "paused": "",
}


@dataclass(frozen=True)
class Part:
    """One group of the queue: its records as far as they are shown here, and how many there are."""

    code: str
    title: str
    total: int
    rows: list[Register]
    nothing: str


@dataclass(frozen=True)
class Decision:
    """Records that wait for a yes or no of this role."""

    title: str
    rows: list[Register]


def end_of_day(now: datetime) -> datetime:
    """Return the last moment of the day of ``now``."""
    return timezone.localtime(now).replace(hour=23, minute=59, second=59, microsecond=999999)


def _since(now: datetime) -> datetime:
    """Return the beginning of the working day before today: what came later is new."""
    day = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for _day in range(14):
        if workdays.is_workday(day.date()):
            break
        day -= timedelta(days=1)
    return day


def _conditions(now: datetime) -> dict[str, Q]:
    """Return the condition of each group; together they hold every record once. Each can be read from an index on due_at."""
    running, later = Q(paused_at=None), Q(due_at__gt=end_of_day(now)) | Q(due_at=None)
    return {
        "late": running & Q(due_at__lt=now),
        "today": running & Q(due_at__gte=now, due_at__lte=end_of_day(now)),
        "new": running & later & Q(stage_at__gte=_since(now)),
        "rest": running & later & Q(stage_at__lt=_since(now)),
        "paused": Q(paused_at__isnull=False),
    }


def mine(actor: Actor, place: Place | None) -> "QuerySet[Any]":
    """Return what the actor owes, the most urgent first.

    Agencies and places are read for the rows that are shown: joined, they would be looked up for all that is put in order.
    """
    found = Register.objects.filter(owed_by(actor) & in_place(place))
    return found.prefetch_related("agency", "place").order_by("due_at", "opened_at")


def _decisions(actor: Actor, place: Place | None) -> Iterable[Decision]:
    """Yield what waits for this role's decision: actions that a guard opens, in stages that someone else owes."""
    for service in services().values():
        seen: dict[tuple[str, ...], list[str]] = {}
        conditions = {}
        for action in service.procedure:
            if not action.guard or action.guard.operator != ">=" or action.creates:
                continue
            if not any(role.code == actor.role for role in action.by):
                continue
            stages = [source.code for source in action.sources if not _owes(actor, service.procedure.owed(source.code))]
            if stages:
                key = (action.guard.column, str(action.guard.value), *stages)
                seen.setdefault(key, []).append(action.title)
                conditions[key] = Q(
                    **{f"{action.guard.column}__gte": action.guard.value, "record__stage_code__in": stages}
                )
        for key, titles in seen.items():
            facts = service.model._default_manager.filter(conditions[key] & in_place(place, "record__"))
            if ROLES[actor.role].scope is Scope.AGENCY:
                facts = facts.filter(record__agency=actor.agency)
            rows = facts.filter(record__closed_at=None).values_list("record_id", flat=True)[:200]
            records = list(
                Register.objects.filter(pk__in=list(rows)).select_related("agency", "place").order_by("due_at")
            )
            if records:
                yield Decision(" / ".join(map(str, titles)), records)


def _owes(actor: Actor, owed: object) -> bool:
    return owed is not None and any(role.code == actor.role for role in owed.by)  # type: ignore[attr-defined]


def shown(actor: Actor, place: Place | None, now: datetime) -> dict[str, Any]:
    """Return what the queue shows: its groups, what waits for a decision, tasks, and what a manager watches."""
    records, conditions = mine(actor, place), _conditions(now)
    plain = records.prefetch_related(None)
    totals = records.order_by().aggregate(**{code: Count("pk", filter=q) for code, q in conditions.items()})
    with in_index_order():
        parts = [
            Part(code, title, totals[code], list(plain.filter(conditions[code])[:_SHOWN]) if totals[code] else [],
                 _NOTHING[code])
            for code, title in GROUPS.items()
            if totals[code] or code in ("late", "today", "new")
        ]  # fmt: skip
    prefetch_related_objects([row for part in parts for row in part.rows], "agency", "place")
    tasks = list(
        Task.objects.filter(agency=actor.agency, done_at=None).select_related("record").order_by("due_at")[: 2 * _SHOWN]
    )
    watch = None
    if actor.role == MANAGER.code:
        pressing = Register.objects.filter(in_place(place), closed_at=None, paused_at=None, due_at__lte=end_of_day(now))
        watch = pressing.exclude(due_source="").aggregate(
            late=Count("pk", filter=Q(due_at__lt=now)), today=Count("pk", filter=Q(due_at__gte=now))
        )
    return {
        "parts": parts, "decisions": list(_decisions(actor, place)), "tasks": tasks, "watch": watch,
        "nothing": not any(totals.values()),
    }  # fmt: skip


@reads
def queue(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the queue; ``?group=`` shows one group whole."""
    now, place = timezone.now(), chosen_place(request, actor)
    only = request.GET.get("group", "")
    if only in GROUPS:
        with in_index_order():
            paged = Paged.of(request, mine(actor, place).filter(_conditions(now)[only]))
        return page(
            request, actor, "web/console/queue_group.html", title=GROUPS[only], paged=paged, active="queue", now=now
        )
    return page(
        request, actor, "web/console/queue.html", active="queue", now=now, said=_said(request.session.pop("gave", None)),
        **shown(actor, place, now),
    )  # fmt: skip


def _said(gave: "list[str] | None") -> str:
    """Return what has just been done to a record that went on to others, and out of the actor's sight."""
    if not gave:
        return ""
    return _("已{action}。{number} 现在由其他单位办理，不再显示在您这里。").format(number=gave[0], action=gave[1])
