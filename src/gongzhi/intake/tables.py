"""Reading tables that clerks send: XLSX, and CSV in UTF-8 or GB18030, also packed with gzip. Cells as they are, with the number of each row."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from python_calamine import CalamineError, CalamineWorkbook

from gongzhi.kernel.export import plain
from gongzhi.tongue import clauses, listed

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
        raise TableError(
            _("读不到文件“{name}”：{strerror}。").format(name=path.name, strerror=error.strerror)
        ) from error
    if size == 0:
        raise TableError(_("文件“{name}”是空的。").format(name=path.name))
    if size > _MOST_BYTES:
        raise TableError(_("文件“{name}”超过 100 MB，请拆成几个文件。").format(name=path.name))
    if head.startswith(b"\x1f\x8b"):
        return _checked(_text(path, _unpacked(path)), path)
    if head.startswith(b"PK"):
        return _checked(_workbook(path), path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise TableError(_("“{name}”是旧版 Excel 文件（.xls），请另存为 .xlsx 后再导入。").format(name=path.name))
    if head.startswith((b"MZ", b"\x7fELF", b"%PDF", b"\x89PNG", b"\xff\xd8\xff")) or path.suffix.lower() == ".xlsx":
        raise TableError(_("“{name}”不是表格文件。请导出为 .xlsx 或 .csv 后再导入。").format(name=path.name))
    return _checked(_text(path, path.read_bytes()), path)


def _checked(sheet: Sheet, path: Path) -> Sheet:
    if not any(sheet.headers):
        raise TableError(_("文件“{name}”的第一行没有列名。").format(name=path.name))
    named = [header for header in sheet.headers if header]
    twice = sorted({header for header in named if named.count(header) > 1})
    if twice:
        raise TableError(
            _("文件“{name}”里有重复的列名：{twice}。请改成不同的名称。").format(name=path.name, twice=listed(twice))
        )
    if not sheet.rows:
        raise TableError(_("文件“{name}”只有列名，没有数据。").format(name=path.name))
    if len(sheet.rows) > MOST_ROWS:
        raise TableError(
            _("文件“{name}”超过 {most_rows:,} 行，请拆成几个文件。").format(name=path.name, most_rows=MOST_ROWS)
        )
    return sheet


def _workbook(path: Path) -> Sheet:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
            if "META-INF/manifest.xml" in names and "content.xml" in names:
                raise TableError(
                    _("“{name}”是 OpenDocument 表格(.ods)，请另存为 .xlsx 后再导入。").format(name=path.name)
                )
            if "xl/workbook.xml" not in names:
                raise TableError(_("“{name}”不是 Excel 表格。请导出为 .xlsx 或 .csv 后再导入。").format(name=path.name))
            if sum(info.file_size for info in archive.infolist()) > _MOST_UNPACKED:
                raise TableError(_("“{name}”解开后太大，不能导入。请拆成几个文件。").format(name=path.name))
        book = CalamineWorkbook.from_path(str(path))
        shown = [
            meta.name for meta in book.sheets_metadata if "Visible" in str(meta.visible) and "Work" in str(meta.typ)
        ]
        if not shown:
            raise TableError(_("“{name}”里没有可见的工作表。").format(name=path.name))
        sheet = book.get_sheet_by_name(shown[0])
        start = sheet.start[0] if sheet.start else 0
        grid = sheet.to_python(skip_empty_area=True)
        merged = sorted(sheet.merged_cell_ranges or [])
    except (CalamineError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise TableError(
            _("“{name}”打不开，可能已损坏或有密码。请在 Excel 里另存后再导入。").format(name=path.name)
        ) from error
    notes = [_("只读取了第一个可见的工作表“{shown}”").format(shown=shown[0]) for _other in shown[1:2]]
    if merged:
        notes.append(_("有 {count} 处合并单元格，合并区域按第一格的内容读取").format(count=len(merged)))
        _unmerge(grid, merged, start, sheet.start[1] if sheet.start else 0)
    if not grid:
        raise TableError(_("文件“{name}”是空的。").format(name=path.name))
    headers = [_header(cell) for cell in grid[0]]
    rows = [
        (start + 1 + number, row)
        for number, row in enumerate(grid[1:], start=1)
        if any(cell not in ("", None) for cell in row)
    ]
    return Sheet(headers, rows, "XLSX", clauses(notes))


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
        raise TableError(_("“{name}”打不开，压缩文件可能已损坏。").format(name=path.name)) from error
    if len(content) > _MOST_UNPACKED:
        raise TableError(_("“{name}”解开后太大，不能导入。请拆成几个文件。").format(name=path.name))
    if not content.strip():
        raise TableError(_("文件“{name}”是空的。").format(name=path.name))
    return content


def _text(path: Path, content: bytes) -> Sheet:
    text, encoding = _decode(content, path)
    if "\x00" in text:
        raise TableError(_("“{name}”不是文本表格。请导出为 .xlsx 或 .csv 后再导入。").format(name=path.name))
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",\t;", key=first.count)
    try:
        table = list(_numbered(text, delimiter))
    except csv.Error as error:
        raise TableError(
            _("“{name}”的引号或分隔符不对：{error}。请在 Excel 里另存为 CSV 后再导入。").format(
                name=path.name, error=error
            )
        ) from error
    if not table:
        raise TableError(_("文件“{name}”是空的。").format(name=path.name))
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
        _(
            "“{name}”既不是 UTF-8 也不是 GB18030 编码，第 {line} 行起读不出。请在 Excel 里另存为“CSV UTF-8”后再导入。"
        ).format(name=path.name, line=line)
    )


def _header(cell: Any) -> str:
    return "".join(str(cell or "").split())
