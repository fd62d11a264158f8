"""Commands on what ends: retention (what is due), erase."""

import argparse
from datetime import timedelta
from typing import Any

from gongzhi.cli.database import database, django, hang_up
from gongzhi.cli.speak import GOOD, leave, say, table, tell
from gongzhi.tongue import told as _


def add(commands: Any) -> None:
    """Declare the commands."""
    retention = commands.add_parser("retention", help=_("列出保存期限已满或将满的记录"))
    retention.add_argument("--days", type=int, default=31, help=_("今后多少天以内，默认 31"))
    retention.set_defaults(run=run_retention)
    erase = commands.add_parser("erase", help=_("销毁一条已办结记录的内容和个人信息，不能恢复"))
    erase.add_argument("number")
    erase.add_argument(
        "--because", required=True, choices=("period", "person", "court"), help=_("原因：期满、本人要求、法院决定")
    )
    erase.set_defaults(run=run_erase)
    for command in (retention, erase):
        command.add_argument("--json", action="store_true")


def run_retention(chosen: argparse.Namespace) -> int:
    """List what is due to be erased."""
    if not 0 <= chosen.days <= 36_600:
        leave(_("天数应在 0 到 36600 之间。"))
    with database():
        django()
        from django.utils import timezone  # noqa: PLC0415

        from gongzhi.kernel.dates import day  # noqa: PLC0415
        from gongzhi.kernel.erasure import ending  # noqa: PLC0415
        from gongzhi.kernel.service import service  # noqa: PLC0415

        found = list(ending(timezone.now() + timedelta(days=chosen.days)))
        rows = [
            (one.number, str(service(one.service).title), day(one.closed_at), day(one.ends_at), day(one.held_until))
            for one in found
        ]
        today = timezone.localdate()
        held = sum(one.held_until is not None and one.held_until >= today for one in found)
        hang_up()
    if rows:
        say(table((_("编号"), _("业务"), _("办结日期"), _("保存期限"), _("暂缓销毁到")), rows))
    say(_("今后 {days} 天以内有 {count:,} 条记录的保存期限届满。").format(days=chosen.days, count=len(rows)))
    say(_("其中 {count:,} 条正在暂缓销毁；其余到期后由后台自动销毁。").format(count=held))
    if chosen.json:
        tell(
            [
                {"number": o.number, "service": o.service, "closed_at": o.closed_at, "ends_at": o.ends_at, "held_until": o.held_until}
                for o in found
            ]
        )  # fmt: skip
    return GOOD


def run_erase(chosen: argparse.Namespace) -> int:
    """Erase one closed record."""
    with database():
        django()
        from gongzhi.kernel.erasure import erase  # noqa: PLC0415
        from gongzhi.kernel.refusals import Absent, Invalid  # noqa: PLC0415

        try:
            erase(chosen.number, chosen.because)
        except Absent:
            leave(_("没有编号为“{number}”的记录，或它已经销毁。").format(number=chosen.number[:40]))
        except Invalid as error:
            leave(" ".join(text for texts in error.errors.values() for text in texts))
        finally:
            hang_up()
    say(_("{number} 的内容和个人信息已销毁，不能恢复。").format(number=chosen.number.strip().upper()))
    if chosen.json:
        tell({"erased": chosen.number.strip().upper()})
    return GOOD
