"""QR codes: of any record, for those who work with it; and plates to print, that anyone may scan."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import narrow
from gongzhi.kernel.plates import plate_code
from gongzhi.web.console.lists import declared, given
from gongzhi.web.console.record import by_number
from gongzhi.web.portal.qr import qr
from gongzhi.web.who import chosen_place, in_place, page, reads

MOST = 120
"""Plates on one print."""


@reads
def code(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """Show the record's QR code; it opens the record for whoever may see it."""
    record = by_number(number)
    picture = qr(
        request.build_absolute_uri(f"/work/r/{record.number}"), _("{number} 的二维码").format(number=record.number)
    )
    return page(
        request, actor, "web/console/qr.html", record=record, picture=picture, active=f"s-{record.service_code}"
    )


@reads
def plate(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """Show the record's plate, to be printed."""
    record = by_number(number)
    return _print(request, actor, record.service_code, [record], more=False)


@reads
def plates(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show the plates of a list, narrowed as the list is, to be printed."""
    service = declared(code)
    said = narrow(service, actor, given(request.GET))
    base = Register.objects.filter(in_place(chosen_place(request, actor)), closed_at=None)
    found = list(said.records(base.select_related("place"))[: MOST + 1])
    return _print(request, actor, code, found[:MOST], more=len(found) > MOST)


def _print(request: HttpRequest, actor: Actor, code: str, records: list[Register], *, more: bool) -> HttpResponse:
    service = declared(code)
    if not service.plate:
        raise Http404
    rows = service.model._default_manager.in_bulk([record.pk for record in records])
    made = []
    for record in records:
        values = service.values(rows[record.pk])
        lines = [service.all_facts[name].display(values[name]) for name in service.plate]
        address = request.build_absolute_uri(f"/q/{record.number}.{plate_code(record.number)}")
        made.append(
            (record, [line for line in lines if line], qr(address, _("{number} 的二维码").format(number=record.number)))
        )
    return page(
        request,
        actor,
        "web/console/plates.html",
        service=service,
        plates=made,
        more=more,
        most=MOST,
        active=f"s-{code}",
    )
