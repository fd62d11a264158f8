"""Importing tables: what is good comes in once, what is bad is told by row and reason."""

import csv
import io
import os
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from openpyxl import Workbook

from gongzhi.intake import jobs, mapping
from gongzhi.intake.importing import ImportFault, Result, actor_for, run
from gongzhi.intake.models import ImportJob
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Entry, Register
from tests.kernel.people import People, people

HEAD = ["工单编号", "来电时间", "来电人", "联系电话", "诉求标题", "诉求内容", "诉求类型", "所属区域", "详细地址"]


@pytest.fixture(scope="module")
def crew(database: Any) -> People:
    return people()


@pytest.fixture
def table() -> mapping.Table:
    return mapping.load("hotline")


def row(number: str, **changed: Any) -> list[Any]:
    held = dict(
        zip(
            HEAD,
            [
                number,
                "2026-11-20 09:30",
                "周女士",
                "13800001234",
                "路灯不亮",
                "健康西路路灯不亮",
                "投诉",
                "清河区",
                "健康西路8号",
            ],
            strict=True,
        )
    )
    return list((held | changed).values())


def comma(rows: list[list[Any]], path: Path, encoding: str = "utf-8") -> Path:
    target = io.StringIO()
    csv.writer(target).writerows(rows)
    path.write_bytes(target.getvalue().encode(encoding))
    return path


def book(rows: list[list[Any]], path: Path, change: Callable[[Any], None] = lambda book: None) -> Path:
    made = Workbook()
    for cells in rows:
        made.active.append(cells)
    change(made)
    made.save(path)
    return path


def take(path: Path, table: mapping.Table, crew: People, folder: Path) -> Result:
    return run(path, "request", table, actor=crew.operator, folder=folder / "out")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_comes_in_whatever_its_encoding_and_again_changes_nothing(
    encoding: str, table: mapping.Table, crew: People, tmp_path: Path
) -> None:
    rows = [HEAD, row(f"{encoding}-1", 诉求内容="井盖丢失𠮷"), row(f"{encoding}-2")]
    path = comma(rows, tmp_path / "工单 一.csv", encoding)
    first = take(path, table, crew, tmp_path)
    assert (first.read, first.loaded, first.quarantined, first.unchanged) == (2, 2, 0, 0)
    with acting(crew.operator):
        before = (Register.objects.count(), Entry.objects.count())
        record = Register.objects.filter(number__startswith="SQ").latest("id")
        assert timezone.localtime(record.opened_at) == timezone.make_aware(datetime(2026, 11, 20, 9, 30))
        assert record.place.name == "清江浦区"
    again = take(path, table, crew, tmp_path)
    assert (again.loaded, again.unchanged) == (0, 2)
    with acting(crew.operator):
        assert (Register.objects.count(), Entry.objects.count()) == before


def test_rows_that_cannot_come_in_are_told_by_number_and_reason_and_harm_no_other(
    table: mapping.Table, crew: People, tmp_path: Path
) -> None:
    rows = [
        HEAD, row("q1", 来电时间="2026-02-30"), row("q2", 诉求内容=""), row("q3", 诉求类型="闲聊"), row("q4", 所属区域="亚特兰蒂斯"),
        row("q5", 联系电话="没有电话"), row("q6", 诉求内容="长" * 4001), row("q7", 来电时间="2099-01-01"), row("q8"),
        row("q9", 来电时间="二月", 诉求类型="闲聊", 来电人="=HYPERLINK(1)"),
    ]  # fmt: skip
    done = take(comma(rows, tmp_path / "a.csv"), table, crew, tmp_path)
    assert (done.read, done.loaded, done.quarantined) == (9, 1, 8)
    told = dict(done.reasons)
    for number, words in {
        2: "日历",
        3: "没有填",
        4: "不在允许的值里",
        5: "没有认出",
        6: "电话",
        7: "4000",
        8: "将来",
        10: "闲聊",
    }.items():
        assert words in told[number], told[number]
    assert "；" in told[10]
    assert done.quarantine
    content = done.quarantine.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert done.quarantine.stat().st_mode & 0o077 == 0
    kept = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert kept[0][:3] == ["原文件行号", "未能导入的原因", "工单编号"]
    assert kept[-1][4].startswith("'=")


def test_a_mended_quarantine_file_can_be_imported_itself(table: mapping.Table, crew: People, tmp_path: Path) -> None:
    done = take(comma([HEAD, row("m1", 诉求内容="")], tmp_path / "a.csv"), table, crew, tmp_path)
    assert done.quarantine
    kept = list(csv.reader(io.StringIO(done.quarantine.read_text("utf-8-sig"))))
    kept[1][kept[0].index("诉求内容")] = "补上了内容"
    again = take(comma(kept, tmp_path / "b.csv"), table, crew, tmp_path)
    assert (again.loaded, again.quarantined) == (1, 0)


def test_a_workbook_comes_in_with_real_dates_numbers_merged_cells_and_a_hidden_sheet(
    table: mapping.Table, crew: People, tmp_path: Path
) -> None:
    def change(made: Any) -> None:
        made.active.merge_cells("H2:H3")
        made.create_sheet("内部").sheet_state = "hidden"
        made.create_sheet("附表")

    rows = [
        HEAD,
        row("x1", 来电时间=datetime(2026, 11, 20, 9, 30), 联系电话=13800001234),
        row("x2", 来电时间=date(2026, 11, 19), 所属区域=None),
    ]
    done = take(book(rows, tmp_path / "a.xlsx", change), table, crew, tmp_path)
    assert (done.loaded, done.quarantined) == (2, 0), done.reasons
    assert "合并单元格" in done.note
    assert "第一个可见的工作表" in done.note
    with acting(crew.operator):
        newest = Register.objects.order_by("-id")[:2]
        assert {record.place.name for record in newest} == {"清江浦区"}


def test_a_formula_without_a_computed_value_counts_as_empty(table: mapping.Table, crew: People, tmp_path: Path) -> None:
    done = take(book([HEAD, row("f1", 诉求内容="=A1")], tmp_path / "a.xlsx"), table, crew, tmp_path)
    assert done.quarantined == 1
    assert "没有填" in done.reasons[0][1]


def test_a_formula_counts_as_its_last_computed_value(table: mapping.Table, crew: People, tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, HEAD)
        sheet.write_row(1, 0, row("f2"))
        sheet.write_formula(1, HEAD.index("诉求内容"), '=CONCATENATE("公式","算出的井盖")', None, "公式算出的井盖")
    done = take(path, table, crew, tmp_path)
    assert (done.loaded, done.quarantined) == (1, 0), done.reasons
    with acting(crew.operator):
        record = Register.objects.order_by("-id").first()
        assert record
        assert record.facts.detail == "公式算出的井盖"


def _bad_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
    return path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda p: comma([], p / "a.csv"), "空的"),
        (lambda p: comma([HEAD], p / "a.csv"), "只有列名"),
        (lambda p: comma([[*HEAD, "工单编号"], [*row("1"), "2"]], p / "a.csv"), "重复的列名：工单编号"),
        (lambda p: comma([HEAD[1:], row("1")[1:]], p / "a.csv"), "缺少列：工单编号"),
        (lambda p: book([], p / "a.xlsx"), "空的"),
        (lambda p: book([HEAD], p / "a.xlsx"), "只有列名"),
        (lambda p: _bad_zip(p / "a.xlsx"), "不是 Excel"),
        (lambda p: _write(p / "a.xlsx", b"MZ\x90\x00" + b"\0" * 400), "不是表格"),
        (lambda p: _write(p / "a.csv", b"\x7fELF" + b"\0" * 400), "不是表格"),
        (lambda p: _write(p / "a.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 400), ".xls"),
        (lambda p: _write(p / "a.csv", "工单编号\n好\n".encode() + b"\xff\xfe\x80\x80\xff\n"), "第 3 行"),
        (lambda p: _write(p / "a.xlsx", b"PK\x03\x04broken"), "打不开"),
        (lambda p: p / "missing.csv", "读不到"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused_with_one_sentence(
    make: Callable[[Path], Path], told: str, table: mapping.Table, crew: People, tmp_path: Path
) -> None:
    with acting(crew.operator):
        before = Register.objects.count()
    with pytest.raises(ImportFault, match=told):
        take(make(tmp_path), table, crew, tmp_path)
    with acting(crew.operator):
        assert Register.objects.count() == before


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_who_may_not_file_may_not_import(table: mapping.Table, crew: People, tmp_path: Path) -> None:
    path = comma([HEAD, row("1")], tmp_path / "a.csv")
    with pytest.raises(ImportFault, match="不能登记"):
        run(path, "request", table, actor=crew.handler, folder=tmp_path)
    with pytest.raises(ImportFault, match="没有业务"):
        run(path, "nothing", table, actor=crew.operator, folder=tmp_path)
    with pytest.raises(ImportFault, match="没有账号"):
        actor_for("nobody")


def test_an_import_in_the_background_tells_how_far_it_is_and_survives_being_cut_off(
    crew: People, tmp_path: Path
) -> None:
    rows = [HEAD, *(row(f"j{number}") for number in range(45)), row("j-bad", 诉求内容="")]
    content = comma(rows, tmp_path / "a.csv").read_bytes()
    job = jobs.start(crew.operator, "导出 2026.csv", content, "request", "hotline")
    assert job.state == "waiting"
    table, folder = mapping.load("hotline"), Path(os.environ["GONGZHI_HOME"]) / "imports" / job.folder

    class Cut(Exception):
        pass

    def cut(done: int, total: int) -> None:
        raise Cut

    with pytest.raises(Cut):
        run(next(folder.glob("table*")), "request", table, actor=crew.operator, folder=folder, progress=cut)
    jobs.import_table(job.pk)
    done = ImportJob.objects.get(pk=job.pk)
    assert (done.state, done.total, done.done, done.loaded, done.unchanged, done.quarantined) == (
        "done",
        46,
        46,
        25,
        20,
        1,
    )
    assert jobs.quarantine_of(done)
    failed = jobs.start(crew.operator, "空.csv", HEAD[0].encode(), "request", "hotline")
    jobs.import_table(failed.pk)
    assert "空.csv" in ImportJob.objects.get(pk=failed.pk).note


def test_the_empty_table_for_download_can_be_filled_and_imported(
    table: mapping.Table, crew: People, tmp_path: Path
) -> None:
    from openpyxl import load_workbook

    made = load_workbook(io.BytesIO(jobs.template("hotline")))
    made.active.append(row("t1"))
    made.save(tmp_path / "t.xlsx")
    assert take(tmp_path / "t.xlsx", table, crew, tmp_path).loaded == 1


def test_a_large_table_comes_in_by_batches_with_the_same_answers(
    table: mapping.Table, crew: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gongzhi.intake import importing

    rows = [
        row(f"L{n}", 联系电话="x" if n % 10 == 3 else "13800001234", 诉求内容="" if n % 10 == 7 else f"路灯不亮{n}")
        for n in range(60)
    ]
    rows[5][1] = "2999-01-01"
    path = comma([HEAD, *rows, row("L0")], tmp_path / "large.csv")
    monkeypatch.setattr(importing, "MANY", 10)
    seen: list[tuple[int, int]] = []
    many = run(
        path,
        "request",
        table,
        actor=crew.operator,
        folder=tmp_path / "many",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (many.read, many.loaded, many.quarantined, many.unchanged) == (61, 47, 13, 1)
    assert seen[-1] == (61, 61)
    monkeypatch.setattr(importing, "MANY", 10_000)
    alone = take(path, table, crew, tmp_path)
    assert (alone.read, alone.loaded, alone.unchanged) == (61, 0, 48)
    assert alone.reasons == many.reasons
    assert many.quarantine
    assert alone.quarantine
    assert many.quarantine.read_bytes() == alone.quarantine.read_bytes()
