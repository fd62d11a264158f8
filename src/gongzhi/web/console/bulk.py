"""The same action on many records: each is an act of its own, with an answer of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.act import Invalid, Refused, act
from gongzhi.kernel.buttons import possible
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service
from gongzhi.tongue import clauses
from gongzhi.web.asked import ask, raw
from gongzhi.web.console.lists import bulk_actions, declared
from gongzhi.web.guard import form_key
from gongzhi.web.who import page, signed

MOST = 200


@dataclass(frozen=True)
class Outcome:
    """What became of one record: ``said`` is why not, "" where the act happened."""

    record: Register
    said: str = ""


@signed
@require_http_methods(["GET", "POST"])
def bulk(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show the form for the records chosen on the list, or do the action to each of them."""
    service = declared(code)
    data = request.POST if request.method == "POST" else request.GET
    action = next((one for one in bulk_actions(actor, service) if one.code == data.get("action")), None)
    numbers = list(dict.fromkeys(data.getlist("number")))[:MOST]
    if action is None:
        raise Http404
    with acting(actor):
        records = _records(service, numbers)
        fit = {record.pk for record in records if action in possible(actor, record)}
    typed = raw(request.POST, service.form(action))
    if request.method == "GET" or not records:
        return _form(request, actor, service, action, records, fit, {}, {}, form_key(request))
    key = form_key(request)
    _, faults = service.form(action).clean(typed) if not action.edits else ({}, {})
    if faults:
        return _form(request, actor, service, action, records, fit, typed, faults, key)
    versions = dict(item.split(":", 1) for item in request.POST.getlist("version") if ":" in item)
    outcomes = [_do(actor, service, action, record, typed, versions.get(record.number, ""), key) for record in records]
    with acting(actor):
        after = {record.pk: record for record in _records(service, numbers)}
        return page(
            request, actor, "web/console/bulk_done.html", service=service, action=action, active=f"s-{code}",
            outcomes=[Outcome(after.get(one.record.pk, one.record), one.said) for one in outcomes],
            done=sum(not one.said for one in outcomes), failed=sum(bool(one.said) for one in outcomes),
        )  # fmt: skip


def _records(service: Service, numbers: list[str]) -> list[Register]:
    found = Register.objects.filter(service_code=service.code, number__in=numbers).select_related("agency", "place")
    held = {record.number: record for record in found}
    return [held[number] for number in numbers if number in held]


def _do(
    actor: Actor, service: Service, action: Action, record: Register, typed: Mapping[str, Any], version: str, key: str
) -> Outcome:
    """Do the action to one record, against the version that the form showed."""
    seen = int(version) if version.isdecimal() and len(version) < 10 else None
    try:
        act(
            actor, service.code, action.code, record=record.pk, version=seen if action.versioned else None, form=typed,
            key=f"{key[:40]}:{record.pk.hex}",
        )  # fmt: skip
    except Invalid as invalid:
        return Outcome(record, clauses(text for texts in invalid.errors.values() for text in texts))
    except Refused as refused:
        return Outcome(record, str(refused))
    return Outcome(record)


def _form(
    request: HttpRequest, actor: Actor, service: Service, action: Action, records: list[Register], fit: set[Any],
    typed: Mapping[str, Any], faults: Mapping[str, list[str]], key: str,
) -> HttpResponse:  # fmt: skip
    with acting(actor):
        asked = ask(service, action, typed, faults)
        for question in asked:
            question.required = question.required and not action.edits
        return page(
            request, actor, "web/console/bulk.html", service=service, action=action, active=f"s-{service.code}", key=key,
            records=[(record, record.pk in fit) for record in records], fit=len(fit), asked=asked, most=MOST,
            wrong=[question for question in asked if question.errors], status=422 if faults else 200,
        )  # fmt: skip
