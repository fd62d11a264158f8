"""Importing a table from a page: upload and mapping, a bar that fills, and the file of what could not be imported."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.intake import declared
from gongzhi.intake.importing import ImportFault
from gongzhi.intake.jobs import MOST_BYTES, jobs_of, quarantine_of, start, template
from gongzhi.intake.mapping import MappingError
from gongzhi.intake.models import ImportJob
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.service import services
from gongzhi.web.who import may_create, page, signed

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def offered(actor: Actor) -> dict[str, str]:
    """Return the mappings whose service the actor may make records of: title by name. Raises Absent where there is none."""
    made = {
        name: table.title for name, table in declared.tables().items() if may_create(actor, services()[table.service])
    }
    if not made:
        raise Absent
    return made


@signed
@require_http_methods(["GET", "POST"])
def uploads(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the upload form and the post's own imports, or begin one."""
    known = offered(actor)
    error, chosen = "", request.POST.get("mapping", "")
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            error = _("请选择要导入的表格。")
        elif chosen not in known:
            error = _("请选择表格的种类。")
        elif (file.size or 0) > MOST_BYTES:
            error = _("文件超过 {value} MB，请拆成几个文件。").format(value=MOST_BYTES // 2**20)
        else:
            try:
                job = start(actor, file.name or _("表格"), file.read(), declared.table(chosen).service, chosen)
                return redirect(f"/work/import/{job.pk}")
            except (ImportFault, MappingError) as fault:
                error = str(fault)
    with acting(actor):
        return page(
            request, actor, "web/console/import.html", mappings=known, chosen=chosen, error=error, active="import",
            jobs=jobs_of(actor), most=MOST_BYTES // 2**20, status=422 if error else 200,
        )  # fmt: skip


def _job(actor: Actor, key: int) -> ImportJob:
    found = ImportJob.objects.filter(pk=key, post_id=actor.post).first()
    if found is None:
        raise Http404
    return found


@signed
def job(request: HttpRequest, actor: Actor, key: int) -> HttpResponse:
    """Show how far an import has come; htmx asks again until it has ended."""
    found = _job(actor, key)
    part = bool(request.headers.get("HX-Request"))
    with acting(actor):
        return page(
            request, actor, "web/console/import_progress.html" if part else "web/console/import_job.html", job=found,
            active="import", ended=found.state in ("done", "failed"), bad=quarantine_of(found) if found.quarantined else None,
        )  # fmt: skip


@signed
def quarantine(_other: HttpRequest, actor: Actor, key: int) -> HttpResponse:
    """Send what could not be imported, with its reasons."""
    found = quarantine_of(_job(actor, key))
    if found is None:
        raise Http404
    response = HttpResponse(found.read_bytes(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=found.name) or "attachment"
    )
    response["Cache-Control"] = "private, no-store"
    return response


@signed
def empty(_other: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """Send an empty table of a mapping, to be filled in."""
    known = offered(actor)
    if name not in known:
        raise Http404
    response = HttpResponse(template(name), content_type=XLSX)
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{known[name]}.xlsx") or ""
    )
    return response
