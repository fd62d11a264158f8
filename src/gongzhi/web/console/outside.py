"""Signing in with the city's identity provider: to it, back from it, and out of it."""

from dataclasses import asdict
from time import time

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from gongzhi.channels.config import SettingsWrong
from gongzhi.kernel.identities import account_of
from gongzhi.kernel.limits import allow
from gongzhi.kernel.signin import SignInRefused
from gongzhi.web import oidc
from gongzhi.web.console.signing import signin_page
from gongzhi.web.entering import enter, wanted_page
from gongzhi.web.guard import address
from gongzhi.web.who import current

FLOWS = 5  # sign-ins under way in one browser, in as many tabs
FLOWS_AN_HOUR = 300  # from one address, which may be that of a whole office; a flow costs a session and guesses nothing


def _provider() -> oidc.Provider:
    found = oidc.provider()
    if found is None:
        raise Http404
    return found


@require_GET
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider; what must come back is kept in the session."""
    wanted = wanted_page(request)
    if current(request):
        return redirect(wanted)
    try:
        found = _provider()
        if not allow(f"outside:{address(request)}", count=FLOWS_AN_HOUR, seconds=3600):
            return signin_page(request, 429, error=_("从您这里登录的次数太多了，请一小时后再试。"), next=wanted)
        there, state, flow = oidc.begin(found, wanted)
    except SettingsWrong as wrong:
        return signin_page(request, 503, error=str(wrong), next=wanted)
    except oidc.ProviderFailed as failed:
        return signin_page(request, 502, error=str(failed), next=wanted)
    kept = list(request.session.get("flows", {}).items())[1 - FLOWS :]
    request.session["flows"] = {**dict(kept), state: asdict(flow)}
    return redirect(there)


@require_GET
@never_cache
def back(request: HttpRequest) -> HttpResponse:
    """Take the person back from the provider: each way back holds once, and a person unknown here is told what to do."""
    flows = dict(request.session.get("flows", {}))
    held = flows.pop(request.GET.get("state", ""), None)
    if held is None or held["since"] + oidc.FLOW_SECONDS < time():
        return signin_page(request, 422, error=_("这次登录已经用过或者过期，请重新登录。"))
    request.session["flows"] = flows
    request.session.save()  # before anything is asked, so that the same answer finds nothing a second time
    flow = oidc.Flow(**held)
    try:
        provider = _provider()
        subject = oidc.finish(provider, flow, request.GET.dict())
        account = account_of(provider.issuer, subject)
        if account is None:
            raise SignInRefused(
                _("您的身份还没有连到账号，请把这两项告诉管理员：认证服务 {issuer}，编号 {subject}。").format(
                    issuer=provider.issuer, subject=subject
                )
            )
        return enter(request, account, flow.wanted, outside=True)
    except SettingsWrong as wrong:
        return signin_page(request, 503, error=str(wrong), next=flow.wanted)
    except oidc.ProviderFailed as failed:
        return signin_page(request, 502, error=str(failed), next=flow.wanted)
    except SignInRefused as refused:
        return signin_page(request, 422, error=str(refused), next=flow.wanted)


@require_GET
@never_cache
def out(request: HttpRequest) -> HttpResponse:
    """Send who has signed out here to the provider's own page for signing out."""
    try:
        return redirect(oidc.farewell(_provider()))
    except SettingsWrong as wrong:
        return signin_page(request, 503, error=str(wrong))
    except oidc.ProviderFailed as failed:
        return signin_page(request, 502, error=str(failed))
