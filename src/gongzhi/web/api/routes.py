"""The operations of each service: list, file, read, history, and one for each action."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.http import HttpRequest
from ninja import Header, NinjaAPI, Query, Router, Schema

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.buttons import possible
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.search import find
from gongzhi.kernel.service import Service, services
from gongzhi.web.api.schemas import (
    ConflictOut,
    DoneOut,
    ErrorOut,
    FoundOut,
    HistoryOut,
    InvalidOut,
    body_schema,
    facts_out,
    record_schema,
)
from gongzhi.web.api.token import Bearer
from gongzhi.web.who import in_place

MOST = 200
_NUMBERS_KEPT = 20_000
_numbers: dict[tuple[Any, ...], UUID] = {}
_REFUSALS: dict[int, Any] = {401: ErrorOut, 404: ErrorOut, 409: ConflictOut, 422: InvalidOut, 503: ErrorOut}


class Narrowed(Schema):
    """What a list is narrowed to. ``after`` is the ``next`` of the page before."""

    stage: str = ""
    agency: int | None = None
    place: int | None = None
    open: bool | None = None
    limit: int = 50
    after: str = ""


def add_services(api: NinjaAPI) -> None:
    """Add the operations of every declared service."""
    for service in services().values():
        router = Router(auth=Bearer(), tags=[service.title])
        _reading(router, service)
        for action in service.procedure:
            _doing(router, service, action)
        api.add_router(f"/{service.code}", router)


def add_search(api: NinjaAPI) -> None:
    """Add the search over everything that the actor sees, by number or by words."""
    router = Router(auth=Bearer(), tags=["查找"])

    @router.get("", response={200: list[FoundOut], **_REFUSALS}, summary="按编号或内容查找", operation_id="search")
    def search(request: HttpRequest, q: str, limit: int = 50) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            return [_register(record) for record in find(actor, q.strip()[:100], min(max(limit, 1), MOST))]

    api.add_router("/search", router)


def _done(done: Done) -> dict[str, Any]:
    return {
        "record": str(done.record), "number": done.number, "version": done.version, "stage": done.stage,
        "repeated": done.repeated, "follow": done.follow,
    }  # fmt: skip


def _doing(router: Router, service: Service, action: Action) -> None:
    body: Any = body_schema(service, action)
    # No response schema at run time: the answer is made by us, and checking it again would cost as much as the request.
    documented = {
        "responses": {200: {"description": "完成", "content": {"application/json": {"schema": DoneOut.json_schema()}}}}
    }

    def run(request: HttpRequest, record: Any, sent: Any, key: str | None) -> dict[str, Any]:
        form = sent.form.model_dump(exclude_none=True)
        actor: Actor = request.auth  # type: ignore[attr-defined]
        version = getattr(sent, "version", None)
        return _done(act(actor, service.code, action.code, record=record, version=version, form=form, key=key))

    view: Callable[..., Any]
    if action.creates:

        def create(
            request: HttpRequest,
            sent: body,
            key: str | None = Header(None, alias="Idempotency-Key"),
        ) -> Any:
            made = run(request, None, sent, key)
            where = connection.settings_dict
            held = (where["HOST"], where["PORT"], where["NAME"], service.code, made["number"])
            _remember(held, UUID(made["record"]))
            return made

        view, address = create, ""
    else:

        def change(
            request: HttpRequest, number: str, sent: body,
            key: str | None = Header(None, alias="Idempotency-Key"),
        ) -> Any:  # fmt: skip
            return run(request, _key_of(request.auth, service, number), sent, key)  # type: ignore[attr-defined]

        view, address = change, f"/{{number}}/{action.code}"
    router.post(
        address, summary=action.title, description=action.hint or action.title, operation_id=f"{service.code}_{action.code}",
        openapi_extra=documented,
    )(view)  # fmt: skip


def _key_of(actor: Actor, service: Service, number: str) -> UUID:
    """Return the id of the record, which may also be given instead of its number. Raises Absent.

    A number keeps its record for ever, so it is remembered, whoever asked first: what the actor may do with the record
    is for the database to say, and its answer is the same as for a record that is not there.
    """
    with suppress(ValueError):
        return UUID(number)
    number = number.upper()[:40]
    where = connection.settings_dict
    held = (where["HOST"], where["PORT"], where["NAME"], service.code, number)
    if held in _numbers:
        return _numbers[held]
    with acting(actor):
        found = Register.objects.filter(number=number, service_code=service.code).values_list("pk", flat=True).first()
    if found is None:
        raise Absent
    _remember(held, found)
    return found


def _remember(held: tuple[Any, ...], record: UUID) -> None:
    if len(_numbers) >= _NUMBERS_KEPT:
        _numbers.clear()
    _numbers[held] = record


def _reading(router: Router, service: Service) -> None:
    row, record = record_schema(service, texts=False), record_schema(service, texts=True)

    @router.get("", response={200: dict[str, Any], **_REFUSALS}, summary=f"{service.title}列表",
                operation_id=f"{service.code}_list",
                openapi_extra=_documented({"type": "object", "properties": {
                    "items": {"type": "array", "items": row.json_schema()}, "next": {"type": "string"}}}))  # fmt: skip
    def listing(request: HttpRequest, narrowed: Query[Narrowed]) -> Any:
        return _list(request.auth, service, narrowed)  # type: ignore[attr-defined]

    @router.get("/{number}", response={200: record, **_REFUSALS}, summary=f"一条{service.title}",
                operation_id=f"{service.code}_read")  # fmt: skip
    def read(request: HttpRequest, number: str) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            found = _found(service, number)
            facts = found.facts
            can = [action.code for action in possible(actor, found, facts=facts)]
            return {**_row(service, found, facts, texts=True), "actions": can}

    @router.get("/{number}/history", response={200: list[HistoryOut], **_REFUSALS}, summary="办理过程",
                operation_id=f"{service.code}_history")  # fmt: skip
    def history(request: HttpRequest, number: str) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            return [
                {"at": line.at.isoformat(), "who": line.who, "agency": line.agency, "action": line.action,
                 "title": line.title, "words": dict(line.words), "facts": dict(line.facts),
                 "files": [file.name for file in line.files]}
                for line in timeline(_found(service, number), actor)
            ]  # fmt: skip


def _documented(schema: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {200: {"description": "完成", "content": {"application/json": {"schema": schema}}}}}


def _found(service: Service, number: str) -> Register:
    found = Register.objects.select_related("agency", "place").filter(
        number=number.upper()[:40], service_code=service.code
    )
    record = found.first()
    if record is None:
        raise Absent
    return record


def _list(actor: Actor, service: Service, narrowed: Narrowed) -> dict[str, Any]:
    limit = min(max(narrowed.limit, 1), MOST)
    with acting(actor):
        wanted = Q(service_code=service.code)
        if narrowed.stage:
            wanted &= Q(stage_code=narrowed.stage)
        if narrowed.agency is not None:
            wanted &= Q(agency=narrowed.agency)
        if narrowed.open is not None:
            wanted &= Q(closed_at__isnull=narrowed.open)
        if narrowed.place is not None:
            under = Place.objects.filter(pk=narrowed.place).first()
            wanted &= in_place(under) if under else Q(pk__in=())
        if narrowed.after:
            wanted &= _after(narrowed.after)
        found = Register.objects.filter(wanted).select_related("agency", "place").order_by("-opened_at", "-pk")
        rows = list(found[: limit + 1])
        facts = service.model._default_manager.in_bulk([record.pk for record in rows])
        items = [_row(service, record, facts[record.pk], texts=False) for record in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": items, "next": f"{last.opened_at.isoformat()}_{last.pk}" if last else ""}


def _after(mark: str) -> Q:
    at, _, key = mark.partition("_")
    try:
        moment, last = datetime.fromisoformat(at.replace(" ", "+")), UUID(key)
    except ValueError:
        return Q()
    return Q(opened_at__lt=moment) | Q(opened_at=moment, pk__lt=last)


def _row(service: Service, record: Register, facts: Any, *, texts: bool) -> dict[str, Any]:
    return {**_register(record), "facts": facts_out(service, facts, texts=texts)}


def _register(record: Register) -> dict[str, Any]:
    return {
        "record": str(record.pk), "service": record.service_code, "number": record.number, "title": record.title, "stage": record.stage_code,
        "stage_title": record.stage.title, "agency": record.agency_id, "agency_title": record.agency.title,
        "place": record.place_id, "place_name": record.place.name, "lon": record.lon, "lat": record.lat,
        "opened_at": record.opened_at.isoformat(), "due_at": _instant(record.due_at), "due_source": record.due_source,
        "paused_at": _instant(record.paused_at), "closed_at": _instant(record.closed_at), "version": record.version,
    }  # fmt: skip


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
