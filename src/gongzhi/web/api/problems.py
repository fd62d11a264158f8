"""Errors of the API as problem details (RFC 9457): one media type, one set of kinds, each explained under its address."""

from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, HttpError, ValidationError

from gongzhi.kernel.act import Absent, Conflict, DiskFull, Invalid, Refused, Unreachable
from gongzhi.kernel.context import NoPost
from gongzhi.kernel.refusals import KeyReused, PartsOpen, TooOften
from gongzhi.kernel.vault import NoRoom, Rejected
from gongzhi.tongue import clauses, later
from gongzhi.web.api.schemas import ErrorOut, KindOut

MEDIA = "application/problem+json"
_KINDS: Mapping[str, tuple[int, str, str]] = {
    "unread": (400, later("正文或参数无法读取"), later("正文不是有效的 JSON，或请求头、翻页标记写法不对。")),
    "unauthorized": (
        401,
        later("没有有效的令牌"),
        later("先用 POST /api/token 取得令牌；令牌 12 小时有效，岗位结束时随之失效。"),
    ),
    "absent": (404, later("没有这条记录，或无权处理"), later("记录不存在与无权处理是同一个回答，不透露记录是否存在。")),
    "method": (405, later("不支持这种方法"), later("请查看接口说明里这个地址支持的方法。")),
    "conflict": (
        409,
        later("别人先办理了"),
        later("who、agency、at、action 说明是谁在何时做了什么，version 与 stage 是记录现在的样子。"),
    ),
    "refused": (409, later("现在不能这样办理"), later("记录的情况不允许这一步，detail 说明原因。")),
    "parts-open": (409, later("还有分项没有办结"), later("count 是没有办结的分项数。")),
    "gone": (410, later("附件已不能读取"), later("附件的内容已按保存期限销毁，或文件已损坏。")),
    "stale": (412, later("记录已经变了"), later("If-Match 里的版本不是现在的版本；其余各项与 conflict 相同。")),
    "too-big": (413, later("文件太大"), later("一次提交的全部内容合起来太大，请分几次提交。")),
    "invalid": (422, later("填写的内容有误"), later("errors 按表单项列出各自的错误。")),
    "key-reused": (422, later("Idempotency-Key 已用于另一项操作"), later("同一个键只能用于同一次操作。")),
    "unversioned": (428, later("缺少版本"), later("这一步要带上读到的版本：If-Match 请求头，或正文里的 version。")),
    "many": (429, later("请求太频繁"), later("请稍后再试。")),
    "broken": (500, later("服务器出错"), later("操作没有生效，可以带着同一个 Idempotency-Key 再试。")),
    "no-room": (
        507,
        later("服务器的磁盘已满"),
        later("操作没有生效。有空间之后可以带着同一个 Idempotency-Key 再试。"),
    ),
    "unreachable": (503, later("暂时连不上数据库"), later("可以带着同一个 Idempotency-Key 再试，不会重复办理。")),
}


class Unversioned(Refused):
    """The action needs to know which version the caller saw."""

    def __init__(self) -> None:
        super().__init__(_("这一步要带上读到的版本：If-Match 请求头，或正文里的 version。"))


class Unread(Refused):
    """A header or a cursor is not written as it should be."""


class Stale(Refused):
    """The precondition of If-Match failed, because somebody was first."""

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(str(conflict))


def problem(kind: str, request: HttpRequest, detail: str, **more: Any) -> HttpResponse:
    """Return the problem of this kind; ``more`` are its extension members."""
    status, title, _other = _KINDS[kind]
    body = {"type": f"/api/problems/{kind}", "title": str(title), "status": status, "detail": detail,
            "instance": request.path, **more}  # fmt: skip
    response = HttpResponse(orjson.dumps(body, default=str), content_type=MEDIA, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response["Retry-After"] = "5"
    return response


def of(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Return the problem that a refusal is: its sentence, and what a machine needs to go on."""
    detail = str(refusal)
    match refusal:
        case Invalid():
            return problem("invalid", request, detail, errors=refusal.errors)
        case Absent():
            return problem("absent", request, detail)
        case Conflict():
            return problem("conflict", request, detail, **_first(refusal))
        case Stale():
            return problem("stale", request, detail, **_first(refusal.conflict))
        case Unversioned():
            return problem("unversioned", request, detail)
        case Unread():
            return problem("unread", request, detail)
        case KeyReused():
            return problem("key-reused", request, detail)
        case PartsOpen():
            return problem("parts-open", request, detail, count=refusal.count)
        case TooOften():
            return problem("many", request, detail)
        case Unreachable():
            return problem("unreachable", request, detail)
        case DiskFull():
            return problem("no-room", request, detail)
        case _:
            return problem("refused", request, detail)


def _first(refusal: Conflict) -> dict[str, Any]:
    return {
        "who": refusal.who, "agency": refusal.agency, "at": refusal.at.isoformat(), "action": str(refusal.action_title),
        "version": refusal.version, "stage": str(refusal.stage_title),
    }  # fmt: skip


_SAYS = {
    "missing": later("缺少这一项。"),
    "extra_forbidden": later("没有这一项。"),
    "int_parsing": later("应为整数。"),
    "int_type": later("应为整数。"),
    "string_type": later("应为文字。"),
    "bool_parsing": later("应为 true 或 false。"),
}


def handle(api: NinjaAPI) -> None:
    """Let every error of the API be a problem."""
    api.exception_handler(Refused)(of)
    api.exception_handler(Rejected)(
        lambda request, error: problem("invalid", request, str(error), errors={"files": [str(error)]})
    )
    api.exception_handler(NoRoom)(lambda request, error: problem("no-room", request, str(error)))
    api.exception_handler(NoPost)(lambda request, error: problem("unauthorized", request, str(error)))
    api.exception_handler(AuthenticationError)(
        lambda request, _other: problem("unauthorized", request, _("请先用 POST /api/token 取得令牌。"))
    )

    @api.exception_handler(HttpError)
    def http(request: HttpRequest, error: HttpError) -> HttpResponse:
        if error.status_code == 400:  # ninja has only English words for a body that is no JSON
            return problem("unread", request, _("请求的正文不是有效的 JSON。"))
        kind = next(
            (name for name, (status, _other, _other) in _KINDS.items() if status == error.status_code), "refused"
        )
        return problem(kind, request, str(error))

    @api.exception_handler(ValidationError)
    def misread(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
        errors: dict[str, list[str]] = {}
        for found in invalid.errors:
            _way, *names = found["loc"]  # in the body, the address or a header, and there by our own name for the whole
            where = [str(part) for part in names if part not in ("sent", "asked", "form")]
            errors.setdefault(".".join(where), []).append(_SAYS.get(found["type"], _("这一项的格式不对。")))
        return problem("invalid", request, _("填写的内容有误。"), errors=errors)


router = Router(tags=[later("错误说明")])


@router.get("", auth=None, response=list[KindOut], summary=later("错误的种类"), operation_id="problems",
            description=later("全部错误种类和它们的含义。"))  # fmt: skip
def problems(request: HttpRequest) -> list[KindOut]:  # noqa: ARG001
    """Return every kind of problem with its meaning."""
    return [_told(kind) for kind in _KINDS]


@router.get("/{kind}", auth=None, response={200: KindOut, 404: ErrorOut}, summary=later("一种错误"), operation_id="problem",
            description=later("这种错误的含义。"))  # fmt: skip
def one(request: HttpRequest, kind: str) -> Any:
    """Return what this kind of problem means."""
    if kind not in _KINDS:
        return problem("absent", request, _("没有这种错误。"))
    return _told(kind)


def _told(kind: str) -> KindOut:
    status, title, words = _KINDS[kind]
    return KindOut(type=f"/api/problems/{kind}", status=status, title=str(title), meaning=str(words))


def documented(schema: dict[str, Any]) -> dict[str, Any]:
    """Write into an OpenAPI document that its errors are problems, and what each status means. Returns the document.

    The titles that the library makes of names in the code say nothing, and say it in English: they go.
    """
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, answer in operation.get("responses", {}).items():
                if int(status) >= 400 and "application/json" in answer.get("content", {}):
                    answer["content"] = {MEDIA: answer["content"]["application/json"]}
                if answer.get("description") == responses.get(int(status)):
                    answer["description"] = _meaning(int(status))
    _untitled(schema["paths"])
    _untitled(schema["components"])
    return schema


def _meaning(status: int) -> str:
    titles = [str(title) for known, title, _words in _KINDS.values() if known == status]
    return clauses(titles) or (_("没有变化") if status == HTTPStatus.NOT_MODIFIED else _("完成"))


def _untitled(part: Any) -> None:
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):  # a property of this name is no text
            del part["title"]
        for inner in part.values():
            _untitled(inner)
    elif isinstance(part, list):
        for inner in part:
            _untitled(inner)
