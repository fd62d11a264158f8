"""Commands on the ledger: ledger seal, verify, export, prove, check-proof, key."""

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gongzhi.cli.database import database, django, hang_up
from gongzhi.cli.speak import FOUND, GOOD, leave, say, tell
from gongzhi.kernel.seals.merkle import ProofError
from gongzhi.kernel.seals.notes import Checkpoint, NoteError, Verifier, opened
from gongzhi.tongue import later
from gongzhi.tongue import told as _

_SEALED = later("连封存期未满的查看一起写出：只给受同样保密约束的审计人员")


def add(commands: Any) -> None:
    """Declare the commands."""
    ledger = commands.add_parser("ledger", help=_("账本：封存、核对、证明")).add_subparsers(
        dest="what", required=True, metavar=_("操作")
    )
    seal = ledger.add_parser("seal", help=_("封存已提交的账，签发检查点"))
    verify = ledger.add_parser("verify", help=_("核对账本、封条和登记；发现改动时退出码为 1"))
    verify.add_argument("--state", action="store_true", help=_("重算每条记录，找出绕过账本改动的登记"))
    verify.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar=_("检查点"),
        help=_("外部保存的检查点文件，可以写多次"),
    )
    export = ledger.add_parser("export", help=_("把封存的账写成一个文件，供外部核对"))
    export.add_argument("file", type=Path)
    export.add_argument("--sealed", action="store_true", help=_SEALED)
    prove = ledger.add_parser("prove", help=_("为一条记录出具证明"))
    prove.add_argument("number")
    prove.add_argument("--sealed", action="store_true", help=_SEALED)
    prove.add_argument("--to", type=Path, help=_("写到这个文件，不写就打印"))
    check = ledger.add_parser("check-proof", help=_("只用公钥核对证明或导出的账本，不需要数据库"))
    check.add_argument("file", type=Path)
    check.add_argument("--key", required=True, help=_("公钥，或存放公钥的文件"))
    key = ledger.add_parser("key", help=_("打印签发检查点的公钥"))
    key.add_argument("--rotate", action="store_true", help=_("换一把新的签发密钥，旧公钥仍可核对"))
    for command, run in ((seal, run_seal), (verify, run_verify), (export, run_export), (prove, run_prove), (check, run_check), (key, run_key)):  # fmt: skip
        command.add_argument("--json", action="store_true")
        command.set_defaults(run=run)


def run_seal(chosen: argparse.Namespace) -> int:
    """Seal what was committed."""
    with database():
        django()
        from gongzhi.kernel.keys import KeyFileError  # noqa: PLC0415
        from gongzhi.kernel.seals.sealing import SealError, seal  # noqa: PLC0415

        try:
            made = seal()
        except (SealError, KeyFileError) as error:
            leave(str(error))
        hang_up()
    size = made.checkpoint.size if made.checkpoint else 0
    say(_("新封存 {entries:,} 笔，共 {size:,} 笔。").format(entries=made.entries, size=size))
    if chosen.json:
        tell({"entries": made.entries, "sealed": size, "checkpoint": made.checkpoint.note if made.checkpoint else None})
    return GOOD


def run_verify(chosen: argparse.Namespace) -> int:
    """Check the ledger against its seals, and against checkpoints from outside."""
    with database():
        django()
        from gongzhi.kernel.keys import KeyFileError  # noqa: PLC0415
        from gongzhi.kernel.seals.replay import replay  # noqa: PLC0415
        from gongzhi.kernel.seals.signing import seal_keys  # noqa: PLC0415
        from gongzhi.kernel.seals.verifying import verify  # noqa: PLC0415

        try:
            keys = seal_keys().verifiers
        except KeyFileError as error:
            leave(str(error))
        report = verify(keys, _outside(chosen.against, keys))
        passed = replay(report) if chosen.state else 0
        hang_up()
    for found in report.findings:
        where = "  ".join(
            part
            for part in (
                found.number,
                _("第 {seq} 笔").format(seq=found.seq) if found.seq else "",
                _("封存位置 {pos}").format(pos=found.pos) if found.pos is not None else "",
            )
            if part
        )
        say(f"✗ {where}  {found.text}{'  ' + found.detail if found.detail else ''}")
    if report.faults > len(report.findings):
        say(_("……另有 {count:,} 处。").format(count=report.faults - len(report.findings)))
    if passed:
        say(_("有 {count:,} 条记录含有这个版本不认识的业务或动作，没有重算。").format(count=passed))
    if report.ok:
        say(
            _("核对了 {entries:,} 笔，其中 {sealed:,} 笔已封存：没有发现改动。").format(
                entries=report.entries, sealed=report.sealed
            )
        )
    if chosen.json:
        tell({**report.told(), "passed_over": passed})
    return GOOD if report.ok else FOUND


def _outside(files: Iterable[Path], keys: Iterable[Verifier]) -> list[Checkpoint]:
    held, known = [], list(keys)
    for path in files:
        try:
            held.append(opened(path.read_text(encoding="utf-8"), known))
        except (OSError, UnicodeDecodeError) as error:
            leave(_("读不到检查点文件 {path}：{error}").format(path=path, error=error))
        except NoteError as error:
            leave(_("{path} 不是本账本的检查点：{error}").format(path=path, error=error))
    return held


def run_export(chosen: argparse.Namespace) -> int:
    """Write the sealed ledger to a file."""
    with database():
        django()
        from gongzhi.kernel.seals.proofs import NothingToProve, export  # noqa: PLC0415

        try:
            sealed = export(chosen.file, sealed=chosen.sealed)
        except NothingToProve:
            leave(_("账本还没有封存过，请先运行 gongzhi ledger seal。"))
        except FileExistsError:
            leave(_("文件 {path} 已经存在，没有覆盖它。请换一个文件名。").format(path=chosen.file))
        except OSError as error:
            leave(_("写不了文件 {path}：{error}").format(path=chosen.file, error=error.strerror))
        hang_up()
    say(_("已写出 {size:,} 笔。").format(size=sealed.size))
    if chosen.json:
        tell({"entries": sealed.size, "checkpoint": sealed.note})
    return GOOD


def run_prove(chosen: argparse.Namespace) -> int:
    """Write the proof of a record."""
    with database():
        django()
        from gongzhi.kernel.seals.proofs import NothingToProve, prove  # noqa: PLC0415

        try:
            proof = prove(chosen.number, sealed=chosen.sealed)
        except NothingToProve:
            leave(
                _("没有编号为“{number}”的记录，或它还没有封存（请先运行 gongzhi ledger seal）。").format(
                    number=chosen.number
                )
            )
        hang_up()
    if chosen.to:
        try:
            chosen.to.write_text(json.dumps(proof, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            leave(_("写不了文件 {path}：{error}").format(path=chosen.to, error=error.strerror))
        say(_("已写出 {count} 笔的证明。").format(count=len(proof["entries"])))
    elif not chosen.json:
        say(json.dumps(proof, ensure_ascii=False, indent=1))
    if chosen.json:
        tell(proof)
    return GOOD


def run_check(chosen: argparse.Namespace) -> int:
    """Check a proof or an exported ledger with a public key; no database, nothing of this installation."""
    os.environ.setdefault("DATABASE_URL", "")
    django()
    from gongzhi.kernel.seals.proofs import check, check_export  # noqa: PLC0415

    try:
        keys = _keys(chosen.key)
        gzipped = chosen.file.open("rb").read(2) == b"\x1f\x8b"
    except OSError as error:
        leave(_("读不到文件：{error}").format(error=error))
    except ValueError as error:  # NoteError, and a file in another encoding
        leave(_("公钥写法不对：{error}").format(error=error))
    try:
        if gzipped:
            held = check_export(chosen.file, keys)
            said: dict[str, Any] = {"ok": True, "entries": held.size, "sealed": held.size}
            say(_("账本的 {size:,} 笔都通向签过名的根。").format(size=held.size))
        else:
            proven = check(json.loads(chosen.file.read_text(encoding="utf-8")), keys)
            said = {
                "ok": True,
                "record": proven.record,
                "entries": len(proven.lines),
                "withheld": proven.withheld,
                "sealed": proven.checkpoint.size,
            }
            for line in proven.lines:
                say(f"{line['seq']:>4}  {line['at']}  {line['action']}  {line['from']} → {line['to']}")
            if proven.withheld:
                say(
                    _("另有 {count} 笔是封存期未满的查看，没有出示：只核对了它们在账本里的位置。").format(
                        count=proven.withheld
                    )
                )
            say(_("以上 {count} 笔都在 {size:,} 笔的账本里，由 {origin} 签名。").format(count=len(proven.lines), size=proven.checkpoint.size, origin=proven.checkpoint.origin))  # fmt: skip
    except (ProofError, NoteError) as error:
        said = {"ok": False, "why": str(error)}
        say(_("证明不成立：{error}").format(error=error))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError among them
        leave(_("{path} 不是证明，也不是导出的账本：{error}").format(path=chosen.file, error=error))
    if chosen.json:
        tell(said)
    return GOOD if said["ok"] else FOUND


def _keys(said: str) -> list[Verifier]:
    text = said if "+" in said and not Path(said).exists() else Path(said).read_text(encoding="ascii")
    return [Verifier.parse(line) for line in text.splitlines() if line.strip()]


def run_key(chosen: argparse.Namespace) -> int:
    """Print the public key that checkpoints are signed with."""
    os.environ.setdefault("DATABASE_URL", "")
    django()
    from gongzhi.kernel.keys import KeyFileError  # noqa: PLC0415
    from gongzhi.kernel.seals.signing import rotate, seal_keys  # noqa: PLC0415

    try:
        if chosen.rotate:
            rotate()
        held = seal_keys()
    except KeyFileError as error:
        leave(str(error))
    say("\n".join(map(str, held.verifiers)))
    if chosen.json:
        tell({"key": str(held.signer.verifier), "all": [str(key) for key in held.verifiers]})
    return GOOD
