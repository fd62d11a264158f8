"""What went out and what did not, for the administrator."""

from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from gongzhi.channels.choices import CHANNELS
from gongzhi.channels.config import SettingsWrong, configured, smpp, smtp
from gongzhi.channels.models import FAILED, UNSURE, WAITING, Message, Outage
from gongzhi.channels.queue import again
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.roles import ADMIN
from gongzhi.web.paging import Paged
from gongzhi.web.who import page, signed

STATES = {
    "waiting": _("等待发送"),
    "sending": _("正在发送"),
    "sent": _("已发出"),
    "unsure": _("不确定是否送达"),
    "failed": _("没有发出"),
}


@signed
@require_http_methods(["GET", "POST"])
def outgoing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show each channel's state and the messages that failed; posting sends one of them once more."""
    if actor.role != ADMIN.code:
        raise Absent
    if request.method == "POST":
        try:
            done = again(UUID(request.POST.get("message", "")))
        except ValueError as error:
            raise Absent from error
        return redirect(f"/work/outgoing?said={'again' if done else 'gone'}")
    counts: dict[str, dict[str, int]] = {}
    for channel, state, count in Message.objects.values_list("channel", "state").annotate(n=Count("pk")).order_by():
        counts.setdefault(channel, {})[state] = count
    outages = {outage.channel: outage for outage in Outage.objects.all()}
    shown = [
        (code, title, configured(code), _fault(code), outages.get(code),
         [(STATES[state], counts[code][state]) for state in STATES if counts.get(code, {}).get(state)])
        for code, title in CHANNELS.items()
    ]  # fmt: skip
    said = {"again": _("已重新排队。"), "gone": _("这条消息的内容已经删除，不能再发。")}
    with acting(actor):
        late = Message.objects.filter(state=WAITING, tries__gt=0)
        paged = Paged.of(
            request,
            (Message.objects.filter(state__in=(FAILED, UNSURE)) | late)
            .select_related("account", "party__record")
            .order_by("-made_at"),
        )
        rows = [
            (
                message,
                STATES[message.state],
                CHANNELS[message.channel],
                message.state != WAITING and bool(message.sealed),
            )
            for message in paged.rows
        ]
        return page(
            request, actor, "web/console/outgoing.html", channels=shown, paged=paged, rows=rows, active="outgoing",
            said=said.get(request.GET.get("said", ""), ""),
        )  # fmt: skip


def _fault(channel: str) -> str:
    try:
        smtp() if channel == "mail" else smpp()
    except SettingsWrong as wrong:
        return str(wrong)
    return ""
