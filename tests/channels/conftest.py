"""A city, a mail server beside it, and people whose addresses are proven."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.utils import timezone

from gongzhi.channels import sending, spreading
from gongzhi.channels.models import Choice, Delivery, Message, Outage
from gongzhi.kernel import contacts
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Contact
from gongzhi.kernel.worker import tell_outbox
from tests.channels.servers import Mailbox, smtp_server
from tests.web.conftest import actor, at_desk, city, filed, ids

__all__ = ["actor", "at_desk", "city", "filed", "ids"]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
SITE = "https://gongzhi.example.org"


@pytest.fixture(autouse=True)
def quiet_beginning(city: str) -> Iterator[None]:
    """Every test begins with empty queues and ends so."""
    yield
    for model in (Delivery, Message, Outage, Choice):
        model.objects.all().delete()
    Contact._default_manager.using("owner").all().delete()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server that takes everything, named by the settings."""
    box = Mailbox()
    with smtp_server(box) as port:
        point_at(monkeypatch, port)
        yield box


def point_at(monkeypatch: Any, port: int) -> None:
    monkeypatch.setenv("GONGZHI_SMTP", f"smtp+plain://127.0.0.1:{port}")
    monkeypatch.setenv("GONGZHI_MAIL_FROM", "淮安市共治平台 <notice@gongzhi.example.org>")
    monkeypatch.setenv("GONGZHI_SITE", "https://gongzhi.example.org")


@pytest.fixture
def proven(city: str, actor: Callable[[str], Actor]) -> Callable[..., Actor]:
    """Return a function that gives a login a proven address, and its actor."""
    from gongzhi.kernel.models import Rate

    def make(login: str, address: str = "", channel: str = "mail") -> Actor:
        who = actor(login)
        Rate.objects.filter(key__startswith="contact:").delete()
        contacts.confirm(who, channel, contacts.put(who, channel, address or f"{login}@example.org"))
        return who

    return make


@pytest.fixture
def give(actor: Callable[[str], Actor], filed: Callable[..., Done], ids: Any) -> Callable[..., Done]:
    """Return a function that files a request and gives it to the agency ``zjj``."""

    def make(detail: str = "路灯不亮，请派人检修。") -> Done:
        done = filed(detail=detail)
        form = {"agency": ids[0]["zjj"], "category": next(iter(titles("category")))}
        return act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)

    return make


@pytest.fixture
def told(city: str) -> None:
    """What other tests have made is told before this one begins."""
    tick(NOON)
    Delivery.objects.all().delete()


def tick(now: datetime) -> None:
    while tell_outbox():
        pass
    spreading.spread(now)
    spreading.gather(now)


def send(now: datetime) -> int:
    """Do one round of the worker as if it were ``now``; messages are written down by the real clock."""
    tick(now)
    Message.objects.update(made_at=now)
    return sending.send_waiting(max(now, timezone.now()))


@pytest.fixture
def killed(mailbox: Mailbox) -> Callable[[str], None]:
    """Return a function that sends in a process of its own, which is killed with SIGKILL at the named moment."""
    address = {
        f"{name}_URL": connections[alias].get_connection_params()
        for name, alias in (("DATABASE", "default"), ("DATABASE_OWNER", "owner"))
    }
    urls = {
        name: "postgresql://{user}:{password}@/{dbname}?host={host}&port={port}".format(
            **{"password": "", "port": "", **params}
        )
        for name, params in address.items()
    }

    def run(moment: str) -> None:
        code = f"""
import os, signal, django
django.setup()
from gongzhi.channels import sending, mail
def die(*_a, **_k): os.kill(os.getpid(), signal.SIGKILL)
moment = {moment!r}
if moment == "before":
    mail.MailLine.send = die
elif moment == "between":
    real = mail.MailLine.send
    def send(*a, **k):
        real(*a, **k)
        die()
    mail.MailLine.send = send
sending.send_waiting()
"""
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **urls}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == -9, done.stderr
        _let_go()

    return run


def _let_go() -> None:
    """Wait until the server has noticed that the process is gone: its lock on the channel goes only then."""
    for _ in range(200):
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
                "WHERE l.locktype = 'advisory' AND d.datname = current_database()"
            )
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.05)
    raise AssertionError("the killed process still holds its lock")
