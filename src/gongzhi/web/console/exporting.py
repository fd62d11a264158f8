"""Sending a list as a file: the same rows as the page shows, under the same rights."""

import errno
import logging
import tempfile
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.export import FORMATS, MOST
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import narrow
from gongzhi.web.console.lists import declared, given
from gongzhi.web.who import chosen_place, in_place, page, reads

_FULL = (errno.ENOSPC, errno.EDQUOT)
logger = logging.getLogger(__name__)


@reads
def export(request: HttpRequest, actor: Actor, code: str, kind: str) -> HttpResponse:
    """Send the list as XLSX or CSV. Too many rows: a page that says so, and nothing is cut off in silence."""
    service = declared(code)
    if kind not in FORMATS:
        raise Http404
    if service.care:
        fault = _("{title}是关怀业务，只在它的页面上由团队查看，不导出。").format(title=service.title)
        return _fault(request, actor, code, 403, fault)
    said = narrow(service, actor, given(request.GET))
    found = said.records(Register.objects.filter(in_place(chosen_place(request, actor))))
    if found.order_by()[: MOST + 1].count() > MOST:
        fault = _("超过 {most:,} 条，一个文件放不下。请先用筛选缩小范围，再分几次导出。").format(most=MOST)
        return _fault(request, actor, code, 422, fault)
    media, write = FORMATS[kind]
    try:
        with tempfile.TemporaryDirectory(prefix="gongzhi-export-") as folder:
            path = Path(folder) / f"list.{kind}"
            write(path, service, found)
            file = path.open("rb")  # stays readable after the folder is gone
    except OSError as error:
        logger.exception("an export could not be written")
        if error.errno in _FULL:
            return _fault(request, actor, code, 507, _("服务器的磁盘空间不足，没有导出。请联系管理员。"))
        fault = _("服务器写文件时出错（{code}），没有导出。请联系管理员，原因已记入日志。")
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return _fault(request, actor, code, 500, fault.format(code=name))
    response = FileResponse(file, content_type=media)
    name = f"{service.title}-{timezone.localtime():%Y%m%d-%H%M}.{kind}"
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response  # type: ignore[return-value]


def _fault(request: HttpRequest, actor: Actor, code: str, status: int, fault: str) -> HttpResponse:
    back = f"/work/s/{code}/?{request.GET.urlencode()}"
    return page(request, actor, "web/console/view_fault.html", status=status, fault=fault, back=back)
