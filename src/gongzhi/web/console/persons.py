"""Looking at a person's fields: the purpose is asked first, written down, and only then the fields are shown."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.forms import SHOWN_FIELDS
from gongzhi.kernel.parties import ask, take
from gongzhi.kernel.refusals import Invalid
from gongzhi.tongue import sentences
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
    error, values, purpose = "", {}, request.POST.get("purpose", "")
    if request.method == "POST":
        try:
            seen = take(actor, ask(actor, key, purpose))
            values = {title: seen[name] for name, title in SHOWN_FIELDS.items() if name in seen}
        except Invalid as invalid:
            error = sentences(text for texts in invalid.errors.values() for text in texts)
    with acting(actor):
        whole = not request.headers.get("HX-Request")
        response = page(
            request, actor, "web/console/person_page.html" if whole else "web/console/person.html", record=record, who=who,
            purposes=record.service.purposes, error=error, values=values, active=f"s-{record.service_code}",
            purpose=dict(record.service.purposes).get(purpose, ""), status=422 if error and whole else 200,
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response
