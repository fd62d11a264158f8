"""The API under ``/api``: made of the declarations, one typed schema for each action."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.docs import Swagger
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from gongzhi.kernel.act import Absent, Conflict, Invalid, Refused, Unreachable
from gongzhi.kernel.context import NoPost
from gongzhi.web.api.routes import add_search, add_services
from gongzhi.web.api.token import router as tokens


class FastParser(Parser):
    """orjson instead of the standard library."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body's JSON; what is none becomes ninja's HttpError 400."""
        return orjson.loads(request.body)


class FastRenderer(BaseRenderer):
    """orjson instead of the standard library."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> Any:  # noqa: ARG002
        """Return the JSON."""
        return orjson.dumps(data, default=str)


api = NinjaAPI(
    title="共治 API", version="1", parser=FastParser(), renderer=FastRenderer(), docs=Swagger(), urls_namespace="api",
    description=(
        "每项业务的列表、登记、查询、历史和每一个办理动作，都由业务的声明生成。"
        "先用 POST /api/token 取得令牌，之后放在 Authorization: Bearer 里；"
        "写入时带上 Idempotency-Key，重复提交只生效一次。"
    ),
)  # fmt: skip
api.add_router("/token", tokens)
add_search(api)
add_services(api)


def _answer(request: HttpRequest, status: int, **body: Any) -> HttpResponse:
    return api.create_response(request, body, status=status)


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Return the refusal: its sentence, and what a machine needs to go on."""
    match refusal:
        case Invalid():
            return _answer(request, 422, detail=str(refusal), errors=refusal.errors)
        case Absent():
            return _answer(request, 404, detail=str(refusal))
        case Conflict():
            return _answer(
                request, 409, detail=str(refusal), who=refusal.who, agency=refusal.agency, at=refusal.at.isoformat(),
                action=refusal.action_title, version=refusal.version, stage=refusal.stage_title,
            )  # fmt: skip
        case Unreachable():
            return _answer(request, 503, detail=str(refusal))
        case _:
            return _answer(request, 409, detail=str(refusal))


@api.exception_handler(NoPost)
def no_post(request: HttpRequest, refusal: NoPost) -> HttpResponse:
    """Return 401: the token's post has ended."""
    return _answer(request, 401, detail=str(refusal))


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, _: AuthenticationError) -> HttpResponse:
    """Return 401: no token, or one that no longer holds."""
    return _answer(request, 401, detail="请先用 POST /api/token 取得令牌。")


@api.exception_handler(HttpError)
def not_read(request: HttpRequest, refusal: HttpError) -> HttpResponse:
    """Return the error as it is; ninja has only English words for a body that is no JSON."""
    return _answer(
        request,
        refusal.status_code,
        detail="请求的正文不是有效的 JSON。" if refusal.status_code == 400 else str(refusal),
    )


@api.exception_handler(ValidationError)
def not_shaped(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    """Return 422 in the same form as Invalid: errors by field."""
    errors: dict[str, list[str]] = {}
    for found in invalid.errors:
        where = [str(part) for part in found["loc"] if part not in ("body", "sent", "form")]
        errors.setdefault(".".join(where), []).append(_SAYS.get(found["type"], "这一项的格式不对。"))
    return _answer(request, 422, detail="填写的内容有误。", errors=errors)


_SAYS = {
    "missing": "缺少这一项。",
    "extra_forbidden": "没有这一项。",
    "int_parsing": "应为整数。",
    "string_type": "应为文字。",
}
