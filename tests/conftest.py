"""One embedded server for the run, one template database with the city in it, one clone of it for each test module."""

import itertools
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

_home = tempfile.TemporaryDirectory(prefix="gongzhi-test-", ignore_cleanup_errors=True)
Path(_home.name).chmod(0o755)  # the server runs as another user when the tests run as root
os.environ.update(GONGZHI_HOME=_home.name, DJANGO_SETTINGS_MODULE="gongzhi.settings")
for _name in ("DATABASE_URL", "DATABASE_OWNER_URL", "GONGZHI_CITY"):
    os.environ.pop(_name, None)
if os.environ.get("GONGZHI_TEST_CITY"):  # the same tests on another city: settings are made of its pack
    os.environ["GONGZHI_CITY"] = os.environ["GONGZHI_TEST_CITY"]

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402
from django.utils import translation  # noqa: E402

from gongzhi.postgres.roles import prepare  # noqa: E402
from gongzhi.postgres.server import Server  # noqa: E402
from gongzhi.postgres.urls import connection_settings, with_database  # noqa: E402

TEMPLATE = "gongzhi_test"
PARTS = 3  # a third of the long tests in one run of CI
# Whole minutes each: begun last, they would run alone while the other core waits.
FIRST = ("every_page.py", "with_care.py", "test_matrix.py")
_serial = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--part SEED``: only the part of the selected tests that this seed names."""
    parser.addoption("--part", type=int, default=None, help="run one part of the tests; the seed says which")


@pytest.hookimpl(trylast=True)  # after -m has chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes longest first; keep the part that the seed names: every seed has another, and a few in a row have all."""
    items.sort(key=lambda item: not item.path.name.endswith(FIRST))
    seed = config.getoption("--part")
    if seed is None:
        return
    items[:] = [item for item in items if item.get_closest_marker("half_hour") is None] or items
    parts = min(PARTS, len(items)) or 1  # never an empty one, which pytest would count as a failure
    order = sorted(items, key=lambda item: zlib.crc32(item.nodeid.encode()))
    kept = order[seed % parts :: parts]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def point_at(app_url: str, owner_url: str) -> None:
    """Let Django's two connections use these addresses."""
    for alias, address in (("default", app_url), ("owner", owner_url)):
        connections[alias].close()
        options = {"server_side_binding": True, "prepare_threshold": 3} if alias == "default" else {}
        settings = connection_settings(address, options=options)
        connections[alias].settings_dict.update(settings)
        connections.settings[alias].update(settings)


class Foreign(Server):
    """A server that somebody else runs, named by ``GONGZHI_TEST_SERVER`` with a superuser's address."""

    def url(self, database: str = "postgres", user: str = "") -> str:  # noqa: ARG002
        """Return the address of a database on it."""
        return with_database(os.environ["GONGZHI_TEST_SERVER"], database)


@pytest.fixture(autouse=True)
def _spoken() -> Iterator[None]:
    """Every test begins in the city's language: a request leaves its own behind in the thread."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The run's PostgreSQL server."""
    if os.environ.get("GONGZHI_TEST_SERVER"):
        yield Foreign(Path(_home.name))
        for connection in connections.all():
            connection.close()
        return
    server = Server(Path(_home.name), durable=False)
    server.start()
    yield server
    for connection in connections.all():
        connection.close()
    server.stop()


@pytest.fixture(scope="session")
def template(server: Server) -> tuple[str, str]:
    """The addresses (application's, owner's) of a database with everything installed; nobody works in it."""
    from gongzhi.kernel.install import install

    addresses = prepare(server.url(), TEMPLATE, "secret" if isinstance(server, Foreign) else "")
    point_at(*addresses)
    install()
    for connection in connections.all():
        connection.close()
    return addresses


@pytest.fixture(scope="module")
def database(server: Server, template: tuple[str, str]) -> Iterator[str]:
    """A database of this module's own; returns its name."""
    import psycopg

    from gongzhi.kernel import atlas, context

    name = f"{TEMPLATE}_{next(_serial)}"
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" OWNER "{TEMPLATE}_owner"')
    point_at(*(with_database(address, name) for address in template))
    atlas.forget()
    context.forget_system()
    yield name
    for connection in connections.all():
        connection.close()
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
