"""The deadline board: who is late, by agency. Every count opens its records, and any past day can be asked for."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Agency, DeadlineKept, Place, Register
from gongzhi.tongue import later
from gongzhi.web.console.queue import end_of_day
from gongzhi.web.paging import Paged
from gongzhi.web.who import chosen_place, in_place, page, reads

GROUPS = {
    "late": later("已超期"),
    "today": later("今天到期"),
    "soon": later("即将到期"),
    "fine": later("期限内"),
    "paused": later("计时已暂停"),
}
ALSO = {"open": later("全部在办"), "waiting": later("已答复，等评价或没有期限")}
"""Groups that other pages count: everything open, and what nobody owes a step on."""
_WINDOW = 30  # days of steps that were done, for the share kept in time


@dataclass
class Row:
    """One agency on the board."""

    agency: Agency
    counts: dict[str, int]
    done: int = 0
    missed: int = 0
    bars: list[tuple[str, int, int]] = field(default_factory=list)
    """(group, x, width) of the bar's pieces, in hundredths of the longest bar."""

    @property
    def total(self) -> int:
        """Everything that runs."""
        return sum(self.counts.values())

    @property
    def cells(self) -> list[tuple[str, int]]:
        """The counts in the order of the columns."""
        return [(code, self.counts.get(code, 0)) for code in GROUPS]

    @property
    def kept(self) -> str:
        """The share of steps done in time, in words."""
        return f"{round(100 * (self.done - self.missed) / self.done)}%" if self.done else "–"


def conditions(now: datetime) -> dict[str, Q]:
    """Return the condition of each group; together they hold every running deadline once."""
    running = Q(paused_at=None)
    late, today = Q(due_at__lt=now), Q(due_at__gte=now, due_at__lte=end_of_day(now))
    later = Q(due_at__gt=end_of_day(now))
    return {
        "late": running & late,
        "today": running & today,
        "soon": running & later & Q(amber_at__lte=now),
        "fine": running & later & (Q(amber_at__gt=now) | Q(amber_at=None)),
        "paused": Q(paused_at__isnull=False),
    }


def running(place: Place | None) -> "QuerySet[Register]":
    """Return the records with a running deadline that somebody owes."""
    return Register.objects.filter(in_place(place), closed_at=None, due_at__isnull=False).exclude(due_source="")


def kept_by(actor: Actor, since: datetime, place: Place | None) -> list[tuple[int, int, int]]:
    """Return (agency, steps done, of them too late) since then, of the records that the actor sees."""
    with connection.cursor() as cursor:
        ends = (place.path, place.high) if place else (None, None)
        cursor.execute("SELECT agency, done, missed FROM kernel.kept(%s, %s, %s, %s)", [actor.post, since, *ends])
        return cursor.fetchall()


def board_rows(actor: Actor, place: Place | None, now: datetime) -> list[Row]:
    """Return the board, the agency with the most late records first."""
    agencies = {agency.pk: agency for agency in Agency.objects.all()}
    counted: Any = (
        running(place)
        .values("agency")
        .annotate(**{code: Count("pk", filter=condition) for code, condition in conditions(now).items()})
    )
    rows = {
        found["agency"]: Row(agencies[found["agency"]], {code: found[code] for code in GROUPS}) for found in counted
    }
    for agency, done, missed in kept_by(actor, now - timedelta(days=_WINDOW), place):
        row = rows.setdefault(agency, Row(agencies[agency], {}))
        row.done, row.missed = done, missed
    ordered = sorted(rows.values(), key=lambda row: (-row.counts.get("late", 0), -row.total, row.agency.code))
    longest = max((row.total for row in ordered), default=0)
    for row in ordered:
        row.bars = _bars(row, longest)
    return ordered


def _bars(row: Row, longest: int) -> list[tuple[str, int, int]]:
    """Return the pieces of an agency's bar; a count that is not zero is at least one hundredth wide."""
    pieces, x = [], 0
    for code, number in row.cells:
        if number:
            width = max(1, round(100 * number / longest))
            pieces.append((code, x, width))
            x += width
    return pieces


@reads
def board(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the board, or with ``?group=`` and ``?agency=`` the records behind a count; ``?on=`` asks for a past day."""
    place, now = chosen_place(request, actor), timezone.now()
    asked = request.GET.get("on", "")
    if asked:
        return _past(request, actor, place, asked)
    if "group" in request.GET or "agency" in request.GET:
        return _records(request, actor, place, now)
    rows = board_rows(actor, place, now)
    if request.GET.get("as") == "csv":
        return _csv(rows)
    totals = {code: sum(row.counts.get(code, 0) for row in rows) for code in GROUPS}
    return page(
        request, actor, "web/console/deadlines.html", rows=rows, groups=GROUPS, totals=list(totals.items()), active="deadlines",
        finding=_finding(rows, totals), now=now, window=_WINDOW, top=max((r.total for r in rows), default=0),
    )  # fmt: skip


def _finding(rows: list[Row], totals: dict[str, int]) -> str:
    """Return what the board says, in one sentence."""
    if not sum(totals.values()):
        return _("现在没有正在计时的事项。")
    if not totals["late"]:
        return _("没有超期事项，今天到期 {today:,} 件。").format(today=totals["today"])
    first = rows[0]
    return _("共 {late:,} 件超期，最多的是{short}，{late2:,} 件。").format(
        late=totals["late"], short=first.agency.short, late2=first.counts["late"]
    )


def _records(request: HttpRequest, actor: Actor, place: Place | None, now: datetime) -> HttpResponse:
    group = request.GET.get("group", "")
    opened = Register.objects.filter(in_place(place), closed_at=None)
    words = []
    if group in GROUPS:
        found = running(place).filter(conditions(now)[group])
        words.append(GROUPS[group])
    elif group in ALSO:
        found = opened if group == "open" else opened.filter(Q(due_at=None) | Q(due_source=""))
        words.append(ALSO[group])
    else:
        found = running(place)
    agency = _chosen(request, "agency", Agency)
    if agency:
        found = found.filter(agency=agency)
        words.insert(0, agency.short)
    under = _chosen(request, "place", Place)
    if under:
        found = found.filter(in_place(under))
        words.insert(0, under.name)
    return page(
        request, actor, "web/console/deadline_records.html", title=" · ".join(map(str, words)) or _("全部正在计时的事项"),
        paged=Paged.of(request, found.prefetch_related("agency", "place").order_by("due_at")), active="deadlines", now=now,
    )  # fmt: skip


def _chosen(request: HttpRequest, name: str, model: Any) -> Any:
    given = request.GET.get(name, "")
    return model.objects.filter(pk=int(given)).first() if given.isdecimal() and len(given) < 10 else None


@dataclass(frozen=True)
class Was:
    """A step that was over its deadline at the end of a past day."""

    record: Register
    agency: Agency
    stage: str
    due_at: datetime
    met_at: datetime | None


def late_on(place: Place | None, moment: datetime, limit: int = 500) -> list[Was]:
    """Return the steps that were late at that moment, as they stood then, the longest overdue first."""
    left = DeadlineKept.objects.filter(in_place(place, "record__"), due_at__lt=moment, met_at__gt=moment).exclude(
        source=""
    )
    found = [
        Was(kept.record, kept.agency, kept.record.service.procedure.stage(kept.stage).title, kept.due_at, kept.met_at)
        for kept in left.select_related("record", "agency").order_by("due_at")[:limit]
    ]
    still = running(place).filter(due_at__lt=moment, stage_at__lte=moment, paused_at=None)
    found += [
        Was(record, record.agency, record.stage.title, record.due_at, None)
        for record in still.select_related("agency").order_by("due_at")[:limit]
        if record.due_at
    ]
    return sorted(found, key=lambda was: was.due_at)[:limit]


def _past(request: HttpRequest, actor: Actor, place: Place | None, asked: str) -> HttpResponse:
    try:
        on = date.fromisoformat(asked)
    except ValueError:
        on = timezone.localdate()
    moment = timezone.make_aware(datetime.combine(on, time(23, 59, 59)))
    found = late_on(place, moment)
    agencies: dict[str, int] = {}
    for was in found:
        agencies[was.agency.short] = agencies.get(was.agency.short, 0) + 1
    return page(
        request, actor, "web/console/deadlines_past.html", on=on, found=found, active="deadlines",
        agencies=sorted(agencies.items(), key=lambda pair: -pair[1]),
    )  # fmt: skip


def _csv(rows: Iterable[Row]) -> HttpResponse:
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="deadlines-{timezone.localdate()}.csv"'
    writer: Any = csv.writer(response)
    writer.writerow([_("单位"), *GROUPS.values(), _("近{window}天完成步骤").format(window=_WINDOW), _("其中超期")])
    for row in rows:
        writer.writerow([row.agency.title, *(number for _other, number in row.cells), row.done, row.missed])
    return response
