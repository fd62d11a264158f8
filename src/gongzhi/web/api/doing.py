"""The operations that act: one for each action of a service, behind the same door as the pages."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Header, Router

from gongzhi.kernel.act import Done, act, first_answer
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import Absent, Conflict
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Upload
from gongzhi.tongue import later
from gongzhi.web.api.problems import Stale, Unread, Unversioned
from gongzhi.web.api.schemas import REFUSALS, TAKEN, DoneOut, body_schema, multipart
from gongzhi.web.asked import uploads

_NUMBERS_KEPT = 20_000
_numbers: dict[tuple[Any, ...], UUID] = {}
IDEMPOTENCY_KEY: Any = Header(None, alias="Idempotency-Key", description=later("重复提交同一个键，只生效一次"))
_SEEN: Any = Header(None, alias="If-Match", description=later("读到的 ETag；别人先改过时得到 412"))
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": later("现在的版本")}}


def add_action(router: Router, service: Service, action: Action) -> None:
    """Add the operation of one action."""
    body: Any = body_schema(service, action)
    view: Callable[..., Any]
    if action.creates:

        def create(request: HttpRequest, sent: body, key: str | None = IDEMPOTENCY_KEY) -> HttpResponse:
            done = _do(request, service, action, None, sent, None, key)
            actor: Actor = request.auth  # type: ignore[attr-defined]
            _remember(_place(actor, service, done.number), done.record)
            return answer(done, 201, f"/api/{service.code}/{done.number}")

        view, address, status = create, "", 201
    else:

        def change(
            request: HttpRequest, number: str, sent: body, key: str | None = IDEMPOTENCY_KEY, seen: str | None = _SEEN
        ) -> HttpResponse:
            actor: Actor = request.auth  # type: ignore[attr-defined]
            try:
                record = key_of(actor, service, number)
            except Absent:
                first = first_answer(actor, key)
                if first is None or (first[0].number, *first[1:]) != (number.upper(), service.code, action.code):
                    raise
                return answer(first[0], 200)
            return answer(_do(request, service, action, record, sent, seen, key), 200)

        view, address, status = change, f"/{{number}}/{action.code}", 200
    # No response schema at run time: the answer is made by us, and checking it again would cost as much as the request.
    done_body = {
        "description": later("完成"),
        "headers": _ETAG,
        "content": {"application/json": {"schema": DoneOut.json_schema()}},
    }
    extra: dict[str, Any] = {"responses": {status: done_body}}
    refusals = REFUSALS
    if action.files:
        extra, refusals = extra | multipart(service, action), REFUSALS | TAKEN
    router.post(
        address, summary=action.title, description=action.hint or action.title, operation_id=f"{service.code}_{action.code}",
        response=refusals, openapi_extra=extra,
    )(view)  # fmt: skip


def _do(
    request: HttpRequest, service: Service, action: Action, record: Any, sent: Any, seen: str | None, key: str | None
) -> Done:
    """Do the action with the body that came, and the files beside it. Raises what ``run`` raises, and Unread."""
    version = _version(seen) if seen else getattr(sent, "version", None)
    form, files = sent.form.model_dump(exclude_none=True), uploads(request)
    return run(request, service, action, record, form, version, key, files, condition=bool(seen))


def run(
    request: HttpRequest, service: Service, action: Action, record: Any, form: Any, version: int | None,
    key: str | None, files: list[Upload], *, condition: bool = False,
) -> Done:  # fmt: skip
    """Do the action. Raises what ``act()`` raises, Unversioned, and Stale where the version was a ``condition``."""
    actor: Actor = request.auth  # type: ignore[attr-defined]
    if action.versioned and not action.creates and version is None:
        raise Unversioned
    try:
        return act(actor, service.code, action.code, record=record, version=version, form=form, key=key, files=files)
    except Conflict as conflict:
        raise (Stale(conflict) if condition else conflict) from None


def _version(seen: str) -> int:
    text = seen.strip().strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise Unread(_('If-Match 应为读到的 ETag，例如 "3"。'))
    return int(text)


def answer(done: Done, status: int, location: str = "", **more: Any) -> HttpResponse:
    """Return what was done, with ``more`` beside it."""
    body = {
        "record": str(done.record), "number": done.number, "version": done.version, "stage": done.stage,
        "repeated": done.repeated, "follow": done.follow, **more,
    }  # fmt: skip
    response = HttpResponse(orjson.dumps(body), content_type="application/json", status=status)
    response["ETag"] = f'"{done.version}"'
    if location:
        response["Location"] = location
    return response


def _place(actor: Actor, service: Service, number: str) -> tuple[Any, ...]:
    where = connection.settings_dict
    return where["HOST"], where["PORT"], where["NAME"], actor.post, service.code, number


def key_of(actor: Actor, service: Service, number: str) -> UUID:
    """Return the id of the record, which may also be given instead of its number. Raises Absent.

    A number keeps its record for ever, so it is remembered, for the post that saw it: were it remembered for everybody, a
    stranger's refusal would cost less than that for a number that is not there, and tell the two apart.
    """
    with suppress(ValueError):
        return UUID(number)
    held = _place(actor, service, number.upper()[:40])
    if held in _numbers:
        return _numbers[held]
    with acting(actor):
        found = Register.objects.filter(number=held[-1], service_code=service.code).values_list("pk", flat=True).first()
    if found is None:
        raise Absent
    _remember(held, found)
    return found


def _remember(held: tuple[Any, ...], record: UUID) -> None:
    if len(_numbers) >= _NUMBERS_KEPT:
        _numbers.clear()
    _numbers[held] = record
