"""Looking at a person's fields: the purpose is asked first, written down, and only then the fields are shown."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.forms import SHOWN_FIELDS
from gongzhi.kernel.parties import NOTE, ask, choices, take
from gongzhi.kernel.purposes import Purpose
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.web.console.record import by_number, people
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
    chosen = next((one for one in offered if one.code == request.POST.get("purpose", "")), None)
    errors: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    if request.method == "POST":
        try:
            seen = take(actor, _asked(request, actor, key, chosen))
            values = {title: seen[name] for name, title in SHOWN_FIELDS.items() if name in seen}
        except Invalid as invalid:
            errors = invalid.errors
    with acting(actor):
        whole = not request.headers.get("HX-Request")
        response = page(
            request, actor, "web/console/person_page.html" if whole else "web/console/person.html", record=record, who=who,
            purposes=offered, chosen=chosen, errors=errors, values=values, active=f"s-{record.service_code}",
            note=request.POST.get("note", ""), note_label=NOTE.verbose_name, note_most=NOTE.max_length, **_seal(request, offered),
            status=422 if errors and whole else 200,
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response


def _asked(request: HttpRequest, actor: Actor, key: UUID, chosen: Purpose | None) -> UUID:
    """Write the look down. Raises Invalid."""
    until = None
    if chosen and chosen.sealed:
        try:
            until = date.fromisoformat(request.POST.get("until", ""))
        except ValueError:
            until = date.min  # no day of the calendar's future, so the kernel says what is wanted
    return ask(actor, key, chosen.code if chosen else "", note=request.POST.get("note", ""), until=until)


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
