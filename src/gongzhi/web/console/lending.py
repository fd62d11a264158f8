"""Delegation and hand-over: lending a post for a leave, what is owed meanwhile, and what was done in one's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gongzhi.kernel import lending
from gongzhi.kernel.context import Actor, acting, actors_of
from gongzhi.kernel.duties import owed_by
from gongzhi.kernel.history import who
from gongzhi.kernel.models import Entry, Post, Register, Task
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import ADMIN, ROLES, STAFF
from gongzhi.web.asked import Asked, Choices
from gongzhi.web.paging import Paged
from gongzhi.web.who import page, signed

SHOWN = 100
"""Matters, tasks, notes and acts that one hand-over lists; the counts are whole."""
_NOTES_SINCE = timedelta(days=30)


@dataclass(frozen=True)
class Owed:
    """What a post owes today: matters by deadline, tasks, and the person's own notes of late on what is still open."""

    matters: list[Register]
    total: int
    tasks: list[Task]
    notes: list[Entry]


@dataclass(frozen=True)
class DoneFor:
    """One act of a delegate: the record, what was done, who, when."""

    record: Register
    title: str
    who: str
    at: datetime


def owed(actor: Actor, last: date | None = None) -> Owed:
    """Return what the actor owes today, what is due by the ``last`` day of the leave first; call it inside ``acting()``."""
    matters = (
        Register.objects.filter(owed_by(actor)).prefetch_related("agency", "place").order_by("due_at", "opened_at")
    )
    if last is not None:
        end = timezone.make_aware(datetime.combine(last, time.max))
        matters = matters.filter(Q(due_at=None) | Q(due_at__lte=end))
    tasks = Task.objects.filter(agency=actor.agency, done_at=None).select_related("record").order_by("due_at")
    notes = (
        Entry.objects.filter(account=actor.account, action="note", at__gt=timezone.now() - _NOTES_SINCE)
        .filter(record__closed_at=None)
        .select_related("record")
        .order_by("-at")
    )
    return Owed(list(matters[:SHOWN]), matters.count(), list(tasks[:SHOWN]), list(notes[:SHOWN]))


def done_for(actor: Actor) -> list[DoneFor]:
    """Return what delegates did in the actor's name, newest first; call it inside ``acting()``."""
    made = []
    for entry in lending.done_for(actor, SHOWN):
        action = entry.record.service.procedure.by_code.get(entry.action)
        title = str(action.title) if action else _("查看了个人信息")
        made.append(DoneFor(entry.record, title, who(entry), entry.at))
    return made


@signed
@require_http_methods(["GET", "POST"])
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the delegations that concern me, what I owe today, what was done in my name; lend a post."""
    errors: Mapping[str, list[str]] = {}
    given = request.POST if request.method == "POST" else request.GET
    values = {name: given.get(name, "").strip() for name in ("post", "to", "since", "last", "note")}
    if request.method == "POST":
        try:
            made = _lend(actor, values)
        except Invalid as invalid:
            errors = invalid.errors
        else:
            return redirect(f"/work/lend/{made}?said=lent#now")
    lent = lending.lendings(actor)
    with acting(actor):
        now = [one for one in lent if one.state in ("running", "coming")]
        asked = _questions(actor, values, errors)
        return page(
            request, actor, "web/console/lend.html", asked=asked, status=422 if errors else 200, active="lend",
            mine=[one for one in now if one.lender == actor.account],
            held=[one for one in now if one.delegate == actor.account],
            others=[one for one in now if actor.account not in (one.lender, one.delegate)],
            past=[one for one in lent if one.state in ("over", "back")][:50],
            owed=None if actor.behalf else owed(actor), done=done_for(actor), now=timezone.now(), shown=SHOWN,
            wrong="".join(errors.get("", [])), said=_("代理已结束。") if request.GET.get("said") == "end" else "",
            may=bool(asked and asked[0].groups and asked[0].groups[0][1]),
        )  # fmt: skip


def _lend(actor: Actor, values: Mapping[str, str]) -> int:
    errors = {name: [_("请填写这一项。")] for name in ("post", "to", "since", "last") if not values[name]}
    days: dict[str, date] = {}
    for name in ("since", "last"):
        try:
            days[name] = date.fromisoformat(values[name])
        except ValueError:
            errors.setdefault(name, [_("请填写正确的日期，例如 2026-11-23。")])
    for name in ("post", "to"):
        if values[name] and not (values[name].isdecimal() and len(values[name]) < 10):
            errors[name] = [_("请重新选择。")]
    if errors:
        raise Invalid(errors)
    return lending.lend(actor, int(values["post"]), int(values["to"]), days["since"], days["last"], values["note"])


def _questions(actor: Actor, values: Mapping[str, str], errors: Mapping[str, list[str]]) -> list[Asked]:
    today = timezone.localdate()
    asked = {
        "post": Asked("post", _("哪个岗位"), "select", True, groups=_lendable(actor)),
        "to": Asked(
            "to", _("由谁代理"), "select", True, groups=_colleagues(actor),
            hint=_("本单位有岗位的同事。请别的单位的人代理，要由管理员办理。") if actor.role != ADMIN.code else "",
        ),
        "since": Asked("since", _("从哪天起"), "date", True, value=today.isoformat()),
        "last": Asked("last", _("到哪天为止（含当天）"), "date", True),
        "note": Asked(
            "note", _("交接说明"), "textarea", False, longest=lending.LONGEST_NOTE,
            hint=_("要特别留意的事项、已经答应的事。代理人和管理员能看到，请不要写居民的姓名和电话。"),
        ),
    }  # fmt: skip
    for name, question in asked.items():
        question.value = values[name] or question.value
        question.errors = list(errors.get(name, ()))
    return list(asked.values())


def _lendable(actor: Actor) -> Choices:
    """Return the posts that the actor may lend: the own ones, and as an administrator those of the area."""
    if actor.behalf:
        return []
    own = [
        (str(one.post), f"{one.agency_title} · {one.role_title} · {one.place_name}")
        for one in actors_of(actor.account)
        if not one.behalf and one.role != ADMIN.code
    ]
    if actor.role != ADMIN.code:
        return [("", own)]
    held = (
        Post.objects.filter(behalf=None, account__active=True, role__in=[role.code for role in STAFF])
        .filter(Q(until=None) | Q(until__gt=timezone.localdate()), since__lte=timezone.localdate())
        .filter(place__path__gte=actor.low, place__path__lt=actor.high)
        .exclude(account=actor.account)
        .select_related("account", "agency", "place")
        .order_by("agency__code", "account__name")
    )
    made: dict[str, list[tuple[str, str]]] = {}
    for post in held:
        title = f"{post.account.name} · {ROLES[post.role].title} · {post.place.name}"
        made.setdefault(post.agency.short, []).append((str(post.pk), title))
    return [("", own), *made.items()] if own else list(made.items())


def _colleagues(actor: Actor) -> Choices:
    """Return who may be asked: colleagues of one's agencies, and for an administrator everyone with a post."""
    held = (
        Post.objects.filter(behalf=None, account__active=True, role__in=[role.code for role in STAFF])
        .filter(Q(until=None) | Q(until__gt=timezone.localdate()), since__lte=timezone.localdate())
        .exclude(account=actor.account)
        .select_related("account", "agency")
        .order_by("agency__code", "account__name")
    )
    if actor.role != ADMIN.code:
        held = held.filter(agency__in={one.agency for one in actors_of(actor.account) if not one.behalf})
    made: dict[str, dict[str, str]] = {}
    for post in held:
        made.setdefault(post.agency.short, {})[str(post.account_id)] = f"{post.account.name}（{post.account.login}）"
    return [(agency, list(people.items())) for agency, people in made.items()]


@signed
def one(request: HttpRequest, actor: Actor, post: int) -> HttpResponse:
    """Show one delegation: the note, what falls due during it, and what was done."""
    lent = next((one for one in lending.lendings(actor) if one.post == post), None)
    if lent is None:
        raise Http404
    mine, held = lent.lender == actor.account, lent.delegate == actor.account
    whose = actor
    if held and lent.state == "running":
        whose = next((one for one in actors_of(actor.account) if one.post == post), actor)
    elif mine:
        whose = next((one for one in actors_of(actor.account) if one.post == lent.lent), actor)
    open_now = lent.state in ("running", "coming")
    with acting(whose):
        work = owed(whose, lent.last) if open_now and whose.post in (lent.post, lent.lent) else None
        acts = Paged.of(
            request, Entry.objects.filter(post_id=post).select_related("record", "account", "agency", "post__behalf__account").order_by("-at"),
        )  # fmt: skip
        rows = [_done(entry) for entry in acts.rows]
    with acting(actor):
        return page(
            request, actor, "web/console/lending.html", lent=lent, mine=mine, held=held, owed=work, done=rows, paged=acts,
            now=timezone.now(), may_end=open_now, active="lend",
            said=_("已经委托。代理人从第一天起在“更换岗位”里看到这个岗位。") if request.GET.get("said") == "lent" else "",
        )  # fmt: skip


def _done(entry: Entry) -> DoneFor:
    action = entry.record.service.procedure.by_code.get(entry.action)
    return DoneFor(entry.record, str(action.title) if action else _("查看了个人信息"), who(entry), entry.at)


@signed
@require_POST
def end(_: HttpRequest, actor: Actor, post: int) -> HttpResponse:
    """Take a delegation back, or give it back."""
    try:
        lending.end(actor, post)
    except Absent:
        ended = [one for one in lending.lendings(actor) if one.post == post and one.state in ("over", "back")]
        if not ended:
            raise
    return redirect("/work/lend?said=end#now")
