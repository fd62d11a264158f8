"""Commands that look: check, db, services, kernel show."""

import argparse
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gongzhi.cli.database import database, django, hang_up
from gongzhi.cli.speak import FOUND, GOOD, complain, leave, say, table, tell
from gongzhi.home import home
from gongzhi.postgres.errors import PostgresError
from gongzhi.postgres.server import Server
from gongzhi.postgres.wheel import binary
from gongzhi.tongue import listed
from gongzhi.tongue import told as _

_ROWS = ("select", "with", "values", "table")


def add(commands: Any) -> None:
    """Declare the commands."""
    check = commands.add_parser("check", help=_("检查声明、数据库和密钥"))
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=run_check)
    db = commands.add_parser("db", help=_("数据库")).add_subparsers(dest="what", required=True, metavar=_("操作"))
    address = db.add_parser("url", help=_("打印应用角色的数据库地址"))
    address.set_defaults(run=run_url)
    sql = db.add_parser("sql", help=_("用 psql 执行一条语句"))
    sql.add_argument("text")
    sql.add_argument("--as", dest="role", choices=("owner", "app"), default="app")
    sql.add_argument("--json", action="store_true")
    sql.set_defaults(run=run_sql)
    services = commands.add_parser("services", help=_("列出业务"))
    services.add_argument("--json", action="store_true")
    services.set_defaults(run=run_services)
    kernel = commands.add_parser("kernel", help=_("内核")).add_subparsers(dest="what", required=True, metavar=_("操作"))
    show = kernel.add_parser("show", help=_("打印一个动作的数据库函数"))
    show.add_argument("service")
    show.add_argument("action")
    show.set_defaults(run=run_show)


def findings() -> list[dict[str, str]]:
    """Return what is wrong with declarations, database and keys: id, text, hint."""
    from django.core.checks import run_checks  # noqa: PLC0415
    from django.db.utils import Error  # noqa: PLC0415

    from gongzhi.kernel.install import installed  # noqa: PLC0415
    from gongzhi.kernel.keys import KeyFileError, keyring  # noqa: PLC0415

    found = [
        {"id": message.id or "", "text": message.msg, "hint": message.hint or ""}
        for message in run_checks()
        if not message.is_silenced()
    ]
    try:
        if not installed():
            found.append(
                {"id": "gongzhi.E101", "text": _("数据库不是这个版本的。"), "hint": _("请运行 gongzhi upgrade。")}
            )
    except Error as error:
        found.append(
            {
                "id": "gongzhi.E102",
                "text": _("数据库不能使用：{error}").format(error=str(error).strip()),
                "hint": _("请先运行 gongzhi init。"),
            }
        )
    try:
        keyring()
    except KeyFileError as error:
        found.append({"id": "gongzhi.E103", "text": str(error), "hint": _("从备份中放回密钥文件。")})
    return found


def run_check(chosen: argparse.Namespace) -> int:
    """Check everything that can be checked without changing anything."""
    with database():
        django()
        found = findings()
        hang_up()
    for finding in found:
        say(f"{finding['id']} {finding['text']}\n  {finding['hint']}")
    if chosen.json:
        tell({"ok": not found, "findings": found})
    elif not found:
        say(_("没有发现问题。"))
    return FOUND if found else GOOD


def run_url(_other: argparse.Namespace) -> int:
    """Print the application's address."""
    with database():
        say(os.environ["DATABASE_URL"])
    return GOOD


def run_sql(chosen: argparse.Namespace) -> int:
    """Run one statement with psql, as the application or as the owner."""
    text = chosen.text.strip().rstrip("; \n")
    rows = text.split(None, 1)[0].casefold() in _ROWS or " returning " in text.casefold() if text else False
    if chosen.json and rows:
        text = f"WITH q AS (\n{text}\n) SELECT coalesce(json_agg(q), '[]') FROM q"
    with database():
        address = os.environ["DATABASE_OWNER_URL" if chosen.role == "owner" else "DATABASE_URL"]
        style = ["-A", "-t", "-q"] if chosen.json else []
        done = subprocess.run(
            [str(binary("psql")), "-X", "-v", "ON_ERROR_STOP=1", *style, "-d", address, "-c", text],
            capture_output=True, text=True, env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        )  # fmt: skip
    if done.returncode:
        leave(done.stderr.strip() or _("psql 失败"))
    if chosen.json:
        tell(json.loads(done.stdout) if rows else [])
    else:
        say(done.stdout.rstrip())
    return GOOD


def run_services(chosen: argparse.Namespace) -> int:
    """List the services; where there is no database yet, without counts."""
    with _database_if_any():
        django()
        listed = _services()
        hang_up()
    if chosen.json:
        tell(listed)
        return GOOD
    rows = [
        (
            str(row["code"]),
            str(row["title"]),
            str(row["desk"]),
            "-" if row["records"] is None else f"{row['records']:,}",
        )
        for row in listed
    ]
    say(table((_("代码"), _("业务"), _("工作台"), _("记录")), rows))
    return GOOD


@contextmanager
def _database_if_any() -> Iterator[None]:
    """Open the named database, or the embedded one if it was ever made; go on without where that cannot be had."""
    with ExitStack() as held:
        if os.environ.get("DATABASE_URL") or (Server(home()).data / "PG_VERSION").exists():
            try:
                held.enter_context(database())
            except PostgresError as error:
                complain(str(error))
        yield


def _services() -> list[dict[str, Any]]:
    from gongzhi.kernel.service import services  # noqa: PLC0415

    return [
        {
            "code": service.code, "title": service.title, "desk": service.desk,
            "stages": [stage.code for stage in service.procedure.stages],
            "actions": [action.code for action in service.procedure], "records": _count(service.code),
        }
        for service in services().values()
    ]  # fmt: skip


def _count(code: str) -> int | None:
    """Return how many records there are where a named database answers, None elsewhere."""
    if not os.environ.get("DATABASE_OWNER_URL"):
        return None
    from django.db.utils import Error  # noqa: PLC0415

    from gongzhi.kernel.models import Register  # noqa: PLC0415

    try:
        return int(Register.objects.using("owner").filter(service_code=code).count())
    except Error:
        return None


def run_show(chosen: argparse.Namespace) -> int:
    """Print an action's generated function."""
    os.environ.setdefault("DATABASE_URL", "")
    django()
    from gongzhi.kernel.generate import function  # noqa: PLC0415
    from gongzhi.kernel.service import services  # noqa: PLC0415

    service = services().get(chosen.service)
    if service is None:
        leave(_("没有业务“{service}”。现有：{known}。").format(service=chosen.service, known=listed(services())))
    action = service.procedure.by_code.get(chosen.action)
    if action is None:
        leave(
            _("业务“{title}”没有动作“{action}”。现有：{known}。").format(
                title=service.title, action=chosen.action, known=listed(service.procedure.by_code)
            )
        )
    say(function(service, action).text.rstrip())
    return GOOD
