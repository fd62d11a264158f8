"""My account: my posts and those that I hold for someone, password, second factor, delegation."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor, actors_of
from gongzhi.kernel.identities import identities
from gongzhi.kernel.models import Account
from gongzhi.kernel.second_factor import factor_of
from gongzhi.web.who import factor_wanted, page, reads


@reads
def show(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what I am here, and where each of it is changed."""
    said = {
        "password": _("密码已修改。您在别处的登录和接口令牌都已失效。"), "off": _("动态口令已取消。"),
    }.get(request.GET.get("said", ""), "")  # fmt: skip
    factor = factor_of(actor.account)
    return page(
        request, actor, "web/console/me.html", account=Account.objects.get(pk=actor.account), active="me", said=said,
        held=actors_of(actor.account), factor=factor if factor and factor.proven else None,
        factor_wanted=factor_wanted(actor.role), identities=identities(actor, actor.account),
    )  # fmt: skip
