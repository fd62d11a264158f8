"""Commands that keep an installation: upgrade, backup, restore."""

import argparse
import os
from pathlib import Path
from typing import Any

from gongzhi.cli.database import database, django, hang_up, install_city
from gongzhi.cli.speak import FOUND, GOOD, leave, say, tell
from gongzhi.home import home
from gongzhi.tongue import told as _


def add(commands: Any) -> None:
    """Declare the commands."""
    upgrade = commands.add_parser("upgrade", help=_("先备份，再把数据库升级到这个版本，并作检查"))
    upgrade.add_argument("--no-backup", action="store_true", help=_("不先备份：已经另外备份过"))
    upgrade.set_defaults(run=run_upgrade)
    backup = commands.add_parser("backup", help=_("把数据库和附件备份成一个文件；密钥文件要另外保存"))
    backup.add_argument("file", type=Path)
    backup.add_argument("--json", action="store_true")
    backup.set_defaults(run=run_backup)
    back = commands.add_parser("restore", help=_("把备份恢复到一个空的安装"))
    back.add_argument("file", type=Path)
    back.add_argument("--json", action="store_true")
    back.set_defaults(run=run_restore)


def run_upgrade(chosen: argparse.Namespace) -> int:
    """Back up, bring the database to this release, check it."""
    from gongzhi.cli.inspecting import findings  # noqa: PLC0415

    with database():
        django()
        if not chosen.no_backup and _behind():
            kept = home() / "backups"
            kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            _save(_fresh(kept))
        install_city(accounts=False)
        found = findings()
        hang_up()
    for finding in found:
        say(f"{finding['id']} {finding['text']}\n  {finding['hint']}")
    say(_("数据库已是这个版本。") if not found else _("检查发现 {count} 处问题。").format(count=len(found)))
    return GOOD if not found else FOUND


def _behind() -> bool:
    """Return whether there is a database, and it is not of this release yet."""
    from django.db import connections  # noqa: PLC0415
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415

    from gongzhi.kernel.install import installed  # noqa: PLC0415

    owner = connections["owner"]
    if "register" not in owner.introspection.table_names():
        return False
    executor = MigrationExecutor(owner)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes())) or not installed()


def _fresh(folder: Path) -> Path:
    from django.utils import timezone  # noqa: PLC0415

    return folder / f"before-upgrade-{timezone.localtime():%Y%m%d-%H%M%S}.tar"


def _save(target: Path) -> dict[str, Any]:
    from gongzhi.kernel.install.backup import BackupError, save  # noqa: PLC0415

    try:
        made = save(target.absolute(), os.environ["DATABASE_OWNER_URL"])
    except BackupError as error:
        leave(str(error))
    say(
        _("已备份到 {path}：记录 {records:,} 条，条目 {entries:,} 条。").format(
            path=target, records=made["records"], entries=made["entries"]
        )
    )
    return made


def run_backup(chosen: argparse.Namespace) -> int:
    """Write everything but the keys to one file."""
    from gongzhi.kernel.keyring import place  # noqa: PLC0415

    with database():
        django()
        if not _installed():
            leave(_("这里还没有数据库，没有可以备份的内容。"))
        made = _save(chosen.file)
        say(
            _("密钥（{path}）不在备份里。请另外保存一份，与备份分开放：没有它，备份里的内容打不开。").format(
                path=place()
            )
        )
        hang_up()
    if chosen.json:
        tell({"file": str(chosen.file), "records": made["records"], "entries": made["entries"], "at": made["at"]})
    return GOOD


def _installed() -> bool:
    from django.db import connections  # noqa: PLC0415

    return "register" in connections["owner"].introspection.table_names()


def run_restore(chosen: argparse.Namespace) -> int:
    """Bring a backup into an empty installation."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")
    from gongzhi.cli.inspecting import findings  # noqa: PLC0415

    with database():
        django()
        from gongzhi.kernel.install.backup import BackupError, manifest_of, restore  # noqa: PLC0415

        try:
            _same_city(manifest_of(chosen.file.absolute())["city"])
            made = restore(chosen.file.absolute(), os.environ["DATABASE_OWNER_URL"])
        except BackupError as error:
            leave(str(error))
        install_city(accounts=False)
        found = findings()
        hang_up()
    say(
        _("已恢复：记录 {records:,} 条，条目 {entries:,} 条。所有人需要重新登录。").format(
            records=made["records"], entries=made["entries"]
        )
    )
    for finding in found:
        say(f"{finding['id']} {finding['text']}\n  {finding['hint']}")
    if chosen.json:
        tell({"records": made["records"], "entries": made["entries"], "at": made["at"], "findings": found})
    return GOOD if not found else FOUND


def _same_city(code: str) -> None:
    from django.conf import settings  # noqa: PLC0415

    if code != settings.CITY:
        leave(_("这个备份是城市“{code}”的。请设置 GONGZHI_CITY={code} 后再恢复。").format(code=code))
