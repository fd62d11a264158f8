"""The command ``gongzhi``. Exit 0: good; 1: a check found something; 2: bad input, one clear line, nothing half done."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import psycopg
from django.db.utils import Error

from gongzhi.cli import ending, inspecting, keeping, ledger, masters, routing, running, setting_up, taking_in
from gongzhi.cli.speak import BAD, Bad, complain, tell
from gongzhi.kernel.pack import PackError
from gongzhi.postgres.errors import PostgresError
from gongzhi.tongue import told as _

Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        complain(_("命令写法不对：{message}。用 {prog} --help 查看用法。").format(message=message, prog=self.prog))
        raise SystemExit(BAD)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = _Parser(prog="gongzhi", description=_("共治：一座城市处理群众诉求的平台"))
    commands = made.add_subparsers(dest="command", required=True, parser_class=_Parser, metavar=_("命令"))
    for module in (running, setting_up, keeping, ending, inspecting, ledger, masters, taking_in, routing):
        module.add(commands)
    return made


def _end(number: int, _other: FrameType | None) -> None:
    """End as Ctrl-C does, on the way out of everything that is open, so that the embedded server is left properly."""
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    chosen = parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
    run: Command = chosen.run
    try:
        return run(chosen)
    except (Bad, PackError, PostgresError, psycopg.Error, Error) as error:
        text = " ".join(str(error).split())  # one line, whatever a library wrote into it
        text = (
            text
            if isinstance(error, Bad | PackError | PostgresError)
            else _("数据库没有完成这件事：{text}").format(text=text)
        )
        complain(text)
        if getattr(chosen, "json", False):
            tell({"error": text})
        return BAD
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
