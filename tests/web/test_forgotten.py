"""A forgotten password, by mail: the link arrives, and asking tells nothing."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from gongzhi.channels import sending
from gongzhi.channels.models import Message
from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Rate
from gongzhi.kernel.signin import sign_in
from tests.channels.conftest import mailbox, proven
from tests.channels.servers import Mailbox
from tests.web.test_console import text

__all__ = ["mailbox", "proven"]


def ask(login: str) -> str:
    answer = Client().post("/signin/forgotten", {"login": login})
    assert answer.status_code == 200
    return re.sub(r'value="[^"]*"|nonce="[^"]*"', "", text(answer))


def test_the_link_arrives_at_the_proven_address_and_sets_a_password(
    mailbox: Mailbox, proven: Callable[..., Actor]
) -> None:
    who = proven("zjj")
    assert "/signin/forgotten" in text(Client().get("/signin"))
    ask("zjj")
    sending.send_waiting()
    [(to, made, _raw)] = mailbox.arrived
    assert to == "zjj@example.org"
    link = re.search(r"https://gongzhi\.example\.org(/signin/link/[\w-]+)", made.get_body(("plain",)).get_content())
    assert link
    assert Client().post(link[1], {"password": "remembered-now", "again": "remembered-now"}).status_code == 302
    assert sign_in("zjj", "remembered-now", "here") == who.account


@pytest.mark.parametrize("login", ["nobody-at-all", "cgj", "portal", "", "'; --", "字" * 300, "a\x00b"])
def test_asking_tells_nothing_and_sends_nothing_without_a_proven_address(
    mailbox: Mailbox, proven: Callable[..., Actor], login: str
) -> None:
    proven("zjj")
    Rate.objects.all().delete()
    assert ask(login) == ask("zjj")
    sending.send_waiting()
    assert len(mailbox.arrived) == 1


def test_without_a_mail_server_there_is_no_such_page(city: str) -> None:
    assert Client().get("/signin/forgotten").status_code == 404
    assert "请联系本单位管理员" in text(Client().get("/signin"))


def test_after_three_an_hour_nothing_more_is_sent(mailbox: Mailbox, proven: Callable[..., Actor]) -> None:
    proven("zjj")
    Message.objects.all().delete()
    Rate.objects.all().delete()
    assert len({ask("zjj") for _time in range(5)}) == 1
    assert Message.objects.count() == 3
