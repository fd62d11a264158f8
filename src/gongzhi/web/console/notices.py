"""Notices: what happened to my agency's records since I last looked."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from gongzhi.channels.choices import KINDS
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Notice, NoticeRead
from gongzhi.kernel.notices import worded
from gongzhi.web.paging import Paged
from gongzhi.web.templatetags.language import data
from gongzhi.web.who import page, reads, signed, unread_of

ICONS = {"assigned": "send", "task": "checkbox", "escalated": "bell-ringing", "changed": "refresh", "amber": "clock-hour-4",
         "red": "alert-triangle"}  # fmt: skip


@signed
@require_http_methods(["GET", "POST"])
def notices(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the agency's notices; posting marks those that were shown as read."""
    if request.method == "POST":
        keys = [int(key) for key in request.POST.getlist("notice") if key.isdecimal()][:200]
        with connection.cursor() as cursor:
            cursor.execute("SELECT kernel.read_notices(%s, %s)", [actor.post, keys])
        return redirect("/work/notices")
    with acting(actor):
        kind = request.GET.get("kind", "")
        found = Notice.objects.filter(agency=actor.agency).select_related("record")
        paged = Paged.of(request, found.filter(kind=kind) if kind in KINDS else found)
        read = set(
            NoticeRead.objects.filter(account=actor.account, notice__in=[n.pk for n in paged.rows]).values_list(
                "notice_id", flat=True
            )
        )
        rows = [
            (notice, worded(notice, format_html, data), ICONS.get(notice.kind, "bell"), notice.pk not in read)
            for notice in paged.rows
        ]
        return page(
            request, actor, "web/console/notices.html", paged=paged, rows=rows, active="notices",
            fresh=[notice.pk for notice, *_, new in rows if new], kind=KINDS.get(kind, ""),
        )  # fmt: skip


@reads
def unread(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Return how many notices are unread, for the bell; the page asks when the live stream rings."""
    return render(request, "web/part/bell.html", {"unread": unread_of(actor)})
