"""How I am told: my addresses, proven by a code, and what comes by which channel when."""

from datetime import time
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.channels import wording
from gongzhi.channels.choices import CHANNELS, KINDS, WAYS, chosen, how, keep, ways
from gongzhi.channels.config import configured
from gongzhi.channels.queue import post
from gongzhi.kernel import contacts
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Account
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused, sign_in
from gongzhi.web.guard import address, typed
from gongzhi.web.who import page, signed


@signed
@require_http_methods(["GET", "POST"])
def channels(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show addresses and choices; posting does one of ``put``, ``code``, ``confirm``, ``drop``, ``choose``."""
    said = {
        "sent": _("验证码已发出，请查收并填在下面，15 分钟内有效。"), "proven": _("地址已核实，从现在起可以收到通知。"),
        "dropped": _("地址已删除。"), "kept": _("通知设置已保存。"),
    }  # fmt: skip
    if request.method == "GET":
        return _show(request, actor, {}, said.get(request.GET.get("said", ""), ""))
    channel = request.POST.get("channel", "")
    try:
        match request.POST.get("do", ""):
            case "put":
                _put(request, actor, channel)
                done = "sent"
            case "code":
                _send_code(actor, channel, contacts.new_code(actor, channel))
                done = "sent"
            case "confirm":
                contacts.confirm(actor, channel, request.POST.get("code", "")[:40])
                done = "proven"
            case "drop":
                contacts.drop(actor, actor.account, channel)
                done = "dropped"
            case _:
                _choose(request, actor)
                done = "kept"
    except Absent:  # somebody was faster, in another window
        return redirect("/work/channels")
    except Invalid as invalid:
        wrong = " ".join(text for texts in invalid.errors.values() for text in texts)
        return _show(request, actor, {channel: wrong}, "")
    return redirect(f"/work/channels?said={done}")


def _put(request: HttpRequest, actor: Actor, channel: str) -> None:
    """Put a new address; the password is asked for, because an address can have it reset."""
    if channel not in CHANNELS or not configured(channel):
        raise Invalid({"address": [_("本市还没有开通这个渠道，请联系管理员。")]})
    wanted = contacts.checked(channel, request.POST.get("address", "")[:300])
    with acting(actor):
        login = Account.objects.values_list("login", flat=True).get(pk=actor.account)
    try:
        sign_in(login, request.POST.get("password", ""), address(request))
    except SignInRefused as refused:
        raise Invalid({"password": [str(refused)]}) from refused
    before = contacts.address_of(actor, actor.account, channel)
    code = contacts.put(actor, channel, wanted)
    _send_code(actor, channel, code)
    if before and before.verified_at and before.text != wanted:
        said = wording.changed(contacts.masked(channel, wanted))
        post(channel, actor.account, said, once=f"changed:{uuid4()}", to=before.text, kind="security")


def _send_code(actor: Actor, channel: str, code: str) -> None:
    held = contacts.address_of(actor, actor.account, channel)
    if held is None or not post(
        channel,
        actor.account,
        wording.code(code),
        once=f"code:{uuid4()}",
        holds=contacts.CODE_HOLDS,
        to=held.text,
        kind="code",
    ):
        raise Invalid({"address": [_("本市还没有开通这个渠道，请联系管理员。")]})


def _choose(request: HttpRequest, actor: Actor) -> None:
    """Keep what was chosen. Raises Invalid, and keeps nothing, where something does not fit."""
    choice = chosen(actor.account)
    for channel in CHANNELS:
        for kind in KINDS:
            wanted = request.POST.get(f"{channel}-{kind}", "")
            if wanted in ways(channel):
                choice.how[f"{channel}:{kind}"] = wanted
    choice.stopped = []
    try:
        hours = [time.fromisoformat(request.POST.get(name, "").strip()) for name in ("quiet_from", "quiet_until")]
        digest = int(request.POST.get("digest_hour", ""))
        if not 0 <= digest <= 23 or any(hour.tzinfo for hour in hours):
            raise ValueError("an hour of the day")
    except ValueError as error:
        raise Invalid({"quiet": [_("时间请写成 21:00 这样的钟点。")]}) from error
    choice.quiet_from, choice.quiet_until = (hour.replace(second=0, microsecond=0) for hour in hours)
    choice.digest_hour, choice.urgent_passes = digest, request.POST.get("urgent_passes") == "1"
    language = request.POST.get("language", "")
    choice.language = language if language in dict(settings.LANGUAGES) else choice.language
    keep(choice)


def _show(request: HttpRequest, actor: Actor, wrong: dict[str, str], said: str) -> HttpResponse:
    held, choice = contacts.contacts(actor), chosen(actor.account)
    shown: list[dict[str, Any]] = [
        {"code": code, "title": title, "held": held.get(code), "open": configured(code), "wrong": wrong.get(code, ""),
         "typed": typed(request.POST.get("address", ""), 300) if wrong.get(code) else ""}
        for code, title in CHANNELS.items()
    ]  # fmt: skip
    working = [code for code in CHANNELS if configured(code)]
    rows = [
        (
            kind,
            title,
            [
                (code, CHANNELS[code], how(choice, code, kind), [(way, WAYS[way]) for way in ways(code)])
                for code in working
            ],
        )
        for kind, title in KINDS.items()
    ]
    with acting(actor):
        return page(
            request, actor, "web/console/channels.html", status=422 if wrong else 200, channels=shown, rows=rows, choice=choice,
            said=said, wrong=wrong.get("", ""), hours=range(24), ended=bool(choice.stopped), active="channels",
            languages=settings.LANGUAGES,
            language=choice.language or get_language(),
        )  # fmt: skip
