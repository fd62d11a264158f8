"""The language of the pages: what a person chose, what their browser asks for, what the city speaks, in this order."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from gongzhi.web.errors import bad_request
from gongzhi.web.guard import next_page

SCRIPT_WORDS = {
    "lost": _("网络断了，没有提交成功。您写的内容都还在这一页，也保存在这台设备上；网络恢复后再点一次，不会重复提交。"),
    "slow": _("等了很久没有回应。您写的内容都还在这一页；请再点一次，不会重复提交。"),
    "ended": _("登录或查询已过期。您写的内容都还在这一页：请在新窗口重新登录（或重新输入查询码），再回到这里点一次。"),
    "open": _("打开"),
    "unsent": _("没有提交成功，您写的内容都还在这一页。请稍后再点一次。"),
    "restored": _("已恢复您上次没有提交的内容。"),
    "clear": _("清除"),
    "step": _("第 {at} 步，共 {all} 步"),
    "zoomIn": _("放大"),
    "zoomOut": _("缩小"),
    "map": _("地图"),
    "closePopup": _("关闭"),
    "mapSays": _("圆里是件数，红边表示其中有超期；点开可以放大，点单个圆点看事项。"),
    "mapLost": _("地图的数据没有取到。请检查网络后刷新这一页；列表里有同样的事项。"),
    "marked": _("位置已标出，可以在地图上点别处改。"),
    "locating": _("正在取得您的位置……"),
    "notLocated": _("没有取得位置。可以在地图上点，或在下面写地址。"),
    "tapMap": _("在地图上点一下，标出地方。"),
    "notFetched": _("这一处没有取到。请检查网络后再点一次。"),
}
"""What scripts may have to say; ``{name}`` stands for a figure."""


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Remember the language for a year on this device and go back to the page; works without a script and a session."""
    code = request.POST.get("language", "")
    if code not in dict(settings.LANGUAGES):
        return bad_request(request)
    response = redirect(next_page(request, "/"))
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME, code, max_age=settings.LANGUAGE_COOKIE_AGE,
        httponly=True, samesite="Lax", secure=settings.LANGUAGE_COOKIE_SECURE,
    )  # fmt: skip
    return response
