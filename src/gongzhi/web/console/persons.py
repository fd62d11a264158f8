"""Looking at a person's fields, or at the numbers in a record's texts: a purpose is asked, written down, and only then they are shown."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.forms import SHOWN_FIELDS
from gongzhi.kernel.history import timeline
from gongzhi.kernel.masking import masked
from gongzhi.kernel.models import Register, Task
from gongzhi.kernel.parties import NOTE, ask, ask_words, choices, reading, take
from gongzhi.kernel.purposes import Purpose
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.web.console.record import by_number, facts_of, people
from gongzhi.web.who import page, signed


@signed
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, actor: Actor, number: str, key: UUID) -> HttpResponse:
    """Ask for a purpose, then show the person's fields. With htmx only the box is exchanged."""
    with acting(actor):
        record = by_number(number)
        who = next((found for found in people(record) if found.id == key), None)
        if who is None:
            raise Http404
    offered = choices(record.service, actor)
    if not offered:
        raise Absent
    chosen = _chosen(request, offered)
    errors: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    if request.method == "POST":
        try:
            seen = take(actor, ask(actor, key, chosen.code if chosen else "", **_said(request, chosen)))
            values = {title: seen[name] for name, title in SHOWN_FIELDS.items() if name in seen}
        except Invalid as invalid:
            errors = invalid.errors
    with acting(actor):
        whole = not request.headers.get("HX-Request")
        response = page(
            request, actor, "web/console/person_page.html" if whole else "web/console/person.html", record=record, who=who,
            values=values, active=f"s-{record.service_code}", status=422 if errors and whole else 200,
            **_form(request, offered, chosen, errors),
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response


@signed
@require_http_methods(["GET", "POST"])
def words(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """Ask for a purpose, then show the record's texts with the numbers that are masked elsewhere."""
    with acting(actor):
        record = by_number(number)
    offered = choices(record.service, actor)
    if not offered:
        raise Absent
    chosen = _chosen(request, offered)
    errors: dict[str, list[str]] = {}
    texts: list[tuple[str, str]] = []
    if request.method == "POST":
        try:
            look = ask_words(actor, record.pk, chosen.code if chosen else "", **_said(request, chosen))
            with reading(actor, look) as found:
                texts = _texts(actor, found)
        except Invalid as invalid:
            errors = invalid.errors
    with acting(actor):
        response = page(
            request, actor, "web/console/words.html", record=record, texts=texts, active=f"s-{record.service_code}",
            status=422 if errors else 200, **_form(request, offered, chosen, errors),
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response


def _texts(actor: Actor, record: Register) -> list[tuple[str, str]]:
    """Return the texts of a record as they were typed, each once: its own, and those of its history and tasks."""
    short, long = facts_of(record, record.facts)
    said = [(_("标题"), record.title), *long, *((label, text) for label, text in short if masked(text) != text)]
    for line in timeline(record, actor):
        said += [(label if label == line.title else f"{line.title} · {label}", text) for label, text in line.words]
    said += [(_("任务"), task.title) for task in Task.objects.filter(record=record)]
    seen: set[str] = set()
    return [(label, text) for label, text in said if not (text in seen or seen.add(text))]  # type: ignore[func-returns-value]


def _chosen(request: HttpRequest, offered: list[Purpose]) -> Purpose | None:
    return next((one for one in offered if one.code == request.POST.get("purpose", "")), None)


def _said(request: HttpRequest, chosen: Purpose | None) -> dict[str, Any]:
    """Return what was said beside the purpose: words, and the day of a seal where the purpose has one."""
    until = None
    if chosen and chosen.sealed:
        try:
            until = date.fromisoformat(request.POST.get("until", ""))
        except ValueError:
            until = date.min  # no day of the calendar's future, so the kernel says what is wanted
    return {"note": request.POST.get("note", ""), "until": until}


def _form(
    request: HttpRequest, offered: list[Purpose], chosen: Purpose | None, errors: dict[str, list[str]]
) -> dict[str, Any]:
    """Return what the form of a look shows."""
    return {
        "purposes": offered, "chosen": chosen, "errors": errors, "note": request.POST.get("note", ""),
        "note_label": NOTE.verbose_name, "note_most": NOTE.max_length, **_seal(request, offered),
    }  # fmt: skip


def _seal(request: HttpRequest, offered: list[Purpose]) -> dict[str, Any]:
    """Return what the form asks where a purpose keeps a look from the person for a while: which, until when, at most."""
    sealed = [one for one in offered if one.sealed]
    if not sealed:
        return {}
    today = timezone.localdate()
    last = today + timedelta(days=max(one.sealed for one in sealed))
    return {
        "sealed": sealed, "until": request.POST.get("until", "") or last.isoformat(),
        "first": (today + timedelta(days=1)).isoformat(), "last": last.isoformat(),
    }  # fmt: skip
