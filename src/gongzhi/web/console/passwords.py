"""One's own password, and the page behind a link that sets one."""

from datetime import timedelta
from uuid import uuid4

from django.contrib.sessions.backends.base import SessionBase
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods

from gongzhi.channels.config import SettingsWrong, configured, site
from gongzhi.channels.queue import Line, Said, language_of, post_mail
from gongzhi.kernel import passwords
from gongzhi.kernel.context import Actor, acting, actor_of
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.web.asked import Asked
from gongzhi.web.guard import address, typed
from gongzhi.web.who import page, signed


def _typed_twice(request: HttpRequest) -> str:
    password, again = request.POST.get("password", ""), request.POST.get("again", "")
    if password != again:
        raise Invalid({"again": [_("两次输入的新密码不一样，请再输入一次。")]})
    return password


def _questions(errors: dict[str, list[str]], *, old: bool) -> list[Asked]:
    hint = _("至少 {least} 个字符，不要用常见的密码。").format(least=passwords.SHORTEST)
    made = [
        Asked("password", _("新密码"), "password", True, errors=errors.get("password", []), hint=hint, longest=passwords.LONGEST),
        Asked("again", _("再输入一次新密码"), "password", True, errors=errors.get("again", []), longest=passwords.LONGEST),
    ]  # fmt: skip
    if old:
        made.insert(
            0, Asked("old", _("现在的密码"), "secret", True, errors=errors.get("old", []), longest=passwords.LONGEST)
        )
    return made


@signed
@require_http_methods(["GET", "POST"])
def own(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Change one's own password; this session goes on, every other one ends."""
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            passwords.change_own(actor, request.POST.get("old", ""), _typed_twice(request))
        except Invalid as invalid:
            errors = invalid.errors
        else:
            _goes_on(request.session, actor)
            return redirect("/work/me?said=password")
    with acting(actor):
        return page(
            request, actor, "web/console/password.html", asked=_questions(errors, old=True), active="me",
            status=422 if errors else 200,
        )  # fmt: skip


def by_mail() -> bool:
    """Return whether links are sent by mail: there is a server, and the address that a link begins with is set.

    The link never begins with what a request calls the host.
    """
    try:
        return configured("mail") and bool(site())
    except SettingsWrong:
        return False


@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. The answer is the same whether there is such an account, and whether it has an address."""
    if not by_mail():
        raise Http404
    asked = request.method == "POST"
    if asked and (found := passwords.ask_link(typed(request.POST.get("login", ""), 60), address(request))):
        account, secret = found
        with override(language_of(account)):
            lines = (
                Line(_("有人（可能是您）为您的账号申请重设密码。请在 30 分钟内打开下面的链接，设一个新密码。")),
                Line(_("重设密码"), url=f"{site()}/signin/link/{secret}"),
                Line(_("不是您申请的，可以不理会：密码没有改动。")),
            )
            hold = timedelta(minutes=passwords.RESET_MINUTES)
            post_mail(account, Said(_("重设密码"), lines), once=f"reset:{uuid4()}", holds=hold)
    return render(request, "web/forgotten.html", {"asked": asked})


def _goes_on(session: SessionBase, actor: Actor) -> None:
    session.cycle_key()
    session["epoch"] = actor_of(actor.post).epoch


@require_http_methods(["GET", "POST"])
def link(request: HttpRequest, secret: str) -> HttpResponse:
    """Let the holder of a link choose the account's password; opening it changes nothing, so that a mail scanner may."""
    opened = passwords.open_link(secret)
    errors: dict[str, list[str]] = {}
    if opened and request.method == "POST":
        try:
            passwords.use_link(secret, _typed_twice(request))
        except Invalid as invalid:
            errors = invalid.errors
        except Absent:
            opened = None
        else:
            request.session.flush()
            return redirect("/signin?set=1")
    status = 422 if errors else 200 if opened else 410
    response = render(
        request, "web/password_link.html", {"opened": opened, "asked": _questions(errors, old=False)}, status=status
    )
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
