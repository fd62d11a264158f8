"""A city, a mail server beside it, and people whose addresses are proven."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gongzhi.channels.models import Choice, Delivery, Message, Outage
from gongzhi.kernel import contacts
from gongzhi.kernel.context import Actor
from tests.channels.servers import Mailbox, smtp_server
from tests.web.conftest import actor, at_desk, city, filed, ids

__all__ = ["actor", "at_desk", "city", "filed", "ids"]


@pytest.fixture(autouse=True)
def quiet_beginning(city: str) -> Iterator[None]:
    """Every test begins with empty queues and ends so."""
    yield
    for model in (Delivery, Message, Outage, Choice):
        model.objects.all().delete()


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
