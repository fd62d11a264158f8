"""Which database a command works with: the one that ``DATABASE_URL`` names, or the embedded one, started for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gongzhi.cli.speak import leave
from gongzhi.home import home, remember_city
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from gongzhi.tongue import of_terminal
from gongzhi.tongue import told as _

NAME = "gongzhi"
_ADDRESSES = ("DATABASE_URL", "DATABASE_OWNER_URL")


@contextmanager
def database() -> Iterator[Server | None]:
    """Give the process its two addresses, starting or joining the embedded server (None where a real one is named).

    The embedded server stops when the last process that uses it leaves. Raises postgres.PostgresError, Bad.
    """
    named, owner = os.environ.get("DATABASE_URL"), os.environ.get("DATABASE_OWNER_URL")
    if named or owner:
        if not (named and owner):
            leave(_("DATABASE_URL(应用)和 DATABASE_OWNER_URL(属主)要一起设置，或都不设置而使用内嵌数据库。"))
        yield None
        return
    server = Server(home())
    admin = server.start()
    try:
        os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"] = prepare(admin, NAME)
        yield server
    finally:
        for name in _ADDRESSES:
            os.environ.pop(name, None)
        server.stop()


def check_city() -> None:
    """Refuse to serve a database with the pack of another city; for processes that install nothing. Call it with addresses."""
    import psycopg  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    from gongzhi.kernel.install.citypack import other_city  # noqa: PLC0415
    from gongzhi.kernel.pack import load_pack  # noqa: PLC0415

    with psycopg.connect(os.environ["DATABASE_URL"]) as held:
        fault = other_city(lambda statement: held.execute(statement).fetchall(), load_pack(settings.CITY))  # type: ignore[arg-type]
    if fault:
        leave(fault)


def without_addresses() -> dict[str, str]:
    """Return the environment for a process that is to find, and hold, the embedded server by itself."""
    return {name: value for name, value in os.environ.items() if name not in _ADDRESSES}


def django() -> None:
    """Load the application; call it once the addresses are known."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")
    import django as framework  # noqa: PLC0415  (settings read the addresses when they are imported)

    framework.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.utils import translation  # noqa: PLC0415

    translation.activate(of_terminal() or settings.LANGUAGE_CODE)


def hang_up() -> None:
    """Close the process's connections."""
    from django.db import connections  # noqa: PLC0415

    for connection in connections.all(initialized_only=True):
        connection.close()


def install_city(*, accounts: bool) -> dict[str, int]:
    """Bring the database to this release and load the city; with ``accounts`` the sample people too."""
    from django.conf import settings  # noqa: PLC0415

    from gongzhi.kernel.install import InstallError, install  # noqa: PLC0415
    from gongzhi.kernel.install.citypack import load_accounts  # noqa: PLC0415
    from gongzhi.kernel.signin import hash_password  # noqa: PLC0415

    try:
        added = install()
        if accounts:
            load_accounts(settings.CITY, hash_password(SAMPLE_PASSWORD))
    except InstallError as error:
        leave(str(error))
    remember_city(settings.CITY)
    return added


SAMPLE_PASSWORD = "gongzhi2026"  # noqa: S105  (of the demonstration's invented people, printed at its start)
