"""Pages for what went wrong. They say what to do, and look the same whether something does not exist or is not yours."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from gongzhi.kernel.refusals import ABSENT

_KINDS = {400: "unread", 404: "absent", 413: "too-big", 429: "many", 500: "broken"}
"""Problems of the API that are found before it is reached (``web.api.problems``)."""


def error(request: HttpRequest, status: int, title: str, text: str, **more: Any) -> HttpResponse:
    """Return an error page, or JSON where the API was called."""
    if request.path.startswith("/api/"):
        kind = f"/api/problems/{_KINDS[status]}" if status in _KINDS else "about:blank"
        body = {"type": kind, "title": title, "status": status, "detail": text, "instance": request.path}
        return JsonResponse(body, status=status, content_type="application/problem+json")  # RFC 9457
    inside = request.path.startswith("/work")
    return render(request, "web/error.html", {"title": title, "text": text, "inside": inside, **more}, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """Return the page for a request that makes no sense."""
    return error(request, 400, _("这个请求无法处理"), _("浏览器发来的内容不完整。请返回上一页，刷新后再试一次。"))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """Return the page for what may not be done; the same sentence as for what is not there."""
    return absent(request)


def forbidden_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """Return the page for a form without its token."""
    return error(
        request, 403, _("这张表单已经过期"),
        _("页面打开太久，或浏览器没有保存 Cookie。请返回上一页，复制您写的内容，刷新后重新提交。"),
    )  # fmt: skip


def absent(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """Return the page for what is not there, or not yours to see."""
    return error(
        request,
        404,
        _("找不到"),
        ABSENT if request.path.startswith(("/work", "/api")) else _("没有这个页面。请检查网址。"),
    )


def too_big(request: HttpRequest) -> HttpResponse:
    """Return the page for a body that is too big."""
    return error(request, 413, _("文件太大"), _("一次提交的全部文件合起来太大。请返回上一页，减少或压缩文件后再提交。"))


def too_often(request: HttpRequest, text: str) -> HttpResponse:
    """Return the page for who comes too often."""
    return error(request, 429, _("次数太多"), text)


def broken(request: HttpRequest) -> HttpResponse:
    """Return the page for a fault of ours."""
    return error(
        request, 500, _("这一步没有成功"),
        _("服务器在处理时出了问题，管理员会看到记录。请返回上一页再试一次；您写的内容还在原来的页面里。"),
    )  # fmt: skip
