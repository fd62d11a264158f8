"""Commands on the master key: keys list, rotate, rewrap, drop, protect."""

import argparse
from collections.abc import Callable
from typing import Any

from gongzhi.cli.database import database, django, hang_up
from gongzhi.cli.speak import GOOD, bar, leave, say, table, tell
from gongzhi.tongue import told as _


def add(commands: Any) -> None:
    """Declare the commands."""
    keys = commands.add_parser("keys", help=_("主密钥：查看、更换、销毁")).add_subparsers(
        dest="what", required=True, metavar=_("操作")
    )
    listing = keys.add_parser("list", help=_("列出主密钥，以及各自封装了多少个密钥"))
    listing.set_defaults(run=run_list)
    rotate = keys.add_parser("rotate", help=_("换一把新的主密钥，并重新封装所有密钥；平台不用停"))
    rotate.set_defaults(run=run_rotate)
    rewrap = keys.add_parser("rewrap", help=_("继续没有做完的重新封装"))
    rewrap.set_defaults(run=run_rewrap)
    drop = keys.add_parser("drop", help=_("销毁一把旧的主密钥：它封装过的备份再也打不开"))
    drop.add_argument("id")
    drop.set_defaults(run=run_drop)
    protect = keys.add_parser("protect", help=_("让密钥管理系统（GONGZHI_KMS）封装密钥文件里的密钥"))
    protect.set_defaults(run=run_protect)
    for command in (listing, rotate, rewrap, drop, protect):
        command.add_argument("--json", action="store_true")


def _with(work: Callable[[], Any]) -> Any:
    with database():
        django()
        from gongzhi.kernel.keys import KeysError  # noqa: PLC0415
        from gongzhi.kernel.rotation import StillUsed  # noqa: PLC0415

        try:
            return work()
        except (KeysError, StillUsed) as error:
            leave(str(error))
        finally:
            hang_up()


def run_list(chosen: argparse.Namespace) -> int:
    """List the master keys."""

    def work() -> Any:
        from gongzhi.kernel.rotation import masters  # noqa: PLC0415

        return masters()

    held = _with(work)
    rows = [
        (one.id, _("使用中") if one.current else "", one.since.isoformat() if one.since else "", f"{one.wrapped:,}")
        for one in held
    ]
    say(table((_("编号"), _("状态"), _("启用日期"), _("封装的密钥")), rows))
    if chosen.json:
        tell([{"id": one.id, "current": one.current, "since": one.since, "wrapped": one.wrapped} for one in held])
    return GOOD


def run_rotate(chosen: argparse.Namespace) -> int:
    """Put a new master key in use."""

    def work() -> Any:
        from gongzhi.kernel.rotation import rotate  # noqa: PLC0415

        return rotate(bar(_("重新封装")))

    return _done(chosen, _with(work))


def run_rewrap(chosen: argparse.Namespace) -> int:
    """Go on with what a rotation has left."""

    def work() -> Any:
        from gongzhi.kernel.rotation import rewrap  # noqa: PLC0415

        return rewrap(bar(_("重新封装")))

    return _done(chosen, _with(work))


def _done(chosen: argparse.Namespace, done: dict[str, int]) -> int:
    say(_("重新封装了 {count:,} 个密钥。请把新的密钥文件另外保存一份。").format(count=sum(done.values())))
    if chosen.json:
        tell({"rewrapped": sum(done.values()), "tables": done})
    return GOOD


def run_protect(chosen: argparse.Namespace) -> int:
    """Let the KMS wrap what stands plain in the key file."""

    def work() -> Any:
        from gongzhi.kernel.keyring import protect  # noqa: PLC0415

        return protect()

    count = _with(work)
    say(_("密钥管理系统封装了 {count} 把密钥。另存的旧密钥文件仍是明文，请一并处理。").format(count=count))
    if chosen.json:
        tell({"protected": count})
    return GOOD


def run_drop(chosen: argparse.Namespace) -> int:
    """Take an old master key out of the file."""

    def work() -> Any:
        from gongzhi.kernel.rotation import drop  # noqa: PLC0415

        drop(chosen.id)

    _with(work)
    say(_("主密钥 {id} 已从密钥文件中删除。另存的密钥文件里也要删除它，否则旧备份仍能打开。").format(id=chosen.id))
    if chosen.json:
        tell({"dropped": chosen.id})
    return GOOD
