"""The operations that read: list, record, history and search; and all operations of each service together."""

from datetime import datetime
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.functional import lazy
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from ninja import Header, NinjaAPI, Router

from gongzhi.intake.dispatch import dispatching
from gongzhi.kernel.buttons import possible
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.cursor import BadCursor, page
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import SPANS, STATES, narrow
from gongzhi.kernel.procedure import cited
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.search import find
from gongzhi.kernel.seeking import seek
from gongzhi.kernel.service import Service, services
from gongzhi.tongue import filled, later, listed
from gongzhi.web.api.doing import add_action
from gongzhi.web.api.files import add_files
from gongzhi.web.api.problems import Unread
from gongzhi.web.api.schemas import (
    REFUSALS,
    ErrorOut,
    FoundOut,
    HistoryOut,
    ProposalsOut,
    facts_out,
    page_schema,
    record_schema,
    sought_schema,
)
from gongzhi.web.api.token import Bearer
from gongzhi.web.suggestions import Choice, suggested

MOST = 200
_STATES: Any = lazy(listed, str)([filled("{} {}", code, title) for code, title in STATES.items()])


def add_services(api: NinjaAPI) -> None:
    """Add the operations of every declared service."""
    for service in services().values():
        router = Router(auth=Bearer(), tags=[service.title])
        _reading(router, service)
        for action in service.procedure:
            add_action(router, service, action)
        add_files(router, service)
        api.add_router(f"/{service.code}", router)


def add_search(api: NinjaAPI) -> None:
    """Add the search over everything that the actor sees, by number or by words."""
    router = Router(auth=Bearer(), tags=[later("查找")])

    @router.get(
        "", response={200: list[FoundOut], **REFUSALS}, summary=later("按编号或内容查找"), operation_id="search"
    )
    def search(request: HttpRequest, q: str, limit: int = 50) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            return [_register(record) for record in find(actor, q.strip()[:100], min(max(limit, 1), MOST))]

    api.add_router("/search", router)


def _reading(router: Router, service: Service) -> None:
    record = record_schema(service, texts=True)

    @router.get("", response={200: page_schema(service), **REFUSALS}, summary=filled(later("{title}列表"), title=service.title),
                operation_id=f"{service.code}_list", openapi_extra={"parameters": _parameters(service)})  # fmt: skip
    def listing(request: HttpRequest) -> HttpResponse:
        return _list(request, service)

    if service.phoned and not all(one.sealed for one in service.reasons.values()):
        _seeking(router, service)

    @router.get("/{number}", response={200: record, 304: None, **REFUSALS}, summary=filled(later("一条{title}"), title=service.title),
                operation_id=f"{service.code}_read")  # fmt: skip
    def read(request: HttpRequest, number: str, held: str | None = Header(None, alias="If-None-Match")) -> HttpResponse:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            found = _found(service, number)
            facts = found.facts
            can = [action.code for action in possible(actor, found, facts=facts)]
            tag = f'"{found.version}"'
            if held and tag in held:
                return _tagged(HttpResponse(status=304), tag)
            made = {**_row(service, found, facts, texts=True), "actions": can}
        return _tagged(_json(made), tag)

    if dispatching(service):
        _proposing(router, service)

    @router.get("/{number}/history", response={200: list[HistoryOut], **REFUSALS}, summary=later("办理过程"),
                operation_id=f"{service.code}_history")  # fmt: skip
    def history(request: HttpRequest, number: str) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            return [
                {"at": line.at.isoformat(), "who": line.who, "agency": line.agency, "action": line.action,
                 "title": str(line.title), "words": _texts(line.words), "facts": _texts(line.facts),
                 "files": [file.name for file in line.files]}
                for line in timeline(_found(service, number), actor)
            ]  # fmt: skip


def _seeking(router: Router, service: Service) -> None:
    sought: Any = sought_schema(service)

    @router.post(
        "/persons", response={200: list[FoundOut], **REFUSALS, 429: ErrorOut}, operation_id=f"{service.code}_persons",
        summary=filled(later("按电话查找{title}"), title=service.title),
        description=later("号码放在正文里。查找先写入账本，查到的每一件都在办理过程里记一笔，本人能看到；号码本身不写。只查到我能看到的，最新的 50 件。"),
    )  # fmt: skip
    def persons(request: HttpRequest, sent: sought) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        keys = seek(actor, service, sent.phone, sent.purpose)
        with acting(actor):
            found = Register.objects.select_related("agency", "place").filter(pk__in=keys)
            return [_register(record) for record in found.order_by("-opened_at", "pk")]


def _proposing(router: Router, service: Service) -> None:
    @router.get("/{number}/proposals", response={200: ProposalsOut, **REFUSALS}, summary=later("系统建议的类别和单位"),
                operation_id=f"{service.code}_proposals")  # fmt: skip
    def proposals(request: HttpRequest, number: str) -> HttpResponse:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            record = _found(service, number)
            facts = record.facts
            made = suggested(actor, record, facts, possible(actor, record, facts=facts))
            choices = [] if made is None or made.first is None else [made.first, *made.others]
            said = {
                "action": made.action.code if made and made.action else "",
                "proposed": dict(made.first.values).get("proposed", "") if made and made.first else "",
                "proposals": [_proposal(choice) for choice in choices],
            }  # fmt: skip
        return _tagged(_json(said), f'"{record.version}"')


def _proposal(choice: Choice) -> dict[str, Any]:
    one = choice.proposal
    return {
        "category": one.category, "path": [{"code": at.code, "title": at.title, "confidence": at.confidence} for at in one.path],
        "agency": choice.agency, "agency_code": one.agency_code, "agency_title": one.agency_title,
        "place": choice.place.pk if choice.place else None, "confidence": one.confidence, "sure": one.sure,
        "model": one.model, "words": [{"word": word, "weight": weight} for word, weight in one.words], "reasons": list(one.reasons),
    }  # fmt: skip


def _texts(pairs: Any) -> dict[str, str]:
    return {str(label): str(text) for label, text in dict(pairs).items()}


def _json(made: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(made, default=str), content_type="application/json")


def _tagged(response: HttpResponse, tag: str) -> HttpResponse:
    response["ETag"], response["Cache-Control"], response["Vary"] = tag, "private, no-cache", "Authorization"
    return response


def _found(service: Service, number: str) -> Register:
    found = Register.objects.select_related("agency", "place").filter(
        number=number.upper()[:40], service_code=service.code
    )
    record = found.first()
    if record is None:
        raise Absent
    return record


def _parameters(service: Service) -> list[dict[str, Any]]:
    """Return the query parameters of a list, as OpenAPI writes them: the filter language of ``kernel.narrow``."""
    said: dict[str, Any] = {
        "limit": filled(later("每页条数，1 到 {most}，默认 50"), most=MOST), "after": later("上一页的 next"),
        "order": later("opened、due、number、title 或一个登记项；前面加 - 倒过来。默认 -opened"), "state": _STATES,
        "stage": later("环节代码，多个用逗号分开"), "agency": later("责任单位 id，多个用逗号分开"),
        "place": later("地点 id，包括其下各级"), "q": later("内容里有的词"),
    }  # fmt: skip
    for name, (_column, label) in SPANS.items():
        said |= {
            f"{name}.from": filled(later("{label}，从这天起（2026-11-23）"), label=label),
            f"{name}.to": filled(later("{label}，到这天止"), label=label),
        }
    for name, fact in service.all_facts.items():
        label = fact.verbose_name
        if fact.ranges:
            said |= {
                name: label,
                f"{name}.from": filled(later("{label}，至少"), label=label),
                f"{name}.to": filled(later("{label}，至多"), label=label),
            }
        elif not fact.words:
            said[name] = label
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in said.items()
    ]


def _list(request: HttpRequest, service: Service) -> HttpResponse:
    given = {name: ",".join(request.GET.getlist(name)) for name in request.GET}
    try:
        limit = min(max(int(given.pop("limit", "") or 50), 1), MOST)
    except ValueError:
        raise Invalid({"limit": [_("应为整数。")]}) from None
    after, actor = given.pop("after", ""), request.auth  # type: ignore[attr-defined]
    with acting(actor):
        said = narrow(service, actor, given)
        if said.faults:
            raise Invalid({name: [text] for name, text in said.faults.items()})
        try:
            rows, mark = page(said, after, limit, Register.objects.select_related("agency", "place"))
        except BadCursor as error:
            raise Unread(str(error)) from error
        facts = service.model._default_manager.in_bulk([record.pk for record in rows])
        items = [_row(service, record, facts[record.pk], texts=False) for record in rows]
    response = _json({"items": items, "next": mark})
    response["Cache-Control"] = "private, no-store"
    if mark:
        response["Link"] = f'<{request.path}?{urlencode({**given, "limit": str(limit), "after": mark})}>; rel="next"'
    return response


def _row(service: Service, record: Register, facts: Any, *, texts: bool) -> dict[str, Any]:
    return {**_register(record), "facts": facts_out(service, facts, texts=texts)}


def _register(record: Register) -> dict[str, Any]:
    return {
        "record": str(record.pk), "service": record.service_code, "number": record.number, "title": record.title, "stage": record.stage_code,
        "stage_title": str(record.stage.title), "agency": record.agency_id, "agency_title": record.agency.title,
        "agency_code": record.agency.code, "place": record.place_id, "place_name": record.place.name,
        "place_code": record.place.code, "lon": record.lon, "lat": record.lat,
        "opened_at": record.opened_at.isoformat(), "due_at": _instant(record.due_at), "due_source": cited(record.due_source),
        "paused_at": _instant(record.paused_at), "closed_at": _instant(record.closed_at), "version": record.version,
    }  # fmt: skip


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
