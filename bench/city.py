"""A PostgreSQL server of the bench's own, on the real disk, with a city and pgbench's tables side by side."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import limit
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from gongzhi.postgres.urls import with_database

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "bench-password"
START_SECONDS = 180
"""How long a web process may take until it answers: on crowded cores, beside a server that copies gigabytes, minutes."""
LOGINS = {"operator": ("dispatch", "operator"), "handler": ("agency", "handler")}


@dataclass(frozen=True)
class City:
    """Addresses of the city's database, and of pgbench's beside it on the same server."""

    app: str
    owner: str
    limit: str
    admin: str
    """The superuser's address of the city's database."""


@contextmanager
def twin(held: City) -> Iterator[str]:
    """Make a copy of the city's database as it stands; yield the superuser's address of it."""
    hang_up()
    with psycopg.connect(held.admin, autocommit=True, dbname="postgres") as admin:
        admin.execute("CREATE DATABASE twin TEMPLATE bench")
        try:
            yield with_database(held.admin, "twin")
        finally:
            admin.execute("DROP DATABASE twin WITH (FORCE)")


@contextmanager
def city() -> Iterator[City]:
    """Start the server, install the city with an operator and a handler, prepare pgbench."""
    folder = Path(tempfile.mkdtemp(prefix="gongzhi-bench-"))
    folder.chmod(0o755)
    server = Server(folder)
    try:
        admin = server.start()
        app, owner = prepare(admin, "bench")
        _, beside = prepare(admin, "limit")
        os.environ.update(
            DATABASE_URL=app,
            DATABASE_OWNER_URL=owner,
            GONGZHI_HOME=str(folder),
            DJANGO_SETTINGS_MODULE="gongzhi.settings",
        )
        limit.prepare(beside)
        install_city()
        yield City(app, owner, beside, with_database(admin, "bench"))
    finally:
        hang_up()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def install_city() -> None:
    """Bring the database to this release, with an operator and a handler of the bench's own."""
    import django

    django.setup()
    from django.db import connections
    from django.utils import timezone

    from gongzhi.kernel.install import install
    from gongzhi.kernel.models import Account, Agency, Place, Post
    from gongzhi.kernel.signin import hash_password

    install()
    top = Place.objects.using("owner").get(parent=None)
    for login, (kind, role) in LOGINS.items():
        agency = Agency.objects.using("owner").filter(kind=kind).earliest("id")
        account, fresh = Account.objects.using("owner").get_or_create(login=login, defaults={"name": login})
        if not fresh:
            continue
        Post.objects.using("owner").create(
            account=account, agency=agency, role=role, place=top, since=timezone.localdate()
        )
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE account SET password = %s WHERE id = %s", [hash_password(PASSWORD), account.pk])


def hang_up() -> None:
    """Close what Django holds open."""
    if "django" in sys.modules:
        from django.db import connections

        for connection in connections.all(initialized_only=True):
            connection.close()


@contextmanager
def served(port: int, *, workers: int = 2, commit: str = "on") -> Iterator[int]:
    """Serve pages and API with the product's own command until the block ends; yield its process id.

    Raises RuntimeError with what the process said where it ends or does not answer in time.
    """
    environment = {**os.environ, "PGOPTIONS": f"-c synchronous_commit={commit}"}
    with tempfile.TemporaryFile() as said:
        web = subprocess.Popen(
            [sys.executable, "-m", "gongzhi.cli.main", "serve", "--port", str(port), "--workers", str(workers)],
            env=environment, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            if not _answers(web, port):
                said.seek(0)
                words = said.read()[-2000:].decode(errors="replace").strip()
                raise RuntimeError(f"nobody answers at port {port} (exit code {web.poll()}): {words or 'no word'}")
            yield web.pid
        finally:
            web.terminate()
            web.wait(20)


def _answers(web: "subprocess.Popen[bytes]", port: int) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and web.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as page:
            if page.status == 200:
                return True
        time.sleep(0.1)
    return False


def cpu_of_children() -> float:
    """Return the CPU seconds of ended child processes so far."""
    used = os.times()
    return used.children_user + used.children_system
