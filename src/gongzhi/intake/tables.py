"""Reading tables that clerks send: XLSX, and CSV in UTF-8 or GB18030, also packed with gzip. Cells as they are, with the number of each row."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from gongzhi.kernel.export import plain

MOST_ROWS = 200_000
_MOST_BYTES = 100 * 2**20
_MOST_UNPACKED = 600 * 2**20
_ENCODINGS = {"utf-8-sig": "UTF-8", "gb18030": "GB18030", "utf-16": "UTF-16"}


class TableError(Exception):
    """The file is no table that can be read; the sentence says why and what would help."""


@dataclass(frozen=True)
class Sheet:
    """A table: headers, and rows as (row number in the file, cells). ``note`` says what a clerk should know of it."""

    headers: list[str]
    rows: list[tuple[int, list[Any]]]
    encoding: str
    note: str = ""


def read(path: Path) -> Sheet:
    """Return the table in a file. Raises TableError."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise TableError(f"读不到文件“{path.name}”：{error.strerror}。") from error
    if size == 0:
        raise TableError(f"文件“{path.name}”是空的。")
    if size > _MOST_BYTES:
        raise TableError(f"文件“{path.name}”超过 100 MB，请拆成几个文件。")
    if head.startswith(b"\x1f\x8b"):
        return _checked(_text(path, _unpacked(path)), path)
    if head.startswith(b"PK"):
        return _checked(_workbook(path), path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise TableError(f"“{path.name}”是旧版 Excel 文件(.xls),请另存为 .xlsx 后再导入。")
    if head.startswith((b"MZ", b"\x7fELF", b"%PDF", b"\x89PNG", b"\xff\xd8\xff")) or path.suffix.lower() == ".xlsx":
        raise TableError(f"“{path.name}”不是表格文件。请导出为 .xlsx 或 .csv 后再导入。")
    return _checked(_text(path, path.read_bytes()), path)


def _checked(sheet: Sheet, path: Path) -> Sheet:
    if not any(sheet.headers):
        raise TableError(f"文件“{path.name}”的第一行没有列名。")
    named = [header for header in sheet.headers if header]
    twice = sorted({header for header in named if named.count(header) > 1})
    if twice:
        raise TableError(f"文件“{path.name}”里有重复的列名：{'、'.join(twice)}。请改成不同的名称。")
    if not sheet.rows:
        raise TableError(f"文件“{path.name}”只有列名，没有数据。")
    if len(sheet.rows) > MOST_ROWS:
        raise TableError(f"文件“{path.name}”超过 {MOST_ROWS:,} 行，请拆成几个文件。")
    return sheet


def _workbook(path: Path) -> Sheet:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
            if "xl/workbook.xml" not in names:
                raise TableError(f"“{path.name}”不是 Excel 表格。请导出为 .xlsx 或 .csv 后再导入。")
            if sum(info.file_size for info in archive.infolist()) > _MOST_UNPACKED:
                raise TableError(f"“{path.name}”解开后太大，不能导入。请拆成几个文件。")
        book = CalamineWorkbook.from_path(str(path))
        shown = [
            meta.name for meta in book.sheets_metadata if "Visible" in str(meta.visible) and "Work" in str(meta.typ)
        ]
        if not shown:
            raise TableError(f"“{path.name}”里没有可见的工作表。")
        sheet = book.get_sheet_by_name(shown[0])
        start = sheet.start[0] if sheet.start else 0
        grid = sheet.to_python(skip_empty_area=True)
        merged = sorted(sheet.merged_cell_ranges or [])
    except (CalamineError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise TableError(f"“{path.name}”打不开，可能已损坏或有密码。请在 Excel 里另存后再导入。") from error
    notes = [f"只读取了第一个可见的工作表“{shown[0]}”" for _ in shown[1:2]]
    if merged:
        notes.append(f"有 {len(merged)} 处合并单元格，合并区域按第一格的内容读取")
        _unmerge(grid, merged, start, sheet.start[1] if sheet.start else 0)
    if not grid:
        raise TableError(f"文件“{path.name}”是空的。")
    headers = [_header(cell) for cell in grid[0]]
    rows = [
        (start + 1 + number, row)
        for number, row in enumerate(grid[1:], start=1)
        if any(cell not in ("", None) for cell in row)
    ]
    return Sheet(headers, rows, "XLSX", ";".join(notes))


def _unmerge(grid: list[list[Any]], merged: list[Any], top: int, left: int) -> None:
    """Give every cell of a merged range the content of its first one, as a reader of the table sees it."""
    for (row1, column1), (row2, column2) in merged:
        if row1 < top or column1 < left or row1 - top >= len(grid):
            continue
        content = grid[row1 - top][column1 - left]
        for row in range(row1 - top, min(row2 - top + 1, len(grid))):
            for column in range(column1 - left, min(column2 - left + 1, len(grid[row]))):
                grid[row][column] = content


def _unpacked(path: Path) -> bytes:
    """Return what a gzip file holds: one text table."""
    try:
        with gzip.open(path) as file:
            content = file.read(_MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"“{path.name}”打不开，压缩文件可能已损坏。") from error
    if len(content) > _MOST_UNPACKED:
        raise TableError(f"“{path.name}”解开后太大，不能导入。请拆成几个文件。")
    if not content.strip():
        raise TableError(f"文件“{path.name}”是空的。")
    return content


def _text(path: Path, content: bytes) -> Sheet:
    text, encoding = _decode(content, path)
    if "\x00" in text:
        raise TableError(f"“{path.name}”不是文本表格。请导出为 .xlsx 或 .csv 后再导入。")
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",\t;", key=first.count)
    try:
        table = list(_numbered(text, delimiter))
    except csv.Error as error:
        raise TableError(f"“{path.name}”的引号或分隔符不对：{error}。请在 Excel 里另存为 CSV 后再导入。") from error
    if not table:
        raise TableError(f"文件“{path.name}”是空的。")
    return Sheet([_header(cell) for cell in table[0][1]], table[1:], encoding)


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, list[Any]]]:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    before = 0
    for row in reader:
        if any(cell.strip() for cell in row):
            yield before + 1, [plain(cell) for cell in row]
        before = reader.line_num


def _decode(content: bytes, path: Path) -> tuple[str, str]:
    """Return the text and the name of its encoding. Only whole success counts: half a guess corrupts names."""
    furthest = 0
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return content.decode(encoding), _ENCODINGS[encoding]
        except UnicodeDecodeError as error:
            furthest = max(furthest, error.start)  # the encoding that got further is the likelier one
    line = content[:furthest].count(b"\n") + 1
    raise TableError(
        f"“{path.name}”既不是 UTF-8 也不是 GB18030 编码，第 {line} 行起读不出。请在 Excel 里另存为“CSV UTF-8”后再导入。"
    )


def _header(cell: Any) -> str:
    return "".join(str(cell or "").split())
