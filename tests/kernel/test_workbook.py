"""The workbook written row by row holds the cells that XlsxWriter itself would write."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook

from gongzhi.kernel.workbook import MOST_TEXT, write_book

HEADS = ["编号", "A&B <x>", "三", "四", "五"]
TEXTS = (
    "路灯不亮", "=1+1", "a & b < c > d \"e\" 'f'", " 前有空格", "后有空格 ", "两\n行", "\t", "制\x01符\x1f", "_x0041_", "a_b", "回\r车", "\ufffe\uffff", "𠮷", "",
)  # fmt: skip
VALUES = (
    7, 0, -3, 2**40, 119.029, -0.5, 1 / 3, Decimal("12.50"), Decimal(10) ** 20,
    date(2026, 11, 25), date(1900, 1, 1), date(1900, 2, 28), date(1900, 3, 1), date(9999, 12, 31),
    datetime(2026, 11, 25, 8, 46, 12), datetime(1900, 2, 28, 23, 59, 59), datetime(2026, 1, 1),
)  # fmt: skip


def reference(path: Path, rows: list[list[Any]]) -> None:
    book = Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    moment, day = book.add_format({"num_format": "yyyy-mm-dd hh:mm"}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("表")
    for column, head in enumerate(HEADS):
        sheet.write_string(0, column, head)
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            match cell:
                case None | "":
                    pass
                case str():
                    sheet.write_string(number, column, cell)
                case datetime():
                    sheet.write_datetime(number, column, cell, moment)
                case date():
                    sheet.write_datetime(number, column, cell, day)
                case _:
                    sheet.write_number(number, column, cell)
    book.close()


def cells(path: Path) -> list[list[tuple[Any, str, str]]]:
    sheet = load_workbook(path).active
    return [[(c.value, c.data_type if c.value else "n", c.number_format) for c in line] for line in sheet.iter_rows()]


def test_every_kind_of_cell_is_what_the_library_itself_writes(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[f"R{at}", text, None, value, None] for at, text in enumerate(TEXTS) for value in VALUES]
    ours, theirs = tmp_path / "ours.xlsx", tmp_path / "theirs.xlsx"
    assert write_book(ours, "表", HEADS, (16, 36, 16), iter(rows)) == len(rows)
    reference(theirs, rows)
    assert cells(ours) == cells(theirs)
    read = [CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python() for path in (ours, theirs)]
    assert read[0] == read[1]
    assert [row[1] for row in read[0][1 :: len(VALUES)]][:3] == list(TEXTS[:3])


@pytest.mark.parametrize("text", ["<r><t>x</t></r>", "<r>", "</is></c><c><f>1+1</f></c>", "]]>", "&lt;"])
def test_a_text_that_looks_like_the_files_own_language_stays_a_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    write_book(path, "表", HEADS, (16,), [[text, None, None, None, text]])
    assert [c.value for c in list(load_workbook(path).active.iter_rows())[1]] == [text, None, None, None, text]


def test_an_empty_list_and_a_text_longer_than_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    assert write_book(path, "表", HEADS, (16,), []) == 0
    assert [[c.value for c in line] for line in load_workbook(path).active.iter_rows()] == [HEADS]
    assert write_book(path, "表", HEADS, (16,), [["长" * 40_000, *[None] * 4]]) == 1
    sheet = load_workbook(path).active
    assert len(sheet["A2"].value) == MOST_TEXT
    assert sheet.freeze_panes == "B2"
    assert sheet["A1"].font.bold
