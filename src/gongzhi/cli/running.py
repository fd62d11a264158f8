"""Commands that run the platform: demo, serve, live, worker."""

import argparse
import errno
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gongzhi.cli.database import check_city, database, django, hang_up, install_city, without_addresses
from gongzhi.cli.speak import GOOD, complain, leave, say
from gongzhi.cli.supervisor import Child, Supervisor
from gongzhi.postgres.errors import PostgresError
from gongzhi.postgres.server import Server
from gongzhi.tongue import told as _

_SERVER_EVERY = 2.0  # seconds between looks at the embedded server
_THREADS = 4  # of a web process: an answer waits for the database more than for Python


def add(commands: Any) -> None:
    """Declare the commands."""
    demo = commands.add_parser("demo", help=_("一座完整的样例城市：数据库、样例、网页、实时消息、后台任务"))
    demo.add_argument("--sample", choices=("none", "small", "city"), default="small")
    demo.add_argument("--port", type=int, default=8000)
    demo.set_defaults(run=run_demo)
    serve = commands.add_parser("serve", help=_("网页和接口"))
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--workers", type=int, default=2)
    serve.set_defaults(run=run_serve)
    live = commands.add_parser("live", help=_("实时消息"))
    live.add_argument("--host", default="127.0.0.1")
    live.add_argument("--port", type=int, default=8001)
    live.set_defaults(run=run_live)
    worker = commands.add_parser("worker", help=_("后台任务：通知、期限、导入"))
    worker.set_defaults(run=run_worker)


def run_demo(chosen: argparse.Namespace) -> int:
    """Open the sample city and keep it open until Ctrl-C."""
    _check_port(chosen.port)
    _check_port(chosen.port + 1)
    with database() as server:
        django()
        install_city(accounts=True)
        hang_up()
        return serve_everything(chosen.port, server=server, sample=chosen.sample)


def serve_everything(port: int, *, server: Server | None, sample: str | None) -> int:
    """Run web, live events and worker under one supervisor; call it inside ``database()``, after the installation."""
    from django.conf import settings  # noqa: PLC0415

    from gongzhi.cli.setting_up import sample_accounts  # noqa: PLC0415

    _check_port(port)
    _check_port(port + 1)
    os.environ["GONGZHI_LIVE_URL"] = f"http://localhost:{port + 1}/live"
    os.environ["GONGZHI_ORIGIN"] = f"http://localhost:{port}"
    command = [sys.executable, "-m", "gongzhi.cli.main"]
    own = None if server is None else without_addresses()  # each holds the embedded server: the last one stops it
    children = [
        Child("web", [*command, "serve", "--port", str(port)], own),
        Child("live", [*command, "live", "--port", str(port + 1)], own),
        Child("worker", [*command, "worker"], own),
    ]
    tables = sample_accounts()

    def ready() -> None:
        if not _answers(port):
            return
        with suppress(OSError):  # nobody reads any more
            say(
                _(
                    "\n共治已经打开：http://localhost:{port}/\n工作人员从 http://localhost:{port}/signin 登录，样例账号：\n\n{tables}\n"
                ).format(port=port, tables=tables)
            )
            say(_("按 Ctrl-C 结束。"))
        if sample not in (None, "none"):
            filling = [*command, "init", "--city", settings.CITY, "--sample", str(sample)]
            children.append(Child("sample", filling, own, once=True))

    supervisor = Supervisor(children, _keeper(server))
    threading.Thread(target=ready, daemon=True).start()
    return supervisor.run()


def _keeper(server: Server | None) -> Callable[[], None]:
    """Return what the supervisor does each round: start the embedded server again if it died."""
    again = 0.0

    def watch() -> None:
        nonlocal again
        if server is None or time.monotonic() < again:
            return
        again = time.monotonic() + _SERVER_EVERY
        if not server.ready():
            complain(_("数据库已停止，正在重新启动。"))
            try:
                server.start()
            except PostgresError as error:
                complain(str(error))

    return watch


def _ready_city() -> None:
    """Load the application, and hold that the database is of its city."""
    django()
    check_city()


def _check_port(port: int, host: str = "127.0.0.1") -> None:
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OverflowError:
        leave(_("端口应在 1 到 65534 之间。"))
    except socket.gaierror:
        leave(_("地址 {host} 无法识别。请写本机的 IP 地址，例如 127.0.0.1 或 0.0.0.0。").format(host=host))
    except PermissionError:
        leave(_("没有权限使用端口 {port}。请换一个 1024 以上的端口。").format(port=port))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            leave(_("本机没有地址 {host}。请写本机的 IP 地址，例如 127.0.0.1 或 0.0.0.0。").format(host=host))
        leave(
            _("端口 {port} 已被占用。请结束占用它的程序，或换一个端口，例如 make demo PORT={value}。").format(
                port=port, value=port + 100
            )
        )


def _answers(port: int) -> bool:
    for _try in range(1200):
        with (
            suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as page,
        ):
            if page.status == 200:
                return True
        time.sleep(0.05)
    return False


def run_serve(chosen: argparse.Namespace) -> int:
    """Serve pages and API until stopped."""
    _check_port(chosen.port, chosen.host)
    with database():
        from granian import Granian  # type: ignore[attr-defined] # noqa: PLC0415
        from granian.constants import Interfaces  # noqa: PLC0415
        from granian.log import LogLevels  # noqa: PLC0415

        _ready_city()
        Granian(
            "gongzhi.web.wsgi:application", address=chosen.host, port=chosen.port, interface=Interfaces.WSGI,
            workers=chosen.workers, blocking_threads=_THREADS, blocking_threads_idle_timeout=600, backpressure=256,
            log_level=LogLevels.warning, respawn_failed_workers=True, respawn_interval=1.0, websockets=False,
        ).serve()  # fmt: skip
    return GOOD


def run_live(chosen: argparse.Namespace) -> int:
    """Serve the live events until stopped."""
    _check_port(chosen.port, chosen.host)
    with database():
        from granian import Granian  # type: ignore[attr-defined] # noqa: PLC0415
        from granian.constants import Interfaces  # noqa: PLC0415
        from granian.log import LogLevels  # noqa: PLC0415

        _ready_city()
        Granian(
            "gongzhi.live:application", address=chosen.host, port=chosen.port, interface=Interfaces.ASGI, workers=1,
            log_level=LogLevels.warning, websockets=False, workers_kill_timeout=2,
        ).serve()  # fmt: skip
    return GOOD


def run_worker(_other: argparse.Namespace) -> int:
    """Tell, remind, escalate, and run jobs until stopped."""
    with database():
        _ready_city()
        from gongzhi.cli.worker import work  # noqa: PLC0415

        work()
        hang_up()
    return GOOD
