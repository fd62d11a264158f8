"""What leaves and enters as a table: the export is the list, and what was exported can be imported, by every service."""

import csv
import errno
import html
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils.translation import gettext
from openpyxl import load_workbook

from gongzhi.intake import declared
from gongzhi.intake.importing import run
from gongzhi.intake.jobs import import_table
from gongzhi.intake.mapping import tidy
from gongzhi.intake.models import ImportJob
from gongzhi.intake.tables import read
from gongzhi.kernel.context import acting
from gongzhi.kernel.export import NUMBER, heads
from gongzhi.kernel.models import Register
from gongzhi.kernel.roles import ADMIN, STAFF
from gongzhi.kernel.service import Service
from gongzhi.web.console import exporting
from tests.services.lab import Held, Lab, at_desk, word

RISKY = '=HYPERLINK("http://x")'


def sent(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def table(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sent(response).decode("utf-8-sig"))))


def test_the_export_is_the_list_under_the_same_rights(service: Service, lab: Lab) -> None:
    held = lab.make()
    lab.make(other=True)
    for role in (role for role in STAFF if role is not ADMIN):
        for actor, sees in ((lab.actor(role, held), True), (lab.stranger(role), False)):
            client = at_desk(actor)
            found = {row[str(NUMBER)] for row in table(client.get(f"/work/s/{service.code}/export/csv"))}
            with acting(actor):
                assert found == set(Register.objects.filter(service_code=service.code).values_list("number", flat=True))
            assert (held.number in found) == sees, role
    client = at_desk(lab.watcher)
    stage = lab.stages[0]
    rows = table(client.get(f"/work/s/{service.code}/export/csv?stage={stage}&order=number"))
    assert {row[heads(service)[2]] for row in rows} == {str(service.procedure.stage(stage).title)}
    assert [row[str(NUMBER)] for row in rows] == sorted(row[str(NUMBER)] for row in rows)
    assert client.get(f"/work/s/{service.code}/export/exe").status_code == 404


def test_no_cell_is_a_formula_and_none_names_a_person(service: Service, lab: Lab) -> None:
    bound = service.form(service.creating)
    texts = [name for name, fact in bound.columns.items() if fact.words]
    persons = [f"{role}_{name}" for role, person in bound.persons.items() for name in person.fields]
    assert texts, "nothing of the service is told in words"
    held = lab.make(**dict.fromkeys(texts, RISKY))
    client = at_desk(lab.watcher)
    content = sent(client.get(f"/work/s/{service.code}/export/csv")).decode("utf-8-sig")
    row = next(row for row in csv.reader(io.StringIO(content)) if row[0] == held.number)
    number = re.compile(r"-\d+(\.\d+)?")  # a western longitude is a number, not a formula
    assert not [c for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r")) and not number.fullmatch(c)]
    book = load_workbook(io.BytesIO(sent(client.get(f"/work/s/{service.code}/export/xlsx"))))
    cells = {cell.data_type for line in book.active.iter_rows() for cell in line}
    assert "f" not in cells
    for name in persons:
        assert str(held.forms[service.creating.code][name]) not in content


def facts(lab: Lab, held: Held) -> dict[str, Any]:
    """Return what the creating form asked for, as it is kept."""
    record, row = lab.row(held)
    bound = lab.service.form(lab.service.creating)
    values = lab.service.values(row)
    made = {name: values[name] for name in bound.said if name in values}
    made |= {"place": record.place_id, "point": (record.lon, record.lat)}
    if "agency" in bound.own:
        made["agency"] = record.agency_id
    if "title" in bound.own:
        made["title"] = record.title
    return made


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_was_exported_is_imported_with_the_same_facts(
    service: Service, kind: str, lab: Lab, tmp_path: Path
) -> None:
    texts = [name for name, fact in service.form(service.creating).columns.items() if fact.words]
    originals = [lab.make(), lab.make(other=True), lab.make(**dict.fromkeys(texts[:1], f"{RISKY} {word()}"))]
    actor = lab.doer(service.creating)
    path = tmp_path / f"list.{kind}"
    path.write_bytes(sent(at_desk(lab.watcher).get(f"/work/s/{service.code}/export/{kind}?order=number")))
    mapping = declared.declared(service)
    again = run(path, service.code, mapping, actor=actor, folder=tmp_path)
    assert (again.loaded, again.quarantined) == (0, again.read), "what is here already is not made again"
    sheet = read(path)
    numbers = [one.number for one in originals]
    kept = [cells for _, cells in sheet.rows if cells[0] in numbers]
    copy = tmp_path / "copy.csv"
    with copy.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([sheet.headers[1:], *(map(tidy, cells[1:]) for cells in kept)])
    done = run(copy, service.code, mapping, actor=actor, folder=tmp_path)
    assert (done.read, done.loaded, done.reasons) == (len(originals), len(originals), [])
    assert run(copy, service.code, mapping, actor=actor, folder=tmp_path).unchanged == len(originals)
    with acting(lab.watcher):
        fresh = list(Register.objects.filter(service_code=service.code).order_by("-number")[: len(originals)])
    assert [row.stage_code for row in fresh] == [service.creating.target.code] * len(originals)
    for original, row in zip(originals, reversed(fresh), strict=True):
        copied = Held(row.pk, row.number, row.version, row.stage_code, "", row.agency_id, ())
        assert facts(lab, copied) == facts(lab, original)


def test_its_empty_table_is_filled_in_and_what_is_wrong_comes_back_with_reasons(service: Service, lab: Lab) -> None:
    actor = lab.doer(service.creating)
    client = at_desk(actor)
    assert f'value="{service.code}"' in html.unescape(client.get("/work/import").content.decode())
    empty = client.get(f"/work/import/empty/{service.code}")
    book = load_workbook(io.BytesIO(empty.content))
    sheet = book.active
    mapping = declared.declared(service)
    headers = [cell.value for cell in sheet[1]]
    assert headers == [header for header in mapping.columns if header != mapping.number]
    form = lab.form(service.creating, actor)
    cells = [cell_of(service, mapping.columns[header], form) for header in headers]
    sheet.append(cells)
    required = [number for number, header in enumerate(headers) if mapping.columns[header].required]
    for number in required:
        sheet.append([None if at == number else cell for at, cell in enumerate(cells)])
    target = io.BytesIO()
    book.save(target)
    answer = client.post(
        "/work/import", {"mapping": service.code, "file": SimpleUploadedFile("t.xlsx", target.getvalue())}
    )
    assert answer.status_code == 302
    import_table(job=ImportJob.objects.latest("pk").pk)
    job = ImportJob.objects.latest("pk")
    assert (job.state, job.loaded, job.quarantined) == ("done", 1, len(required))
    if required:
        bad = client.get(f"{answer['Location']}/quarantine").content.decode("utf-8-sig")
        for number in required:
            assert str(headers[number]) in bad
    for role in STAFF:
        expected = 200 if role in service.creating.by else 404
        assert at_desk(lab.actor(role)).get(f"/work/import/empty/{service.code}").status_code == expected, role


def cell_of(service: Service, column: Any, form: dict[str, Any]) -> Any:
    """Return what a person would type into the column for this form."""
    from gongzhi.kernel.models import Agency, Place

    if column.field in ("lon", "lat"):
        return float(form["point"].split(",")[column.field == "lat"])
    value = form[column.field]
    if column.type == "place":
        return Place.objects.get(pk=value).code
    if column.type == "agency":
        return Agency.objects.get(pk=value).title
    return next((text for text, code in column.values.items() if code == value), value)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EACCES, 500), (errno.EROFS, 500), (errno.EIO, 500), (None, 500)],
)
def test_a_file_that_cannot_be_written_is_told_truly_and_leaves_nothing(
    service: Service, lab: Lab, kind: str, number: int | None, status: int, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(path: Path, *_: Any) -> int:
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number)) if number else OSError("cut off")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(exporting.FORMATS, kind, ("text/plain", broken))
    answer = at_desk(lab.watcher).get(f"/work/s/{service.code}/export/{kind}")
    assert answer.status_code == status
    full = gettext("服务器的磁盘空间不足，没有导出。请联系管理员。")
    other = gettext("服务器写文件时出错（{code}），没有导出。请联系管理员，原因已记入日志。")
    told = full if status == 507 else other.format(code=errno.errorcode[number] if number else "OSError")
    assert told in html.unescape(answer.content.decode())
    assert "an export could not be written" in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_disk_that_is_really_full_is_told(
    service: Service, lab: Lab, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """/dev/full answers every write with ENOSPC: the writers themselves must let that through."""
    lab.make()
    media, write = exporting.FORMATS[kind]

    def full(path: Path, *given: Any) -> int:
        path.symlink_to("/dev/full")
        return write(path, *given)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(exporting.FORMATS, kind, (media, full))
    assert at_desk(lab.watcher).get(f"/work/s/{service.code}/export/{kind}").status_code == 507
    assert list(tmp_path.iterdir()) == []


def test_a_download_given_up_leaves_no_file_and_no_transaction(
    service: Service, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab.make()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = at_desk(lab.watcher).get(f"/work/s/{service.code}/export/xlsx")
    assert list(tmp_path.iterdir()) == []  # before the first byte is read
    assert not connection.in_atomic_block
    answer.close()
    assert list(tmp_path.iterdir()) == []
