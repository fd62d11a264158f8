"""The API under ``/api``: made of the declarations, one typed schema for each action (``docs/api.md``)."""

from typing import Any

import orjson
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from gongzhi.tongue import later
from gongzhi.web.api import problems
from gongzhi.web.api.routes import add_search, add_services
from gongzhi.web.api.token import router as tokens


class FastParser(Parser):
    """orjson instead of the standard library."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body's JSON, or that of the part ``body`` beside files; what is none becomes ninja's HttpError 400."""
        multipart = request.content_type == "multipart/form-data"
        return orjson.loads(request.POST.get("body", "{}") if multipart else request.body)


class FastRenderer(BaseRenderer):
    """orjson instead of the standard library."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> Any:  # noqa: ARG002
        """Return the JSON."""
        return orjson.dumps(data, default=str)


class _Page(Swagger):
    """The page to try the API on, which says in which language it is."""

    template = "web/api.html"


class _Api(NinjaAPI):
    @property
    def urls(self) -> tuple[list[URLPattern | URLResolver], str, str]:
        """The addresses, those of a service under one head: a request is not held against the ones of all the others."""
        made: tuple[list[Any], str, str] = super().urls
        patterns, app, name = made
        heads: dict[str, list[URLPattern]] = {}
        for pattern in patterns:
            head, mark, rest = str(pattern.pattern).partition("/")
            heads.setdefault(head, []).append(path(mark + rest, pattern.callback, name=pattern.name))
        return [path(head, include(below)) for head, below in heads.items()], app, name

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the OpenAPI 3.1 document, in which every error is a problem (RFC 9457)."""
        schema = super().get_openapi_schema(**options)
        problems.documented(schema)
        return schema


api = _Api(
    title=later("共治 API"), version="1", parser=FastParser(), renderer=FastRenderer(), docs=_Page(), urls_namespace="api",
    description=(
        later("每项业务的列表、登记、查询、历史和每一个办理动作，都由业务的声明生成。先用 POST /api/token 取得令牌，之后放在 Authorization: Bearer 里；写入时带上 Idempotency-Key，重复提交只生效一次；读到的 ETag 放进 If-Match，别人先改过时得到 412。错误都是 application/problem+json，种类见 /api/problems。")
    ),
)  # fmt: skip
problems.handle(api)
api.add_router("/token", tokens)
api.add_router("/problems", problems.router)
add_search(api)
add_services(api)
