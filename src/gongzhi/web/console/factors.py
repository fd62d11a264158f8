"""Setting up one's own second factor: the QR code for the phone, the first code, and the recovery codes, shown once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.kernel import second_factor
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Account
from gongzhi.kernel.refusals import Invalid
from gongzhi.kernel.signin import SignInRefused
from gongzhi.web.asked import Asked
from gongzhi.web.guard import typed
from gongzhi.web.portal.qr import qr
from gongzhi.web.who import factor_wanted, page, signed


@signed
@require_http_methods(["GET", "POST"])
def own(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Switch the second factor on (``do=on``), make new recovery codes (``renew``), or switch it off (``off``)."""
    codes: list[str] = []
    error = ""
    if request.method == "POST":
        code = typed(request.POST.get("code", ""), 20)
        try:
            match request.POST.get("do", ""):
                case "on" if not second_factor.has_factor(actor.account):
                    second_factor.begin(actor)
                    codes = second_factor.prove(actor, code)
                    request.session["factor"] = True
                case "renew":
                    second_factor.check(actor.account, code)
                    codes = second_factor.renew(actor)
                case "off" if not factor_wanted(actor.role):
                    second_factor.check(actor.account, code)
                    second_factor.drop(actor, actor.account)
                    request.session["factor"] = False
                    return redirect("/work/me?said=off")
        except Invalid as invalid:
            error = "".join(invalid.errors.get("code", []))
        except SignInRefused as refused:
            error = str(refused)
    factor = second_factor.factor_of(actor.account)
    proven = bool(factor and factor.proven)
    secret = b"" if proven else second_factor.begin(actor)
    asked = Asked("code", _("手机上现在的六位数字"), "code", True, errors=[error] if error else [], longest=20)
    with acting(actor):
        login = Account.objects.get(pk=actor.account).login
        address = second_factor.address_of(secret, login, _("共治")) if secret else ""
        response = page(
            request, actor, "web/console/factor.html", codes=codes, proven=proven, left=factor.left if factor else 0,
            asked=asked, picture=qr(address, _("动态口令的二维码")) if address else "", active="me",
            spelled=second_factor.spelled(secret) if secret else "", wanted=factor_wanted(actor.role),
            status=422 if error else 200,
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response
