"""Commands that take matters in: intake import, real."""

import argparse
import os
from pathlib import Path
from typing import Any

from gongzhi.cli.database import database, django, hang_up, install_city
from gongzhi.cli.routing import train_on
from gongzhi.cli.running import serve_everything
from gongzhi.cli.speak import GOOD, bar, leave, say, table, tell
from gongzhi.tongue import listed
from gongzhi.tongue import told as _


def add(commands: Any) -> None:
    """Declare the commands."""
    real = commands.add_parser("real", help=_("载入真实诉求（GONGZHI_DATA 指定的文件夹）并打开平台"))
    real.add_argument("--port", type=int, default=8000)
    real.add_argument("--limit", type=int, help=_("只载入前若干条"))
    real.add_argument("--no-serve", action="store_true", help=_("载入后结束，不打开平台"))
    real.add_argument("--json", action="store_true")
    real.set_defaults(run=run_real)
    intake = commands.add_parser("intake", help=_("受理")).add_subparsers(dest="what", required=True, metavar=_("操作"))
    load = intake.add_parser("import", help=_("导入表格(XLSX、CSV)"))
    load.add_argument("file", type=Path)
    load.add_argument("--service", required=True)
    load.add_argument("--map", help=_("映射文件（TOML），或内置映射的名称；不写就按业务自己的列名读取"))
    load.add_argument("--post", help=_("以哪个账号的岗位导入（登录名），默认为受理员的第一个岗位"))
    load.add_argument("--json", action="store_true")
    load.set_defaults(run=run_import)
    compare = intake.add_parser("compare", help=_("把文件自己的说法（地点、期限、是否超期）同导入后的记录比较"))
    compare.add_argument("file", type=Path)
    compare.add_argument("--map", required=True, help=_("映射文件（TOML），或内置映射的名称"))
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=run_compare)


def run_real(chosen: argparse.Namespace) -> int:
    """Carry the real messages through the platform, and show what came of it."""
    folder = os.environ.get("GONGZHI_DATA")
    if not folder:
        leave(_("请设置 GONGZHI_DATA 为存放真实数据的文件夹，例如 GONGZHI_DATA=../shared/data make real。"))
    with database() as server:
        django()
        from gongzhi.intake import real  # noqa: PLC0415
        from gongzhi.intake.crew import NoCrew  # noqa: PLC0415

        install_city(accounts=True)
        train_on(Path(folder))
        try:
            report = real.load(Path(folder), limit=chosen.limit, progress=bar(_("载入真实诉求")))  # type: ignore[arg-type]
        except (real.NoData, NoCrew) as error:
            leave(str(error))
        hang_up()
        rows = [
            (_("读取"), f"{report.read:,}"), (_("新载入"), f"{report.loaded:,}"), (_("已有，未改变"), f"{report.unchanged:,}"),
            (_("未能载入"), f"{len(report.refused):,}"), (_("已答复"), f"{report.answered:,}"),
            (_("答复时已超期"), f"{report.late:,}"), (_("已评价"), f"{report.rated:,}"), (_("要求重办"), f"{report.reopened:,}"),
            (_("派单把握不大"), f"{report.unsure:,}"), (_("用时（秒）"), f"{report.seconds}"),
        ]  # fmt: skip
        say(table((_("真实诉求"), _("件数")), rows))
        for line in report.refused[:10]:
            say(f"  {line}")
        if chosen.json:
            tell(report.as_dict())
        return GOOD if chosen.no_serve else serve_everything(chosen.port, server=server, sample=None)


def run_import(chosen: argparse.Namespace) -> int:
    """Import a spreadsheet through a mapping file."""
    with database():
        django()
        from gongzhi.intake import declared, importing, mapping  # noqa: PLC0415

        install_city(accounts=False)
        try:
            table_of = declared.table(chosen.map or chosen.service)
            actor = importing.actor_for(chosen.post)
            result = importing.run(chosen.file, chosen.service, table_of, actor=actor, progress=bar(_("导入")))
        except (mapping.MappingError, importing.ImportFault) as error:
            leave(str(error))
        finally:
            hang_up()
    say(
        _("读取 {read:,} 行，导入 {loaded:,}，未改变 {unchanged:,}，隔离 {quarantined:,}，用时 {seconds} 秒。").format(
            read=result.read,
            loaded=result.loaded,
            unchanged=result.unchanged,
            quarantined=result.quarantined,
            seconds=result.seconds,
        )
    )
    if result.quarantine:
        say(_("未能导入的行和原因在：{quarantine}").format(quarantine=result.quarantine))
    if chosen.json:
        tell(
            {"read": result.read, "loaded": result.loaded, "quarantined": result.quarantined,
             "unchanged": result.unchanged, "seconds": result.seconds}
        )  # fmt: skip
    return GOOD


def run_compare(chosen: argparse.Namespace) -> int:
    """Compare a file's own flags with the records that it became."""
    with database():
        django()
        from gongzhi.intake import comparing, importing, mapping  # noqa: PLC0415

        install_city(accounts=False)
        try:
            made = comparing.compare(chosen.file, mapping.load(chosen.map))
        except (mapping.MappingError, importing.ImportFault) as error:
            leave(str(error))
        finally:
            hang_up()
    said = made.as_dict()
    rows = [
        (_("读取"), f"{made.read:,}"), (_("找到记录"), f"{made.found:,}"),
        (_("有地点（按名称、按位置）"), f"{made.by_name:,} + {made.by_point:,} = {made.placed:.2%}"),
        (_("没有地点，记在全市"), f"{made.whole_city:,}"),
        (_("文件给出期限"), f"{made.targets:,}"), (_("期限一致"), f"{made.targets_agree:,} = {said['share_targets']:.2%}"),
        (_("文件说明是否超期"), f"{made.judged:,}"), (_("是否超期一致"), f"{made.agreeing:,} = {said['share_late']:.2%}"),
        *((_("文件 / 记录：{name}").format(name=name), f"{number:,}") for name, number in said["late"].items()),
    ]  # fmt: skip
    say(table((_("比较"), _("行数")), rows))
    for kind, numbers in made.differing.items():
        say(_("  {kind}：第 {known} 行").format(kind=kind, known=listed(map(str, numbers))))
    if chosen.json:
        tell(said)
    return GOOD
