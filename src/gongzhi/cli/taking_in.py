"""Commands that take matters in: intake import, real."""

import argparse
import os
from pathlib import Path
from typing import Any

from gongzhi.cli.database import database, django, hang_up, install_city
from gongzhi.cli.running import serve_everything
from gongzhi.cli.speak import GOOD, bar, leave, say, table, tell


def add(commands: Any) -> None:
    """Declare the commands."""
    real = commands.add_parser("real", help="载入真实诉求（GONGZHI_DATA 指定的文件夹）并打开平台")
    real.add_argument("--port", type=int, default=8000)
    real.add_argument("--limit", type=int, help="只载入前若干条")
    real.add_argument("--no-serve", action="store_true", help="载入后结束，不打开平台")
    real.add_argument("--json", action="store_true")
    real.set_defaults(run=run_real)
    intake = commands.add_parser("intake", help="受理").add_subparsers(dest="what", required=True, metavar="操作")
    load = intake.add_parser("import", help="导入表格(XLSX、CSV)")
    load.add_argument("file", type=Path)
    load.add_argument("--service", required=True)
    load.add_argument("--map", help="映射文件(TOML),或内置映射的名称；不写就按业务自己的列名读取")
    load.add_argument("--post", help="以哪个账号的岗位导入（登录名）,默认为受理员的第一个岗位")
    load.add_argument("--json", action="store_true")
    load.set_defaults(run=run_import)
    compare = intake.add_parser("compare", help="把文件自己的说法（地点、期限、是否超期）同导入后的记录比较")
    compare.add_argument("file", type=Path)
    compare.add_argument("--map", required=True, help="映射文件(TOML),或内置映射的名称")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=run_compare)


def run_real(chosen: argparse.Namespace) -> int:
    """Carry the real messages through the platform, and show what came of it."""
    folder = os.environ.get("GONGZHI_DATA")
    if not folder:
        leave("请设置 GONGZHI_DATA 为存放真实数据的文件夹，例如 GONGZHI_DATA=../shared/data make real。")
    with database() as server:
        django()
        from gongzhi.intake import real  # noqa: PLC0415
        from gongzhi.intake.crew import NoCrew  # noqa: PLC0415

        install_city(accounts=True)
        try:
            report = real.load(Path(folder), limit=chosen.limit, progress=bar("载入真实诉求"))  # type: ignore[arg-type]
        except (real.NoData, NoCrew) as error:
            leave(str(error))
        hang_up()
        rows = [
            ("读取", f"{report.read:,}"), ("新载入", f"{report.loaded:,}"), ("已有，未改变", f"{report.unchanged:,}"),
            ("未能载入", f"{len(report.refused):,}"), ("已答复", f"{report.answered:,}"),
            ("答复时已超期", f"{report.late:,}"), ("已评价", f"{report.rated:,}"), ("要求重办", f"{report.reopened:,}"),
            ("派单把握不大", f"{report.unsure:,}"), ("用时（秒）", f"{report.seconds}"),
        ]  # fmt: skip
        say(table(("真实诉求", "件数"), rows))
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
            result = importing.run(chosen.file, chosen.service, table_of, actor=actor, progress=bar("导入"))
        except (mapping.MappingError, importing.ImportFault) as error:
            leave(str(error))
        finally:
            hang_up()
    say(
        f"读取 {result.read:,} 行，导入 {result.loaded:,}，未改变 {result.unchanged:,}，隔离 {result.quarantined:,}，用时 {result.seconds} 秒。"
    )
    if result.quarantine:
        say(f"未能导入的行和原因在：{result.quarantine}")
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
        ("读取", f"{made.read:,}"), ("找到记录", f"{made.found:,}"),
        ("有地点（按名称、按位置）", f"{made.by_name:,} + {made.by_point:,} = {made.placed:.2%}"),
        ("没有地点，记在全市", f"{made.whole_city:,}"),
        ("文件给出期限", f"{made.targets:,}"), ("期限一致", f"{made.targets_agree:,} = {said['share_targets']:.2%}"),
        ("文件说明是否超期", f"{made.judged:,}"), ("是否超期一致", f"{made.agreeing:,} = {said['share_late']:.2%}"),
        *((f"文件 / 记录：{name}", f"{number:,}") for name, number in said["late"].items()),
    ]  # fmt: skip
    say(table(("比较", "行数"), rows))
    for kind, numbers in made.differing.items():
        say(f"  {kind}: 第 {'、'.join(map(str, numbers))} 行")
    if chosen.json:
        tell(said)
    return GOOD
