"""A post's calendar address: made, shown with its QR code, given anew, ended."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.context import Actor, acting
from gongzhi.web.feed import renew, token_of
from gongzhi.web.models import CalendarFeed
from gongzhi.web.portal.qr import qr
from gongzhi.web.who import page, signed


@signed
@require_http_methods(["GET", "POST"])
def calendar(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the address of this post's calendar; posting makes one (``do=new``), or ends it (``do=end``)."""
    if request.method == "POST":
        if request.POST.get("do") == "end":
            CalendarFeed.objects.filter(post=actor.post).delete()
            return redirect("/work/calendar?said=end")
        renew(actor, get_language() or "zh-hans")
        return redirect("/work/calendar?said=new")
    held = CalendarFeed.objects.filter(post=actor.post).first()
    address = request.build_absolute_uri(f"/calendar/{token_of(held)}.ics") if held else ""
    said = {"new": _("日历地址已生成，原来的地址不再有效。"), "end": _("日历订阅已停用，原来的地址不再有效。")}
    with acting(actor):
        return page(
            request, actor, "web/console/calendar.html", held=held, address=address, active="calendar",
            open="webcal" + address[address.index(":") :] if held else "",
            picture=qr(address, _("日历地址的二维码")) if held else "", said=said.get(request.GET.get("said", ""), ""),
        )  # fmt: skip
