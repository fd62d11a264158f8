"""Accounts and posts from a table: what a file would make, change and end, and then all of it or nothing.

A row is one post of one person. Rows are told apart by login, agency, role and place; a file that was carried out changes
nothing when it comes again. An empty cell says nothing: it takes no date away. Passwords never stand in a table: new
accounts get links that hold once.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from gongzhi.intake.mapping import BadCell, moment, tidy
from gongzhi.intake.tables import TableError, read
from gongzhi.kernel import directory, passwords
from gongzhi.kernel.admission import clean_name
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Account, Agency, Place, Post
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import ROLES
from gongzhi.tongue import later, listed

MOST_ROWS = 2000
MOST_BYTES = 5 * 2**20
COLUMNS: dict[str, str] = {
    "login": later("登录名"), "name": later("姓名"), "agency": later("单位"), "role": later("岗位"), "place": later("管辖地点"),
    "since": later("起始日期"), "until": later("停用日期"),
}  # fmt: skip
"""The columns by code; a table may head them with the code, the Chinese words, or those of the reader's language."""
NEEDED = ("login", "name", "agency", "role", "place")
_SYSTEM = ("portal", "clock", "loader")
_LOCK = 0x676F6E67_70656F70  # one import of people at a time


class PeopleFault(Exception):
    """The file is no table of people; the sentence says why."""


@dataclass(frozen=True)
class Row:
    """A row as it was read: its number in the file, and the text of each known column."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """One change: ``kind`` is ``account``, ``name``, ``post`` or ``until``; ``said`` is for people, ``values`` for the act."""

    row: int
    kind: str
    login: str
    said: str
    values: tuple[Any, ...]


@dataclass
class Plan:
    """What a table would do. ``faults`` and ``remarks`` are (row, sentence); with a fault nothing is done at all."""

    steps: list[Step] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    same: int = 0

    @property
    def digest(self) -> str:
        """Names the plan: what was looked at is what is done."""
        return hashlib.sha256(repr([(s.kind, s.login, s.values) for s in self.steps]).encode()).hexdigest()[:32]

    def count(self, kind: str) -> int:
        """Return how many steps are of this kind."""
        return sum(step.kind == kind for step in self.steps)


class Moved(Exception):
    """The directory has changed since the plan was shown; ``plan`` is the new one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(_("目录在您查看之后有了变化，什么都没有导入。请看过新的结果再确认。"))


@dataclass(frozen=True)
class Link:
    """The secret by which the person of a new account chooses a password."""

    login: str
    name: str
    secret: str


def template() -> bytes:
    """Return an empty table with the columns and the words that may stand in them."""
    target = BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        sheet.write_row(0, 0, [str(title) for title in COLUMNS.values()], bold)
        sheet.set_column(0, len(COLUMNS) - 1, 18)
        sheet.data_validation(
            1, 3, MOST_ROWS, 3, {"validate": "list", "source": [str(r.title) for r in directory.GIVEN]}
        )
        sheet.freeze_panes(1, 0)
    return target.getvalue()


def rows_of(name: str, content: bytes) -> list[Row]:
    """Return the rows of a table (XLSX, or CSV in UTF-8 or GB18030). Raises PeopleFault."""
    if len(content) > MOST_BYTES:
        raise PeopleFault(_("文件超过 {most} MB，请拆成几个文件。").format(most=MOST_BYTES // 2**20))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (clean_name(name) or "table")
        path.write_bytes(content)
        try:
            sheet = read(path)
        except TableError as fault:
            raise PeopleFault(str(fault)) from fault
    if len(sheet.rows) > MOST_ROWS:
        raise PeopleFault(_("一次最多导入 {most} 行，请拆成几个文件。").format(most=MOST_ROWS))
    known = _headings()
    columns = {known[header.casefold()]: at for at, header in enumerate(sheet.headers) if header.casefold() in known}
    missing = [str(COLUMNS[code]) for code in NEEDED if code not in columns]
    if missing:
        raise PeopleFault(_("表格缺少这些列：{names}。请下载空表，照它的列名填写。").format(names=listed(missing)))
    made = []
    for number, cells in sheet.rows:
        texts = {}
        for code, at in columns.items():
            cell = cells[at] if at < len(cells) else None
            texts[code] = _day(cell) if code in ("since", "until") else tidy(cell)
        if any(texts.values()):
            made.append(Row(number, texts))
    return made


def _headings() -> dict[str, str]:
    made = {code: code for code in COLUMNS}
    with override("zh-hans"):
        made.update({"".join(str(title).split()).casefold(): code for code, title in COLUMNS.items()})
    made.update({"".join(str(title).split()).casefold(): code for code, title in COLUMNS.items()})
    return made


def _day(cell: Any) -> str:
    """Return a cell's day as 2026-11-23, or its text as it stands where it is none: the plan says so."""
    if tidy(cell) == "":
        return ""
    try:
        return timezone.localtime(moment(cell)).date().isoformat()
    except BadCell:
        return tidy(cell)


def packed(rows: Iterable[Row]) -> list[list[Any]]:
    """Return rows as plain values, for the page that carries them from the preview to the act."""
    return [[row.number, dict(row.cells)] for row in rows]


def unpacked(values: Iterable[Sequence[Any]]) -> list[Row]:
    """Return the rows of ``packed``."""
    return [Row(number, cells) for number, cells in values]


# --- what it would do -----------------------------------------------------------------------------------------------


class _Known:
    """The directory as it stands, by what people write: agencies, places and roles by their words, accounts by login."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.today = timezone.localdate()
        self.agencies: dict[str, set[int]] = {}
        for agency in Agency.objects.filter(ended_on=None):
            for word in (agency.code, agency.title, agency.short):
                self.agencies.setdefault(_plain(word), set()).add(agency.pk)
        self.agency_titles = dict(Agency.objects.values_list("pk", "short"))
        self.places: dict[str, set[int]] = {}
        self.paths: dict[int, tuple[str, str]] = {}
        rows = list(Place.objects.filter(ended_on=None).values_list("pk", "parent", "code", "name", "path"))
        names = {pk: name for pk, _parent, _code, name, _path in rows}
        for pk, parent, code, name, path in rows:
            self.paths[pk] = (path, name)
            for word in (code, name, f"{names.get(parent or 0, '')}{name}"):
                self.places.setdefault(_plain(word), set()).add(pk)
        self.roles: dict[str, str] = {}
        for role in directory.GIVEN:
            with override("zh-hans"):
                self.roles[_plain(str(role.title))] = role.code
            self.roles[_plain(str(role.title))] = self.roles[_plain(role.code)] = role.code
        self.accounts = {account.login: account for account in Account.objects.all()}
        self.posts: dict[tuple[int, int, str, int], list[Post]] = {}
        for post in Post.objects.filter(behalf=None).order_by("since", "id"):
            self.posts.setdefault((post.account_id, post.agency_id, post.role, post.place_id), []).append(post)


def _plain(text: str) -> str:
    return re.sub(r"[\s/·,，、>›-]+", "", text).casefold()


def plan(actor: Actor, rows: Sequence[Row]) -> Plan:
    """Return what the rows would make, change and end; call it inside ``acting()``."""
    known, made = _Known(actor), Plan()
    names: dict[str, tuple[int, str]] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        faults: list[str] = []
        login = _login(row, known, faults)
        name = row.cells.get("name", "")
        if not 0 < len(name) <= 60:
            faults.append(_("姓名应为 1 到 60 个字"))
        if login in names and names[login][1] != name:
            faults.append(_("同一个登录名在第 {row} 行写的是另一个姓名").format(row=names[login][0]))
        agency = _one(known.agencies, row.cells.get("agency", ""), _("单位"), faults)
        place = _one(known.places, row.cells.get("place", ""), _("地点"), faults)
        role = known.roles.get(_plain(row.cells.get("role", "")), "")
        if not role:
            faults.append(_("岗位只能是：{roles}").format(roles=listed(r.title for r in directory.GIVEN)))
        if place and not known.actor.low <= known.paths[place][0] < known.actor.high:
            faults.append(_("“{place}”不在您的管辖范围里").format(place=known.paths[place][1]))
        since, until = (_date(row.cells.get(code, ""), faults) for code in ("since", "until"))
        if since and until and until <= since:
            faults.append(_("停用日期应晚于起始日期"))
        key = (login, agency, role, place)
        if not faults and key in seen:
            faults.append(_("和第 {row} 行是同一个岗位").format(row=seen[key]))
        if faults:
            made.faults += [(row.number, fault) for fault in faults]
            continue
        seen[key] = row.number
        first = login not in names
        names.setdefault(login, (row.number, name))
        _steps(
            made,
            known,
            row,
            login if first else "",
            (login, name, int(agency or 0), role, int(place or 0), since, until),
        )
    return made


def _login(row: Row, known: _Known, faults: list[str]) -> str:
    login = row.cells.get("login", "").strip().casefold()
    if not directory.LOGIN.fullmatch(login):
        faults.append(_("登录名应为 2 到 60 个字母、数字或汉字"))
    elif login in _SYSTEM:
        faults.append(_("“{login}”是系统自己的账号").format(login=login))
    elif (held := known.accounts.get(login)) and not held.active:
        faults.append(_("账号“{login}”已停用，请先启用").format(login=login))
    return login


def _one(known: Mapping[str, set[int]], text: str, what: str, faults: list[str]) -> int | None:
    found = known.get(_plain(text), set()) if text else set()
    if len(found) == 1:
        return next(iter(found))
    if found:
        faults.append(
            _("叫“{text}”的{what}有 {count} 个，请写代码，或连同上级一起写").format(
                text=text[:30], what=what, count=len(found)
            )
        )
    else:
        faults.append(_("没有叫“{text}”的{what}").format(text=text[:30], what=what))
    return None


def _date(text: str, faults: list[str]) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        faults.append(_("“{text}”不是日期，应写成 2026-11-23 或 2026年11月23日").format(text=text[:30]))
        return None


def _steps(made: Plan, known: _Known, row: Row, first: str, said: tuple[Any, ...]) -> None:
    """Add what one good row changes; ``first`` is the login where the row is the first of its account."""
    login, name, agency, role, place, since, until = said
    account, before = known.accounts.get(login), len(made.steps)
    if first and account is None:
        made.steps.append(Step(row.number, "account", login, _("新建账号：{name}").format(name=name), (login, name)))
    elif first and account and account.name != name:
        text = _("改姓名：{old} → {name}").format(old=account.name, name=name)
        made.steps.append(Step(row.number, "name", login, text, (account.pk, name)))
    title = f"{known.agency_titles[agency]} · {ROLES[role].title} · {known.paths[place][1]}"
    held = known.posts.get((account.pk, agency, role, place), []) if account else []
    last = held[-1] if held else None
    if last is None or (last.until and since and since >= last.until):
        begins = since or known.today
        text = _("新增岗位：{title}，{since} 起").format(title=title, since=begins.isoformat())
        if until:
            text += _("，{until} 停用").format(until=until.isoformat())
        made.steps.append(Step(row.number, "post", login, text, (login, agency, role, place, begins, until)))
    elif since and since not in {post.since for post in held}:
        text = _("这个岗位从 {since} 起已经有了，起始日期不能改").format(since=last.since.isoformat())
        made.faults.append((row.number, text))
    elif until and until not in {post.until for post in held}:
        if until <= last.since:
            made.faults.append((row.number, _("停用日期应晚于起始日期 {since}").format(since=last.since.isoformat())))
        else:
            word = _("停用岗位：{title}，{until} 起") if until <= known.today else _("改停用日期：{title}，{until} 起")
            text = word.format(title=title, until=until.isoformat())
            made.steps.append(Step(row.number, "until", login, text, (last.pk, until)))
    elif last.until and last.until <= known.today and not since:
        text = _("{title} 已于 {until} 停用；要重新启用请写起始日期").format(title=title, until=last.until.isoformat())
        made.remarks.append((row.number, text))
    if len(made.steps) == before:
        made.same += 1


# --- doing it -------------------------------------------------------------------------------------------------------


def carry_out(actor: Actor, rows: Sequence[Row], digest: str) -> tuple[Plan, list[Link]]:
    """Do all that the plan of this digest says, or nothing; return it and the links of the new accounts.

    Raises Moved where the directory has changed since, PeopleFault where a row does not go through after all.
    """
    links: list[Link] = []
    with acting(actor):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        found = plan(actor, rows)
        if found.faults or found.digest != digest:
            raise Moved(found)
        fresh: dict[str, int] = {}
        for step in found.steps:
            try:
                _do(actor, step, fresh)
            except (Absent, Invalid) as refused:
                said = _("第 {row} 行没有办成，所以什么都没有导入：{why}")
                raise PeopleFault(said.format(row=step.row, why=str(refused))) from refused
        for step in found.steps:
            if step.kind == "account":
                secret = passwords.make_link(actor, fresh[step.login], first=True)
                links.append(Link(step.login, step.values[1], secret))
    return found, links


def _do(actor: Actor, step: Step, fresh: dict[str, int]) -> None:
    match step.kind:
        case "account":
            login, name = step.values
            fresh[login] = directory.add_account(actor, login, name)
        case "name":
            directory.rename_account(actor, *step.values)
        case "post":
            login, agency, role, place, since, until = step.values
            account = fresh.get(login) or Account.objects.values_list("pk", flat=True).get(login=login)
            directory.add_post(actor, account, agency, role, place, since, until)
        case "until":
            directory.end_post(actor, *step.values)
