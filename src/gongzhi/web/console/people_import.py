"""Accounts and posts from a table: upload, what it would do, and doing all of it or nothing."""

from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.intake import people
from gongzhi.intake.people import Moved, PeopleFault, Plan, Row
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.roles import ADMIN
from gongzhi.web.console.importing import XLSX
from gongzhi.web.who import page, signed

_SALT = "gongzhi.people.import"
_HOLDS = 3600  # seconds between the preview and the act
SHOWN = 300
"""Lines of a preview that are listed; the counts are whole."""


def _admin(actor: Actor) -> None:
    if actor.role != ADMIN.code:
        raise Absent


@signed
def empty(_request: HttpRequest, actor: Actor) -> HttpResponse:
    """Send an empty table, to be filled in."""
    _admin(actor)
    response = HttpResponse(people.template(), content_type=XLSX)
    name = f"{_('账号和岗位')}.xlsx"
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    return response


@signed
@require_http_methods(["GET", "POST"])
def table(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the upload form; what a table would do (``file``); or do it (``rows``, as the preview carried them)."""
    _admin(actor)
    if request.method == "GET":
        return _show(request, actor)
    if "rows" in request.POST:
        return _carry_out(request, actor)
    file = request.FILES.get("file")
    if file is None:
        return _show(request, actor, error=_("请选择要导入的表格。"))
    if (file.size or 0) > people.MOST_BYTES:
        most = people.MOST_BYTES // 2**20
        return _show(request, actor, error=_("文件超过 {most} MB，请拆成几个文件。").format(most=most))
    try:
        rows = people.rows_of(file.name or "", file.read())
    except PeopleFault as fault:
        return _show(request, actor, error=str(fault))
    with acting(actor):
        found = people.plan(actor, rows)
    return _show(request, actor, found=found, rows=rows)


def _carry_out(request: HttpRequest, actor: Actor) -> HttpResponse:
    try:
        account, values = signing.loads(request.POST["rows"], salt=_SALT, max_age=_HOLDS)
        if account != actor.account:
            raise signing.BadSignature
    except signing.BadSignature:
        return _show(request, actor, error=_("这一页打开太久了，什么都没有导入。请重新选择文件。"))
    rows = people.unpacked(values)
    try:
        found, links = people.carry_out(actor, rows, request.POST.get("digest", ""))
    except Moved as moved:
        return _show(request, actor, found=moved.plan, rows=rows, error=str(moved))
    except PeopleFault as fault:
        return _show(request, actor, error=str(fault))
    ways = [(link, request.build_absolute_uri(f"/signin/link/{link.secret}")) for link in links]
    return _show(request, actor, found=found, done=True, links=ways)


def _show(
    request: HttpRequest, actor: Actor, *, found: Plan | None = None, rows: list[Row] | None = None, error: str = "",
    **more: Any,
) -> HttpResponse:  # fmt: skip
    carried = ""
    if found and rows and not found.faults and found.steps:
        carried = signing.dumps([actor.account, people.packed(rows)], salt=_SALT, compress=True)
    counts = []
    if found:
        ended = [step for step in found.steps if step.kind == "until"]
        counts = [
            (_("新建账号"), found.count("account")), (_("新增岗位"), found.count("post")),
            (_("改姓名"), found.count("name")), (_("停用岗位或改日期"), len(ended)), (_("没有变化的行"), found.same),
        ]  # fmt: skip
    with acting(actor):
        response = page(
            request, actor, "web/console/people_import.html", found=found, counts=counts, carried=carried, error=error,
            steps=found.steps[:SHOWN] if found else [], faults=found.faults[:SHOWN] if found else [], shown=SHOWN,
            most=people.MOST_ROWS, active="posts", status=422 if error or (found and found.faults) else 200, **more,
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response
