"""Following a matter: number and follow-up code once, then the page. The code stays in the session, never in an address."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gongzhi.channels.results import bounced, resume, stop, stopped, to_tell
from gongzhi.kernel.act import Conflict, act
from gongzhi.kernel.context import following, portal_actor
from gongzhi.kernel.history import timeline
from gongzhi.kernel.limits import allow
from gongzhi.kernel.models import Attachment, Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.vault import limits
from gongzhi.tongue import later
from gongzhi.web.asked import ask, raw, uploads
from gongzhi.web.console.record import Doing, facts_of, send, steps
from gongzhi.web.guard import address, form_key, typed
from gongzhi.web.portal.codes import code_of, remember
from gongzhi.web.refused import REFUSALS, answer

TRIES_AN_HOUR = 30
WRONG = later("编号和查询码对不上，请检查后重新输入。查询码是提交成功时显示的 12 个字符。")
TOO_MANY = later("查询的次数太多了，请一小时后再试。")


@require_http_methods(["GET", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Ask for number and code; when they fit, remember them in this session and open the page."""
    held = request.session.get("follow") or {}
    if request.method == "GET":
        named = typed(request.GET.get("number", ""), 40).upper()
        return render(request, "web/portal/find.html", {"held": sorted(held, reverse=True), "number": named})
    number, code = typed(request.POST.get("number", ""), 40).upper(), typed(request.POST.get("code", ""), 40)
    error, status = WRONG, 422
    if not allow(f"follow:{address(request)}", count=TRIES_AN_HOUR, seconds=3600):
        error, status = TOO_MANY, 429
    else:
        with following(number, code) as record:
            if record is not None:
                remember(request, record.number, code)
                return redirect(f"/follow/{record.number}")
    return render(
        request,
        "web/portal/find.html",
        {"error": error, "number": number, "held": sorted(held, reverse=True)},
        status=status,
    )


@require_http_methods(["GET"])
def show(request: HttpRequest, number: str) -> HttpResponse:
    """Show how the matter stands, its answers, and what the person may do now."""
    with following(number, code_of(request, number)) as record:
        if record is None:
            return redirect(f"/follow?{urlencode({'number': number[:40]})}")
        done = record.service.procedure.by_code.get(request.GET.get("done", ""))
        return _page(request, record, said=_("您的{title}已收到。").format(title=done.title) if done else "")


@require_http_methods(["GET", "POST"])
def do(request: HttpRequest, number: str, code: str) -> HttpResponse:
    """Show the form of a resident's action, or do it: rate, ask to reopen."""
    follow = code_of(request, number)
    with following(number, follow) as record:
        if record is None:
            return redirect("/follow")
        action = record.service.procedure.by_code.get(code)
        if action is None or not action.resident:
            raise Http404
        if request.method == "GET":
            if action not in mine(record):
                return redirect(f"/follow/{record.number}")
            return _page(request, record, doing=Doing(action, ask(record.service, action, request.GET.dict(), {})))
        service = record.service
    given_form = raw(request.POST, service.form(action))
    key = form_key(request)
    given = request.POST.get("version", "")
    try:
        act(
            portal_actor(), service.code, action.code, record=record.pk, form=given_form, files=uploads(request), key=key,
            version=int(given) if given.isdecimal() and len(given) < 10 else None, follow=follow,
        )  # fmt: skip
    except Absent:
        return redirect(f"/follow/{record.number}")
    except REFUSALS as refusal:
        with following(number, follow) as record:
            if record is None:
                return redirect("/follow")
            return _refused(request, record, action, given_form, key, refusal)
    return redirect(f"/follow/{record.number}?done={action.code}#now")


def _refused(
    request: HttpRequest, record: Register, action: Action, typed_form: Mapping[str, Any], key: str, refusal: Exception
) -> HttpResponse:
    told = answer(refusal, key)
    doing = Doing(action, ask(record.service, action, typed_form, told.errors))
    doing.possible = action in mine(record)
    doing.key, doing.files_error, doing.alert = told.key, told.files_error, told.alert
    if isinstance(refusal, Conflict):
        doing.alert = _("这件事刚刚有了新进展，现在是“{stage_title}”。请看过下面的最新情况后再决定。").format(
            stage_title=refusal.stage_title
        )
    return _page(request, record, doing=doing, status=told.status)


def mine(record: Register) -> list[Action]:
    """Return what the person who holds the code may do now."""
    return [
        action
        for action in record.service.procedure
        if action.resident and action.leaves(record.stage_code) and not action.anywhere
    ]


def _page(
    request: HttpRequest, record: Register, *, doing: Doing | None = None, said: str = "", status: int = 200
) -> HttpResponse:
    lines = timeline(record, None)
    short, texts = facts_of(record, record.facts, public=True)
    texts.reverse()  # the answer stands before the question: it is what one comes for
    late = bool(record.due_source and record.due_at and record.due_at < timezone.now() and not record.paused_at)
    response = render(
        request, "web/portal/matter.html",
        {
            "record": record, "service": record.service, "lines": lines, "steps": steps(record, lines), "facts": short,
            "texts": texts, "actions": mine(record), "doing": doing, "said": said, "limits": limits(), "late": late,
            "mails": _mails(record),
        },
        status=status,
    )  # fmt: skip
    response["Cache-Control"] = "private, no-cache"
    return response


def _mails(record: Register) -> str:
    """Return how it stands with the mails that tell of results: ``on``, ``stopped``, ``bounced``, "" where none is wanted."""
    for party in to_tell(record):
        if stopped(party):
            return "stopped"
        return "bounced" if bounced(party) else "on"
    return ""


@require_POST
def mails(request: HttpRequest, number: str) -> HttpResponse:
    """End the mails that tell of this matter's results, or take them up again (``do=undo``)."""
    with following(number, code_of(request, number)) as record:
        if record is None:
            return redirect("/follow")
        wanted = to_tell(record)
    for party in wanted:
        (resume if request.POST.get("do") == "undo" else stop)(party)
    return redirect(f"/follow/{record.number}#mails")


@require_http_methods(["GET"])
def file(request: HttpRequest, number: str, key: UUID) -> HttpResponse:
    """Send an attachment of the matter; those that belong to inner remarks are not there."""
    with following(number, code_of(request, number)) as record:
        if record is None:
            return redirect("/follow")
        public = {found.pk for line in timeline(record, None) for found in line.files}
        found = Attachment.objects.filter(pk=key, record=record).first() if key in public else None
        if found is None:
            raise Http404
        return send(found)


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Forget the codes that this browser's session holds: for shared computers."""
    request.session.pop("follow", None)
    request.session.pop("told", None)
    return redirect("/follow")
