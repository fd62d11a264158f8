"""The import page: upload, watch, mend what was wrong."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from gongzhi.intake.jobs import import_table
from gongzhi.intake.models import ImportJob
from gongzhi.intake.tables import TableError, read
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from tests.web.pages import TABLE
from tests.web.test_console import text


def upload(client: Any, content: bytes, name: str = "十月工单.csv") -> Any:
    return client.post("/work/import", {"mapping": "hotline", "file": SimpleUploadedFile(name, content)})


def test_a_table_is_taken_in_watched_and_its_bad_rows_come_back_with_reasons(at_desk: Any, actor: Any) -> None:
    client = at_desk("operator")
    assert "热线工单" in text(client.get("/work/import"))
    sent = upload(client, TABLE.encode("gb18030"))
    assert sent.status_code == 302
    way = sent["Location"]
    waiting = text(client.get(way))
    assert "正在排队" in waiting
    assert f'hx-get="{way}"' in waiting
    import_table(job=ImportJob.objects.latest("pk").pk)
    ended = text(client.get(way, headers={"HX-Request": "true"}))
    assert "hx-get" not in ended
    assert "<html" not in ended
    assert "下载有问题的行" in ended
    bad = client.get(f"{way}/quarantine").content.decode("utf-8-sig")
    assert "P-2" in bad
    assert "P-1" not in bad
    assert "3" in bad.splitlines()[1].split(",")[0]
    with acting(actor("operator")):
        assert Register.objects.filter(title="路灯不亮", channel="import").count() == 1
    again = upload(client, TABLE.encode())
    import_table(job=ImportJob.objects.latest("pk").pk)
    assert "1 行" in text(client.get(again["Location"]))
    with acting(actor("operator")):
        assert Register.objects.filter(title="路灯不亮", channel="import").count() == 1
    for theirs in (way, f"{way}/quarantine"):
        assert at_desk("operator2").get(theirs).status_code == 404


@pytest.mark.parametrize(("login", "path"), [("operator", "/work/import"), ("admin", "/work/posts/import")])
def test_the_picker_offers_what_the_text_names_and_the_platform_reads(at_desk: Any, login: str, path: str) -> None:
    page = text(at_desk(login).get(path))
    picker = re.search(r'accept="([^"]*)"', page)
    hint = re.search(r'<p class="hint" id="hint-file">(.*?)</p>', page, re.DOTALL)
    assert picker
    assert hint
    offered = picker[1].split(",")
    assert offered == [".xlsx", ".csv", ".txt"]
    assert all(ending[1:] in hint[1] for ending in offered)


def test_a_table_of_another_office_program_is_told_what_to_do(tmp_path: Path) -> None:
    held = tmp_path / "名单.ods"
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<office:document-content/>")
        archive.writestr("META-INF/manifest.xml", "<manifest:manifest/>")
    with pytest.raises(TableError, match=r"OpenDocument.*另存为 \.xlsx"):
        read(held)


def test_what_is_no_table_is_told_in_words(at_desk: Any) -> None:
    client = at_desk("operator")
    assert "请选择要导入的表格" in text(client.post("/work/import", {"mapping": "hotline"}))
    assert "文件是空的" in text(upload(client, b""))
    assert "请选择表格的种类" in text(
        client.post("/work/import", {"mapping": "../x", "file": SimpleUploadedFile("a", b"x")})
    )
    sent = upload(client, b"MZ\x00\x01", "程序.xlsx")
    import_table(job=ImportJob.objects.latest("pk").pk)
    assert "未能导入" in text(client.get(sent["Location"]))


def test_the_empty_table_can_be_had_and_only_who_files_may_import(at_desk: Any) -> None:
    answer = at_desk("operator").get("/work/import/empty/hotline")
    assert answer.content[:2] == b"PK"
    assert at_desk("operator").get("/work/import/empty/none").status_code == 404
    assert at_desk("zjj").get("/work/import").status_code == 404
    assert "导入表格" not in text(at_desk("zjj").get("/work/"))
