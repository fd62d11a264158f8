"""Ending mails by the link that each of them carries: without signing in, with one click of a mail program (RFC 8058), undoable."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from gongzhi.channels import results
from gongzhi.channels.choices import ALL, CHANNELS, KINDS, chosen, read_token, resume, stop, stopped
from gongzhi.web.errors import absent


@csrf_exempt  # a mail program has no cookie of ours; the signed token is the right
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show what a link ends; posting ends it (``do=all``: everything of its channel, ``do=undo``: back again).

    Reading the page ends nothing: programs that look links over open them.
    """
    held = read_token(token)
    if held is None:
        return absent(request)
    account, channel, kind = held
    if request.method == "POST":
        match request.POST.get("do", ""):
            case "undo":
                resume(account, channel, ALL if request.POST.get("of") == ALL else kind)
            case "all":
                stop(account, channel, ALL)
            case _:
                stop(account, channel, kind)
    everything = kind == ALL or stopped(account, channel, ALL)
    with override(chosen(account).language or get_language()):
        what = _("全部通知") if everything else _("“{kind}”通知").format(kind=KINDS[kind])
        response = render(
            request, "web/unsubscribe.html",
            {
                "what": what, "channel": CHANNELS[channel], "ended": stopped(account, channel, kind), "all": everything,
                "token": token,
            },
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def matter(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link in a resident's mail ends; posting ends it (``do=undo``: back again)."""
    party = results.read_token(token)
    if party is None:
        return absent(request)
    if request.method == "POST":
        (results.resume if request.POST.get("do") == "undo" else results.stop)(party)
    response = render(request, "web/unsubscribe_matter.html", {"ended": results.stopped(party), "token": token})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
