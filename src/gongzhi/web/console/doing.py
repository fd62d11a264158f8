"""Doing an action from a page: the form, what is wrong with it, and what to show when somebody was first."""

from collections.abc import Mapping
from time import time
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.act import Conflict, Done, act, first_answer
from gongzhi.kernel.buttons import possible
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.fields import Code
from gongzhi.kernel.forms import WHOLE
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import Action, Effect, Gives
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.service import Service, services
from gongzhi.web.asked import ask, grouped, raw, uploads
from gongzhi.web.console.lists import declared
from gongzhi.web.console.record import Doing, by_number, render_record
from gongzhi.web.guard import form_key
from gongzhi.web.refused import REFUSALS, Answer, answer
from gongzhi.web.who import may_create, page, signed

_HIDDEN = ("task_id",)
_TOLD_FOR = 600  # seconds in which who took the call can still read the follow-up code out


@signed
@require_http_methods(["GET", "POST"])
def do(request: HttpRequest, actor: Actor, number: str, code: str) -> HttpResponse:
    """Show the form of an action on a record's page, or do it."""
    with acting(actor):
        try:
            record = by_number(number)
        except Http404:
            first = first_answer(actor, form_key(request)) if request.method == "POST" else None
            if first is None or (first[0].number, first[2]) != (number.upper(), code):
                raise
            return _given_away(request, first[0], services()[first[1]].action(code))
        action = record.service.procedure.by_code.get(code)
        if action is None or action.creates:
            raise Http404
        if request.method == "GET":
            if action not in possible(actor, record):
                raise Http404
            return render_record(
                request, actor, record, doing=_open(record.service, action, _given(request, action, record))
            )
    return _act(request, actor, record, action)


def _given(request: HttpRequest, action: Action, record: Register) -> dict[str, Any]:
    """Return what the form begins with: what the address names, and what the record holds already."""
    bound = record.service.form(action)
    held: dict[str, Any] = {}
    if action.edits or action.effect is Effect.MORE:
        now = record.service.values(record.facts)
        held = {name: fact.typed(now[name]) for name, fact in bound.said.items() if name in now}
    if "point" in bound.fields and record.lon is not None and record.lat is not None:
        held["point"] = (record.lon, record.lat)
    if "category" in bound.columns:
        held["category"] = record.facts.category or None
    if "place" in bound.fields:
        held["place"] = record.place_id
    held.update({name: request.GET[name] for name in bound.fields if name in request.GET})
    for name in bound.columns:
        fact: Any = bound.columns[name]
        if name not in held and fact.has_default() and fact.default:
            held[name] = fact.default
    for name, extra in bound.extras.items():
        column: Any = extra
        if name not in held and column.has_default() and column.default:
            held[name] = column.default
    return held


def _open(
    service: Service, action: Action, values: Mapping[str, Any], errors: Mapping[str, list[str]] | None = None
) -> Doing:
    return Doing(action, ask(service, action, values, errors or {}, hidden=_HIDDEN))


def _act(request: HttpRequest, actor: Actor, record: Register, action: Action) -> HttpResponse:
    service = record.service
    typed = raw(request.POST, service.form(action), blanks=action.edits)
    key = form_key(request)
    given = request.POST.get("version", "")
    version = int(given) if given.isdecimal() and len(given) < 10 else None
    files = uploads(request)
    try:
        done = act(
            actor, service.code, action.code, record=record.pk, version=version, form=typed, files=files, key=key
        )
    except Absent:
        raise
    except REFUSALS as refusal:
        with acting(actor):
            return _refused(request, actor, by_number(record.number), action, typed, key, refusal, bool(files))
    if action.gives is not Gives.KEEP or "place" in service.form(action).own:
        with acting(actor):
            if not Register.objects.filter(pk=record.pk).exists():
                return _given_away(request, done, action)
    again = "&again" if done.repeated else ""
    return redirect(f"/work/r/{done.number}?done={action.code}{again}#now")


def _given_away(request: HttpRequest, done: Done, action: Action) -> HttpResponse:
    """Send who no longer sees the record to the queue, which says what was done."""
    request.session["gave"] = [done.number, str(action.title)]
    return redirect("/work/#now")


def _refused(
    request: HttpRequest, actor: Actor, record: Register, action: Action, typed: Mapping[str, Any], key: str,
    refusal: Exception, had_files: bool,
) -> HttpResponse:  # fmt: skip
    """Show the record as it is now, with why the act did not happen and everything that was typed."""
    told = answer(refusal, key)
    doing = _open(record.service, action, typed, told.errors)
    doing.possible = action in possible(actor, record)
    doing.files_again = had_files
    conflict = str(refusal) if isinstance(refusal, Conflict) else ""
    doing.key, doing.files_error, doing.alert = told.key, told.files_error, "" if conflict else told.alert
    return render_record(request, actor, record, doing=doing, conflict=conflict, status=told.status)


@signed
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show the form that makes a record of the service, or make it."""
    service = declared(code)
    if not may_create(actor, service):
        raise Http404
    typed = raw(request.POST or request.GET, service.form(service.creating))
    whole = _whole(actor, service, typed[WHOLE]) if service.part_of and WHOLE in typed else None
    if whole is not None and request.method == "GET":
        with acting(actor):
            typed = _of_whole(service, whole) | typed
    told = Answer(key=form_key(request))
    if request.method == "POST":
        try:
            done = act(actor, service.code, service.creating.code, form=typed, files=uploads(request), key=told.key)
        except REFUSALS as refusal:
            told = answer(refusal, told.key)
        else:
            if whole is not None:
                return redirect(f"/work/r/{whole.number}?added={done.number}#now")
            request.session["called"] = {"number": done.number, "code": done.follow, "until": time() + _TOLD_FOR}
            return redirect(
                f"/work/r/{done.number}?done={service.creating.code}{'&again' if done.repeated else ''}#now"
            )
    with acting(actor):
        asked = ask(service, service.creating, typed, told.errors, hidden=(WHOLE,) if whole is not None else ())
        return page(
            request, actor, "web/console/new.html", status=told.status, service=service, action=service.creating, key=told.key,
            groups=grouped(asked, service), alert=told.alert, files_error=told.files_error, files_again=bool(request.FILES),
            whole=whole, wrong=[question for question in asked if question.errors], active=f"s-{code}",
        )  # fmt: skip


def _whole(actor: Actor, service: Service, number: str) -> Register | None:
    """Return the record that a part is made for, None where the number names none that the actor sees."""
    with acting(actor):
        return Register.objects.filter(number=number.upper()[:40], service_code=service.part_of).first()


def _of_whole(service: Service, whole: Register) -> dict[str, Any]:
    """Return what a part begins with: the place of the record that it belongs to, and codes that both have."""
    held, facts = whole.service.values(whole.facts), whole.service.facts
    shared = {}
    for name, fact in service.form(service.creating).columns.items():
        like = facts.get(name)
        if isinstance(fact, Code) and isinstance(like, Code) and like.codes == fact.codes:
            shared[name] = held[name]
    return shared | {"place": whole.place_id}
