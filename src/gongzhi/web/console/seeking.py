"""Finding by telephone: the number and a purpose are posted, never part of an address, and what is found is a list of matters."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.refusals import Absent, Invalid, TooOften
from gongzhi.kernel.seeking import MOST, reasons, seek
from gongzhi.web.console.lists import declared
from gongzhi.web.guard import typed
from gongzhi.web.who import page, signed


@signed
@require_http_methods(["GET", "POST"])
def persons(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Ask for number and purpose; show the matters of the service that have the number and that the actor sees."""
    service = declared(code)
    offered = reasons(service, actor)
    if not offered:
        raise Absent
    phone, purpose = typed(request.POST.get("phone", ""), 60), request.POST.get("purpose", "")
    shown: dict[str, Any] = {"errors": {}}
    status = 200
    if request.method == "POST":
        try:
            shown["keys"] = seek(actor, service, phone, purpose)
            phone = ""  # it has served
        except Invalid as invalid:
            shown["errors"], status = invalid.errors, 422
        except TooOften as refusal:
            shown["alert"], status = str(refusal), 429
    with acting(actor):
        if "keys" in shown:
            found = Register.objects.select_related("agency", "place").filter(pk__in=shown["keys"])
            shown["rows"] = list(found.order_by("-opened_at", "pk"))
        response = page(
            request, actor, "web/console/seek.html", status=status, service=service, purposes=offered, phone=phone,
            chosen=next((one for one in offered if one.code == purpose), None), most=MOST, active=f"s-{code}",
            why=_("为什么要查找？"), **shown,
        )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response
