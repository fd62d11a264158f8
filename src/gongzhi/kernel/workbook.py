"""A long table as an XLSX file, row by row: the frame is XlsxWriter's, the rows are written here.

XlsxWriter asks a dozen questions of every cell, which for 50,000 records costs four times what reading them does. It makes
the book with its styles, widths and heads; the rows go as text straight into the packed sheet, in pieces, so that memory
stays what it is. A cell is a text (inline), a number or a date, never a formula (ECMA-376 part 1, 18.3.1.4 and 18.18.11).
"""

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.utility import xl_col_to_name

MOST_TEXT = 32_000
"""Characters of a cell; XLSX ends at 32,767."""
_SHEET = "xl/worksheets/sheet1.xml"
_PIECE = 500  # rows of one write
_SPECIAL = re.compile(r"[&<>_\x00-\x1f\ufffe\uffff]|^\s|\s$")
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\ufffe\uffff]")  # 22.9.2.19, ST_Xstring
_ZERO, _DAY = datetime(1899, 12, 31), timedelta(days=1)  # noqa: DTZ001 (a cell knows no zone)
_NO_SUCH_DAY = 59  # 29 February 1900, which spreadsheets count


def write_book(
    path: Path, title: str, heads: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[Any]]
) -> int:
    """Write one sheet of texts, numbers, days and naive moments (None or nothing is an empty cell); return how many rows it has.

    ``widths`` are in characters, the last one holds for the columns that follow. Raises OSError.
    """
    frame, before, after, styles = _frame(title, heads, widths)
    letters = [xl_col_to_name(column) for column in range(len(heads))]
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in frame:
            book.writestr(name, content)
        with book.open(_SHEET, "w") as sheet:
            sheet.write(before.encode())
            for piece in batched(rows, _PIECE, strict=False):
                sheet.write(
                    "".join([_row(count + at, row, letters, styles) for at, row in enumerate(piece, 2)]).encode()
                )
                count += len(piece)
            sheet.write(after.encode())
    return count


def _row(number: int, row: Sequence[Any], letters: Sequence[str], styles: tuple[str, str]) -> str:
    written = [f'<row r="{number}">']
    for letter, cell in zip(letters, row, strict=True):
        if cell is None or cell == "":
            continue
        kind = type(cell)
        if kind is str:
            text = cell if len(cell) <= MOST_TEXT else cell[:MOST_TEXT]
            inner = f"<t>{text}</t>" if _SPECIAL.search(text) is None else _text(text)
            written.append(f'<c r="{letter}{number}" t="inlineStr"><is>{inner}</is></c>')
        elif kind is datetime:
            written.append(f'<c r="{letter}{number}" s="{styles[0]}"><v>{_serial(cell)}</v></c>')
        elif kind is date:
            day = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001
            written.append(f'<c r="{letter}{number}" s="{styles[1]}"><v>{_serial(day)}</v></c>')
        elif isinstance(cell, str):  # a text of a type of its own, as what is marked safe for a page
            written.append(f'<c r="{letter}{number}" t="inlineStr"><is>{_text(cell[:MOST_TEXT])}</is></c>')
        else:
            written.append(f'<c r="{letter}{number}"><v>{cell:.16G}</v></c>')
    written.append("</row>")
    return "".join(written)


def _text(text: str) -> str:
    """Return the element of a text with characters that XML or a spreadsheet would take for something else."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return f'<t xml:space="preserve">{text}</t>'


def _serial(at: datetime) -> str:
    """Return the number that spreadsheets keep for a moment: days since the end of 1899, with one day that never was."""
    days = (at - _ZERO) / _DAY
    return f"{days + 1 if days > _NO_SUCH_DAY else days:.16G}"


def _frame(
    title: str, heads: Sequence[str], widths: Sequence[int]
) -> tuple[list[tuple[str, bytes]], str, str, tuple[str, str]]:
    """Return the book's other parts, the sheet before and after its rows, and the styles of moments and of days."""
    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True, "constant_memory": False, "strings_to_formulas": False})
    moment, day = book.add_format({"num_format": "yyyy-mm-dd hh:mm"}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 1)
    for column, width in enumerate(widths):
        sheet.set_column(column, column if column < len(widths) - 1 else max(column, len(heads)), width)
    for column, head in enumerate(heads):
        sheet.write_string(0, column, head, book.add_format({"bold": True}))
    sheet.write_datetime(1, 0, _ZERO, moment)  # tells the styles, and goes
    sheet.write_datetime(1, 1, _ZERO, day)
    book.close()
    with zipfile.ZipFile(target) as made:
        parts = [(name, made.read(name)) for name in made.namelist() if name != _SHEET]
        whole = made.read(_SHEET).decode()
    before, rest = whole.split('<row r="2"', 1)
    sample, after = rest.split("</sheetData>", 1)
    first, second = re.findall(r' s="(\d+)"', sample)
    before = re.sub("<dimension [^>]*>", "", before)  # not known yet, and nobody has to say it
    return parts, before, f"</sheetData>{after}", (first, second)
