"""Saved views: a list as someone set it, for herself or for her agency."""

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.narrow import narrow
from gongzhi.kernel.service import Service, services
from gongzhi.web.guard import typed
from gongzhi.web.models import SavedView
from gongzhi.web.who import page, signed

MOST = 50
"""Views of one person for one service."""


def views_of(actor: Actor, service: Service) -> "list[SavedView]":
    """Return the actor's own views of the service, and those that her agency shares."""
    mine = Q(account=actor.account) | Q(agency=actor.agency, shared=True)
    return list(SavedView.objects.filter(mine, service_code=service.code).select_related("account"))


@signed
@require_POST
def save(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Keep the list as it stands under a name; the same name replaces what it stood for."""
    if code not in services():
        raise Http404
    title, query = (
        typed(request.POST.get("title", ""), 40),
        _query(actor, services()[code], request.POST.get("query", "")),
    )
    fault = ""
    if not title:
        fault = _("请给这个视图起一个名称。")
    elif SavedView.objects.filter(account=actor.account, service_code=code).exclude(title=title).count() >= MOST:
        fault = _("每项业务最多保存 {most} 个视图，请先删除不用的。").format(most=MOST)
    if fault:
        with acting(actor):
            return page(
                request, actor, "web/console/view_fault.html", status=422, fault=fault, back=f"/work/s/{code}/?{query}"
            )
    shared = request.POST.get("shared") == "yes"
    SavedView.objects.update_or_create(
        account_id=actor.account, service_code=code, title=title,
        defaults={"query": query, "shared": shared, "agency_id": actor.agency},
    )  # fmt: skip
    return redirect(f"/work/s/{code}/?{query}")


@signed
@require_POST
def drop(_other: HttpRequest, actor: Actor, code: str, key: int) -> HttpResponse:
    """Forget one of the actor's own views; another's shared view is not hers to drop."""
    SavedView.objects.filter(pk=key, account=actor.account, service_code=code).delete()
    return redirect(f"/work/s/{code}/")


def _query(actor: Actor, service: Service, text: str) -> str:
    """Return what of the address belongs to a view: what narrows, orders, and names columns."""
    data = QueryDict(text[:2000])
    with acting(actor):
        said = narrow(service, actor, {name: data[name] for name in data if name not in ("cols", "page", "view")})
    kept = QueryDict(mutable=True)
    kept.update(said.given)
    columns = [name for name in data.get("cols", "").split(",") if name in service.all_facts]
    if columns:
        kept["cols"] = ",".join(columns)
    return kept.urlencode()
