"""Imports in the background: the page starts one, the worker runs it, the page watches it."""

import os
import shutil
import uuid
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.dimensions import ColumnDimension
from procrastinate.contrib.django import app

from gongzhi.home import home
from gongzhi.intake import declared, mapping
from gongzhi.intake.importing import ImportFault, Result, run
from gongzhi.intake.models import ImportJob
from gongzhi.kernel.context import Actor, NoPost, actor_of
from gongzhi.kernel.refusals import Unreachable
from gongzhi.tongue import listed

KEPT_DAYS = 30
MOST_BYTES = 50 * 2**20
_TITLES = 60
"""Titles of a code that the empty table tells of."""


def start(actor: Actor, name: str, content: bytes, service: str, table: str) -> ImportJob:
    """Keep the file and queue its import; ``table`` names a mapping that needs no file of its own. Raises ImportFault and MappingError."""
    if len(content) > MOST_BYTES:
        raise ImportFault(_("文件超过 {value} MB，请拆成几个文件。").format(value=MOST_BYTES // 2**20))
    if not content:
        raise ImportFault(_("文件是空的。"))
    declared.table(table)
    folder = uuid.uuid4().hex
    place = home() / "imports" / folder
    place.mkdir(mode=0o700, parents=True)
    suffix = Path(name).suffix.lower()[:8]
    path = place / f"table{suffix if suffix[1:].isalnum() else ''}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    with transaction.atomic():
        job = ImportJob.objects.create(
            post_id=actor.post, name=Path(name).name[:200], service=service, mapping=table, folder=folder,
            created_at=timezone.now(),
        )  # fmt: skip
        import_table.defer(job=job.pk)
    return job


def jobs_of(actor: Actor, limit: int = 20) -> list[ImportJob]:
    """Return the post's own imports, newest first."""
    return list(ImportJob.objects.filter(post_id=actor.post)[:limit])


def quarantine_of(job: ImportJob) -> Path | None:
    """Return the file of what could not be imported, None where everything was or the file is gone."""
    return next(iter(sorted((home() / "imports" / job.folder).glob("*-未导入-*.csv"))), None)


@app.task(name="gongzhi.import_table", retry=3)
def import_table(job: int) -> None:
    """Run one import to its end; after a fall it begins again and finds what it had done unchanged.

    Then the uploaded table goes: it holds persons and words that no erasure of a record would find there.
    """
    held = ImportJob.objects.get(pk=job)
    if held.state not in ("done", "failed"):
        _run(held)
    _forget(held.folder)


def _run(held: ImportJob) -> None:
    job = held.pk
    ImportJob.objects.filter(pk=job).update(state="running", done=0)
    folder = home() / "imports" / held.folder
    result = Result()

    def progress(done: int, total: int) -> None:
        ImportJob.objects.filter(pk=job).update(
            done=done, total=total, loaded=result.loaded, quarantined=result.quarantined, unchanged=result.unchanged
        )

    try:
        for old in folder.glob("*-未导入-*.csv"):
            old.unlink()
        table = next(folder.glob("table*"))
        run(
            table, held.service, declared.table(held.mapping), actor=actor_of(held.post_id), folder=folder,
            progress=progress, result=result,
        )  # fmt: skip
    except (ImportFault, mapping.MappingError, NoPost, StopIteration) as error:
        said = str(error).replace(f"table{Path(held.name).suffix.lower()}", held.name) or _(
            "上传的文件已不在服务器上。"
        )
        ImportJob.objects.filter(pk=job).update(state="failed", note=said[:400], ended_at=timezone.now())
        return
    except Unreachable:
        raise  # the queue tries again
    progress(result.read, result.read)
    ImportJob.objects.filter(pk=job).update(state="done", note=result.note[:400], ended_at=timezone.now())


@app.periodic(cron="17 3 * * *")
@app.task(name="gongzhi.sweep_imports", pass_context=False)
def sweep_imports(timestamp: int) -> None:  # noqa: ARG001 (the queue gives it)
    """Remove what is left of imports after 30 days, and tables whose import was cut off behind its end; the counts stay."""
    limit = timezone.now() - timedelta(days=KEPT_DAYS)
    for folder in ImportJob.objects.filter(created_at__lt=limit).values_list("folder", flat=True):
        shutil.rmtree(home() / "imports" / folder, ignore_errors=True)
    for folder in ImportJob.objects.filter(created_at__gte=limit, state__in=("done", "failed")).values_list(
        "folder", flat=True
    ):
        _forget(folder)


def _forget(folder: str) -> None:
    for table in (home() / "imports" / folder).glob("table*"):
        if "-" not in table.name:  # what was refused begins with the table's name
            table.unlink(missing_ok=True)


def template(name: str) -> bytes:
    """Return an empty table (XLSX) for a mapping: its columns, and on a second sheet what belongs into each."""
    held = declared.table(name)
    columns = [column for header, column in held.columns.items() if header != held.number]
    book = Workbook()
    sheet = book.active
    sheet.title = held.title[:30]
    for number, column in enumerate(columns, start=1):
        sheet.cell(1, number, column.header).font = Font(bold=True)
        letter = sheet.cell(1, number).column_letter
        sheet.column_dimensions[letter] = ColumnDimension(sheet, index=letter, width=18)
    hints = book.create_sheet(_("填写说明"))
    hints.append([_("列名"), _("必填"), _("内容")])
    for column in columns:
        titles = [text for text, code in column.values.items() if text != code]
        said = listed(titles[:_TITLES]) if titles else str(mapping.TYPES[column.type])
        hints.append([column.header, _("是") if column.required else "", said])
    target = BytesIO()
    book.save(target)
    return target.getvalue()
