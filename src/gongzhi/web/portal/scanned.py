"""What opens when a plate is scanned: for those who work here the record, for everyone else what they can do."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gongzhi.kernel.context import acting
from gongzhi.kernel.limits import allow
from gongzhi.kernel.models import Register
from gongzhi.kernel.plates import plate_of
from gongzhi.kernel.service import services
from gongzhi.web.errors import too_often
from gongzhi.web.guard import address
from gongzhi.web.who import current

SCANS_AN_HOUR = 120


@require_safe
def scanned(request: HttpRequest, number: str, code: str) -> HttpResponse:
    """Open the record by right, or the plate's own page. A wrong code gets the same page whatever the number is."""
    number = number.upper()[:40]
    actor = current(request)
    if actor is not None:
        with acting(actor):
            if Register.objects.filter(number=number).exists():
                return redirect(f"/work/r/{number}")
    if not allow(f"scan:{address(request)}", count=SCANS_AN_HOUR, seconds=3600):
        return too_often(request, _("从您这里扫码的次数太多了，请一小时后再试。"))
    plate = plate_of(number, code)
    said = urlencode({"place": str(plate.place), "address": plate.title}) if plate else ""
    return render(
        request, "web/portal/scanned.html",
        {"plate": plate, "number": number, "said": said, "service": services()[plate.service] if plate else None},
        status=200 if plate else 404,
    )  # fmt: skip
