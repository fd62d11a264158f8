"""Commands that prepare an installation: init, account password."""

import argparse
import getpass
import os
import sys
from typing import Any

from gongzhi.cli.database import SAMPLE_PASSWORD, database, django, hang_up, install_city
from gongzhi.cli.speak import GOOD, bar, leave, say, table
from gongzhi.tongue import later, listed, sense
from gongzhi.tongue import told as _


def add(commands: Any) -> None:
    """Declare the commands."""
    init = commands.add_parser("init", help=_("建立一座城市的数据库；再次运行不改变任何内容"))
    init.add_argument("--city", help=_("城市资料包的名称，或资料包文件夹的绝对路径；不写时用 GONGZHI_CITY"))
    init.add_argument(
        "--sample", choices=("none", "small", "city"), default="none", help=_("同时生成样例诉求和样例账号")
    )
    init.set_defaults(run=run_init)
    account = commands.add_parser("account", help=_("管理账号")).add_subparsers(
        dest="what", required=True, metavar=_("操作")
    )
    password = account.add_parser("password", help=_("为账号设置新密码；没有这个账号时建立一个管理员"))
    password.add_argument("login")
    password.set_defaults(run=run_password)


def run_init(chosen: argparse.Namespace) -> int:
    """Make the city's database."""
    if chosen.city:
        os.environ["GONGZHI_CITY"] = chosen.city
    with database():
        django()
        added = install_city(accounts=chosen.sample != "none")
        if any(added.values()):
            say(_("已建立：{what}").format(what=listed(f"{text} {added[name]:,}" for name, text in _ADDED.items())))
        elif chosen.sample == "none":
            say(_("已经是最新，没有改变。"))
        if chosen.sample != "none":
            load_sample(chosen.sample)
        hang_up()
    return GOOD


_ADDED = {"places": sense("counted", "地点"), "agencies": sense("counted", "单位"), "accounts": later("系统账号")}


def load_sample(size: str) -> None:
    """Generate the sample's requests, and play the city's scenes of the other services."""
    from gongzhi.intake import sample, scenes  # noqa: PLC0415

    made = sample.load(size, progress=bar(_("生成样例诉求")))  # type: ignore[arg-type]
    fresh = sum(count for stage, count in made.items() if stage not in ("unchanged", "refused"))
    say(_("样例诉求：新增 {fresh:,} 件。").format(fresh=fresh))
    acts = scenes.load(progress=bar(_("生成其他业务的样例")))
    say(_("其他业务的样例：新增 {acts:,} 次办理。").format(acts=acts))


def sample_accounts() -> str:
    """Return a table of the sample accounts of most use."""
    from django.conf import settings  # noqa: PLC0415

    from gongzhi.kernel.pack import load_pack  # noqa: PLC0415
    from gongzhi.kernel.roles import ROLES  # noqa: PLC0415

    pack = load_pack(settings.CITY)
    agencies = {agency.code: agency.short for agency in pack.agencies}
    rows: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for account in pack.accounts:
        post = account.posts[0]
        if post.role in seen and not (post.role == "handler" and len(rows) < 8):
            continue
        seen.add(post.role)
        rows.append((account.login, SAMPLE_PASSWORD, account.name, agencies[post.agency], ROLES[post.role].title))
    return table((_("账号"), _("密码"), _("姓名"), _("单位"), _("岗位")), rows)


def run_password(chosen: argparse.Namespace) -> int:
    """Set a password as the owner of the installation: the way in when nobody can sign in yet, or any more."""
    with database():
        django()
        install_city(accounts=False)
        from django.db import connections  # noqa: PLC0415
        from django.utils import timezone  # noqa: PLC0415

        from gongzhi.kernel.models import Account, Agency, Place, Post  # noqa: PLC0415
        from gongzhi.kernel.passwords import checked  # noqa: PLC0415
        from gongzhi.kernel.refusals import Invalid  # noqa: PLC0415

        typed = getpass.getpass(_("新密码：")) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        login = chosen.login.strip().casefold()
        try:
            kept = checked(typed, login)
        except Invalid as invalid:
            leave("".join(invalid.errors["password"]))
        account, fresh = Account.objects.using("owner").get_or_create(login=login, defaults={"name": login})
        if fresh:
            dispatch = Agency.objects.using("owner").filter(kind="dispatch").earliest("id")
            top = Place.objects.using("owner").get(parent=None)
            Post.objects.using("owner").create(
                account=account, agency=dispatch, role="admin", place=top, since=timezone.localdate()
            )
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "UPDATE account SET password = %s, active = true, epoch = epoch + 1 WHERE id = %s", [kept, account.pk]
            )
            cursor.execute("DELETE FROM sign_in_try WHERE login = %s", [login])
        hang_up()
    say(_("已为“{login}”设置密码。").format(login=login) + (_("这是新建的管理员账号。") if fresh else ""))
    return GOOD
