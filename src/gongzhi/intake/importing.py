"""Importing a table: every good row goes through the one door under a key of its own, every bad one into quarantine.

Small tables go row by row through ``act()``, larger ones by the thousand through ``act_many()``, which writes the same;
histories always by the thousand, step after step.

A row's key is made of the mapping and the columns that identify it (or of the whole row), so that importing again changes
nothing, and a broken-off import is finished by the next. The quarantine is a CSV file that Excel opens: row number,
reasons, and the row as it was, so that a clerk can mend it and import that file.
"""

import csv
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.home import home
from gongzhi.intake.histories import POINT, Book, Form, Historian, Life, forms_of
from gongzhi.intake.mapping import BadCell, Table, moment, tidy
from gongzhi.intake.tables import Sheet, TableError
from gongzhi.intake.tables import read as read_table
from gongzhi.kernel.act import act
from gongzhi.kernel.bulk import Row, act_many
from gongzhi.kernel.context import Actor, acting, actor_of, loader_actor
from gongzhi.kernel.export import safe
from gongzhi.kernel.models import Account, Post, Register
from gongzhi.kernel.refusals import Invalid, Refused, Unreachable
from gongzhi.kernel.service import Service, services
from gongzhi.tongue import clauses, later, listed

MANY = 200
"""Rows from which on a table is taken in by transactions of a thousand."""
ROW, REASON = later("原文件行号"), later("未能导入的原因")
Progress = Callable[[int, int], None]


class ImportFault(Exception):
    """The table cannot be imported at all; nothing was. The sentence says why."""


@dataclass
class Result:
    """Rows read, taken in, put into quarantine, already there; the quarantine's file where there is one."""

    read: int = 0
    loaded: int = 0
    quarantined: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    quarantine: Path | None = None
    note: str = ""
    reasons: list[tuple[int, str]] = field(default_factory=list)


def run(
    path: Path,
    service_code: str,
    table: Table,
    *,
    actor: Actor,
    folder: Path | None = None,
    progress: Progress = lambda done, total: None,
    result: Result | None = None,
) -> Result:
    """Import a table as this actor. Raises ImportFault, with nothing imported, and Unreachable, with the rest to do."""
    result, started = result or Result(), time.perf_counter()
    service = _service(service_code, table, actor)
    try:
        sheet = read_table(path)
    except TableError as error:
        raise ImportFault(str(error)) from error
    _check_headers(sheet, table, path)
    loader = loader_actor()
    book = Book.of(loader)
    historian = Historian(service, table, actor, loader) if table.steps else None
    bad: list[tuple[int, list[str], list[Any]]] = []
    if historian:
        told = _lives(service, table, sheet, book, actor, historian, result)
    elif len(sheet.rows) >= MANY:
        told = _many(service, table, sheet, book, actor, loader, result)
    else:
        told = (
            (row, _row(service, table, sheet.headers, cells, book, actor, loader, result), cells)
            for row, cells in sheet.rows
        )
    for number, (row, reasons, cells) in enumerate(told, start=1):
        result.read += 1
        if reasons:
            bad.append((row, reasons, cells))
            result.quarantined += 1
            result.reasons.append((row, clauses(reasons)))
        if number % 20 == 0 or number == len(sheet.rows):
            progress(number, len(sheet.rows))
    if bad:
        result.quarantine = _quarantine(path, sheet.headers, bad, folder)
    result.note = sheet.note
    result.seconds = round(time.perf_counter() - started, 2)
    return result


def actor_for(login: str | None) -> Actor:
    """Return the post to import with: the first of this account, or the first operator's. Raises ImportFault."""
    with acting(loader_actor()):
        posts = Post.objects.filter(until=None).order_by("id")
        if login:
            account = Account.objects.filter(login=login.strip().casefold()).first()
            found = posts.filter(account=account).first() if account else None
        else:
            found = posts.filter(role="operator").first()
    if found is None:
        raise ImportFault(
            _("没有账号“{login}”的岗位。").format(login=login)
            if login
            else _("还没有受理员岗位，请先在“岗位”页面添加。")
        )
    return actor_of(found.pk)


def _service(code: str, table: Table, actor: Actor) -> Service:
    service = services().get(code)
    if service is None:
        raise ImportFault(_("没有业务“{code}”。现有：{known}。").format(code=code, known=listed(services())))
    if table.service != code:
        raise ImportFault(
            _("映射“{title}”是给业务“{service}”的，不能用于“{code}”。").format(
                title=table.title, service=table.service, code=code
            )
        )
    if all(role.code != actor.role for role in service.creating.by):
        raise ImportFault(
            _("岗位“{role_title}”不能登记{title}。").format(role_title=actor.role_title, title=service.title)
        )
    actions = [step.do for step in table.steps]
    for step in ("", *actions):
        if step and step not in service.procedure.by_code:
            raise ImportFault(
                _("映射里的 steps 提到“{step}”，{title}没有这项操作。").format(step=step, title=service.title)
            )
        fields = service.form(service.action(step) if step else service.creating).fields
        unknown = sorted(table.fields(step) - fields.keys() - (POINT if "point" in fields else set()))
        if unknown:
            raise ImportFault(
                _("映射里的表单项 {unknown} 不存在。可用的有：{fields}。").format(
                    unknown=listed(unknown), fields=listed(fields)
                )
            )
    if stray := {action for action in table.actions if action not in actions}:
        raise ImportFault(_("映射为 {known} 写了表单项，但 steps 里没有这一步。").format(known=listed(sorted(stray))))
    if table.steps and not table.at:
        raise ImportFault(_("映射里有 steps，就要用 at 写明登记的时间在哪一列。"))
    return service


def _check_headers(sheet: Sheet, table: Table, path: Path) -> None:
    missing = [column.header for column in table.required if not column.named(sheet.headers)]
    if missing:
        raise ImportFault(
            _("文件“{name}”缺少列：{missing}。第一行应是列名，现有：{known}。").format(
                name=path.name, missing=listed(missing), known=listed(filter(None, sheet.headers[:20]))
            )
        )


def _row(
    service: Service, table: Table, headers: list[str], cells: list[Any], book: Book, actor: Actor, loader: Actor,
    result: Result,
) -> list[str]:  # fmt: skip
    """Take one row in; return why it could not be."""
    held, forms, reasons = _read(service, table, headers, cells, book, actor)
    if reasons:
        return reasons
    try:
        made = _dated(table, held, forms[""], row_key(table, held, cells))
        fresh = not act(
            actor, service.code, service.creating.code, form=made.form, key=made.key, at=made.at,
            loader=loader if made.at else None,
        ).repeated  # fmt: skip
    except Unreachable:
        raise
    except (Refused, BadCell) as refusal:
        return _why(service, refusal)
    result.unchanged += not fresh
    result.loaded += fresh
    return []


def _lives(
    service: Service, table: Table, sheet: Sheet, book: Book, actor: Actor, historian: Historian, result: Result
) -> Iterator[tuple[int, list[str], list[Any]]]:
    """Take all rows in with their histories, a thousand together; yield each with why it could not be, in order."""
    waiting: deque[tuple[int, list[str], list[Any]]] = deque()

    def given() -> Iterator[Life]:
        for row, cells in sheet.rows:
            held, forms, reasons = _read(service, table, sheet.headers, cells, book, actor)
            waiting.append((row, reasons, cells))
            if not reasons:
                yield Life(held, forms, row_key(table, held, cells))

    for life in historian.carry(given()):
        while waiting[0][1]:
            yield waiting.popleft()
        row, _nothing, cells = waiting.popleft()
        if life.fault:
            yield row, _why(service, life.fault), cells
        else:
            result.unchanged += not life.fresh
            result.loaded += life.fresh
            yield row, [], cells
    yield from waiting


def _many(
    service: Service, table: Table, sheet: Sheet, book: Book, actor: Actor, loader: Actor, result: Result
) -> Iterator[tuple[int, list[str], list[Any]]]:
    """Take all rows in, a thousand in a transaction; yield each with why it could not be, in the file's order."""
    waiting: deque[tuple[int, list[str] | None, list[Any]]] = deque()

    def given() -> Iterator[Row]:
        for row, cells in sheet.rows:
            held, forms, reasons = _read(service, table, sheet.headers, cells, book, actor)
            if not reasons:
                try:
                    made = _dated(table, held, forms[""], row_key(table, held, cells))
                except BadCell as refusal:
                    reasons = [str(refusal)]
                else:
                    waiting.append((row, None, cells))
                    yield made
                    continue
            waiting.append((row, reasons, cells))

    for outcome in act_many(actor, service.code, given(), loader=loader):
        while waiting[0][1] is not None:
            row, reasons, cells = waiting.popleft()
            yield row, reasons or [], cells
        row, _nothing, cells = waiting.popleft()
        if isinstance(outcome, Refused):
            yield row, _why(service, outcome), cells
        else:
            result.unchanged += outcome.repeated
            result.loaded += not outcome.repeated
            yield row, [], cells
    yield from ((row, reasons or [], cells) for row, reasons, cells in waiting)


def _read(
    service: Service, table: Table, headers: list[str], cells: list[Any], book: Book, actor: Actor
) -> tuple[dict[str, Any], dict[str, Form], list[str]]:
    """Return a row's cells by header, its forms, and why it cannot be taken in."""
    held = dict(zip(headers, cells, strict=False))
    forms, reasons = forms_of(table, held, book)
    if table.number and not reasons:
        reasons += _here_already(service, tidy(held.get(table.columns[table.number].named(held))), actor)
    return held, forms, reasons


def _dated(table: Table, held: Mapping[str, Any], form: Form, key: str) -> Row:
    """Return the row as it is filed. Raises BadCell."""
    at = _filed(table, held)
    if at and at > timezone.now():
        raise BadCell(_("“{at}”在将来").format(at=table.at))
    return Row(form, key, at)


def _why(service: Service, refusal: Exception) -> list[str]:
    if isinstance(refusal, Invalid):
        return [f"{_label(service, name)}:{text}" for name, texts in refusal.errors.items() for text in texts]
    return [str(refusal)]


def _here_already(service: Service, number: str, actor: Actor) -> list[str]:
    if not number:
        return []
    with acting(actor):
        here = Register.objects.filter(number=number.upper()[:40], service_code=service.code).exists()
    if not here:
        return []
    return [
        _("编号 {number} 已经在平台里，请在它的页面上修改；如果确是另一条，请删去编号再导入").format(number=number[:40])
    ]


def _label(service: Service, name: str) -> str:
    made = service.form(service.creating).fields.get(name)
    return str(made.label) if made and made.label else _("内容")


def _filed(table: Table, held: Mapping[str, Any]) -> datetime | None:
    return moment(held[table.at], table.times) if table.at and tidy(held.get(table.at)) else None


def row_key(table: Table, held: Mapping[str, Any], cells: Iterable[Any]) -> str:
    """Return the key of a row, the same in every import: of its identifying columns, or of the whole row."""
    said = [tidy(held.get(header)) for header in table.key] if table.key else [tidy(cell) for cell in cells]
    digest = hashlib.sha256("\x1f".join([table.service, *table.key, *said]).encode()).hexdigest()
    return f"import:{digest[:60]}"


def _quarantine(
    path: Path, headers: list[str], bad: list[tuple[int, list[str], list[Any]]], folder: Path | None
) -> Path:
    """Write what could not be imported, readable by its owner alone: it holds what people said."""
    place = folder or home() / "imports"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = place / f"{path.stem[:60]}-未导入-{timezone.localtime():%Y%m%d-%H%M%S}.csv"
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:  # with a mark, so that Excel reads it right
        writer = csv.writer(file)
        writer.writerow([ROW, REASON, *headers])
        for number, reasons, cells in bad:
            writer.writerow([number, clauses(reasons), *(safe(tidy(cell)) for cell in cells)])
    return target
