"""Who looked at me: the holder of a follow-up code reads and takes away who looked at the own fields, when and why."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gongzhi.kernel.context import following
from gongzhi.kernel.export import csv_text
from gongzhi.kernel.limits import allow
from gongzhi.kernel.looked import Look, looked, plain, table
from gongzhi.kernel.models import Register
from gongzhi.web.errors import too_often
from gongzhi.web.guard import address
from gongzhi.web.portal.codes import code_of

TIMES_AN_HOUR = 120
KINDS = ("csv", "json")


@require_safe
def looks(request: HttpRequest, number: str, kind: str = "") -> HttpResponse:
    """Show the looks, or send them as a file of this kind. Without the code: the page that asks for it."""
    if kind and kind not in KINDS:
        raise Http404
    if not allow(f"looks:{address(request)}", count=TIMES_AN_HOUR, seconds=3600):
        return too_often(request, _("从您这里查询的次数太多了，请一小时后再试。"))
    code = code_of(request, number)
    with following(number, code) as record:
        if record is None:
            return redirect(f"/follow?{urlencode({'number': number[:40]})}")
        found = looked(record.service, record.number, code)
        response = _file(record, found, kind) if kind else _page(request, record, found)
    response["Cache-Control"] = "private, no-store"
    return response


def _page(request: HttpRequest, record: Register, found: list[Look]) -> HttpResponse:
    return render(request, "web/portal/looks.html", {"record": record, "looks": found})


def _file(record: Register, found: list[Look], kind: str) -> HttpResponse:
    response: HttpResponse
    if kind == "json":
        now = timezone.localtime().isoformat(timespec="seconds")
        said = {"number": record.number, "at": now, "looks": plain(found)}
        response = JsonResponse(said, json_dumps_params={"ensure_ascii": False, "indent": 1})
    else:
        response = HttpResponse(f"\ufeff{csv_text(table(found))}", content_type="text/csv; charset=utf-8")
    name = f"{record.number}-{_('谁看过我的信息')}.{kind}"
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    return response
