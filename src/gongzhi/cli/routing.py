"""Commands of routing: train, evaluate, serve. Only ``train --city`` needs a database."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gongzhi.cli.database import database, django, hang_up, install_city
from gongzhi.cli.speak import GOOD, bar, complain, leave, say, table, tell
from gongzhi.tongue import listed
from gongzhi.tongue import told as _

LABELLED = "citizen-messages.csv.gz"
"""The file of labelled messages in the folder of real data."""
_SHOWN = 12


def add(commands: Any) -> None:
    """Declare the commands."""
    what = commands.add_parser("routing", help=_("派单建议：训练、评测、使用")).add_subparsers(
        dest="what", required=True, metavar=_("操作")
    )
    train = what.add_parser("train", help=_("用已分好类的留言训练本市的模型"))
    train.add_argument("file", type=Path, nargs="?", help=_("CSV 或 CSV.gz，列 label、title、detail，可有 group"))
    train.add_argument("--city", action="store_true", help=_("用本市已经派单的诉求训练（需要数据库）"))
    train.add_argument("--out", type=Path, help=_("模型写到哪个文件，默认为本市正在使用的模型"))
    train.add_argument("--json", action="store_true")
    train.set_defaults(run=run_train)
    evaluate = what.add_parser("evaluate", help=_("用一个文件训练，用另一个文件评测，不改变本市的模型"))
    evaluate.add_argument("--train", type=Path, required=True)
    evaluate.add_argument("--test", type=Path, help=_("不写时按 group 分成五份，轮流训练和评测"))
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=run_evaluate)
    serve = what.add_parser("serve", help=_("从标准输入逐行读 JSON {title, detail}，逐行写出建议"))
    serve.add_argument("--model", type=Path, help=_("用哪个模型文件，默认为本市正在使用的模型"))
    serve.set_defaults(run=run_serve)


def _without_database() -> None:
    os.environ.setdefault("DATABASE_URL", "")
    django()


def run_train(chosen: argparse.Namespace) -> int:
    """Train a model and put it in the place of the city's."""
    if (chosen.file is None) == (not chosen.city):
        leave(_("请写明用哪个文件训练，或写 --city 用本市的诉求训练，二者选一。"))
    if chosen.city:
        with database():
            django()
            from gongzhi.intake.crew import NoCrew  # noqa: PLC0415
            from gongzhi.intake.learning import truth  # noqa: PLC0415

            install_city(accounts=False)
            try:
                examples = truth.from_city()
            except NoCrew as error:
                leave(str(error))
            finally:
                hang_up()
        return _train(chosen, examples)
    _without_database()
    return _train(chosen, _read(chosen.file))


def _read(path: Path) -> Any:
    from gongzhi.intake.learning.examples import UnfitFile, from_file  # noqa: PLC0415

    try:
        return from_file(path)
    except UnfitFile as error:
        leave(str(error))


def _train(chosen: argparse.Namespace, examples: Any) -> int:
    from gongzhi.intake.learned import in_taxonomy, model_file  # noqa: PLC0415
    from gongzhi.intake.learning.examples import UnfitFile  # noqa: PLC0415
    from gongzhi.intake.learning.training import train  # noqa: PLC0415

    try:
        made = train(examples, progress=bar(_("训练")))
    except UnfitFile as error:
        leave(str(error))
    path = chosen.out or model_file()
    try:
        made.save(path)
    except OSError as error:
        leave(_("模型写不到 {path}：{error}。").format(path=path, error=error.strerror))
    _show(made.about)
    strange = sorted(set(made.labels) - in_taxonomy(made.labels).keys())
    if strange:
        complain(
            _("本市的类别表里没有{labels}：这些类别不会用来建议。").format(
                labels=listed(f"“{one}”" for one in strange[:_SHOWN])
            )
        )
    say(_("模型 {name} 已写到 {path}。").format(name=made.name[:8], path=path))
    if chosen.json:
        tell({"model": made.name, "file": str(path), "seconds": made.about["seconds"], **_told(made.about)})
    return GOOD


def train_on(folder: Path) -> None:
    """Give the city a model of the folder's labelled messages, where it has them and the city has no model yet."""
    from gongzhi.intake.learned import model_file  # noqa: PLC0415
    from gongzhi.intake.learning.examples import from_file  # noqa: PLC0415
    from gongzhi.intake.learning.training import train  # noqa: PLC0415

    path = folder / LABELLED
    if path.is_file() and not model_file().exists():
        made = train(from_file(path), progress=bar(_("训练")))
        made.save(model_file())
        say(_("模型 {name} 已写到 {path}。").format(name=made.name[:8], path=model_file()))


def _told(about: Any) -> dict[str, Any]:
    return {
        name: about[name] for name in ("macro_f1", "accuracy", "per_class", "ece", "threshold", "messages", "groups")
    }


def _show(about: Any) -> None:
    rows = [
        (label, f"{one['messages']:,}", f"{one['precision']:.3f}", f"{one['recall']:.3f}", f"{one['f1']:.3f}")
        for label, one in about["per_class"].items()
    ]
    say(table((_("类别"), _("留言"), _("查准率"), _("查全率"), "F1"), rows))
    say(
        _("宏平均 F1 {f1:.4f}，正确率 {accuracy:.4f}，把握误差（ECE）{ece:.4f}。").format(
            f1=about["macro_f1"], accuracy=about["accuracy"], ece=about["ece"]
        )
    )


def run_evaluate(chosen: argparse.Namespace) -> int:
    """Measure what a file teaches on messages of another, or on its own with groups kept together."""
    _without_database()
    from gongzhi.intake.learning.examples import UnfitFile  # noqa: PLC0415
    from gongzhi.intake.learning.measuring import evaluate  # noqa: PLC0415

    learn = _read(chosen.train)
    test = _read(chosen.test) if chosen.test else None
    try:
        made = evaluate(learn, test, progress=bar(_("训练")))
    except UnfitFile as error:
        leave(str(error))
    for note in made.pop("notes"):
        complain(note)
    _show(made)
    say(_("每秒 {rate:,.0f} 条。").format(rate=made["messages_per_second"]))
    if chosen.json:
        tell(made)
    return GOOD


def run_serve(chosen: argparse.Namespace) -> int:
    """Answer each line with proposals; a line that cannot be read is answered with a sentence, and the next one is read."""
    _without_database()
    from gongzhi.intake import learned  # noqa: PLC0415
    from gongzhi.intake.learning.model import BadModel, load  # noqa: PLC0415

    path = chosen.model or learned.model_file()
    if not path.exists():
        leave(_("还没有模型。请先运行 gongzhi routing train 文件。"))
    try:
        model = load(path)
    except BadModel as error:
        leave(str(error))
    held = learned.Serving(model, learned.in_taxonomy(model.labels))
    router = learned.LearnedRouter(lambda: held)
    for line in sys.stdin:
        if line.strip():
            tell(_answer(router, held.name, line))
    return GOOD


def _answer(router: Any, model: str, line: str) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        asked = json.loads(line)
        title, detail = str(asked.get("title") or ""), str(asked.get("detail") or "")
    except (ValueError, AttributeError):
        return {"error": _('这一行不是 JSON 对象。请写成 {"title": "…", "detail": "…"}。')}
    return {
        "model": model,
        "proposals": [
            {
                "category": one.category, "agency": one.agency_code, "confidence": one.confidence, "sure": one.sure,
                "path": [{"code": level.code, "title": level.title, "confidence": level.confidence} for level in one.path],
                "words": [{"word": word, "weight": weight} for word, weight in one.words], "reasons": list(one.reasons),
            }
            for one in router.propose(title, detail, 3)
        ],
        "ms": round(1000 * (time.perf_counter() - started), 2),
    }  # fmt: skip
