"""A resident leaves an e-mail address, the matter is answered, and the mail leads back to it: in a browser, over real SMTP."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gongzhi.channels import results, sending
from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from tests.channels.conftest import point_at
from tests.channels.servers import Mailbox, smtp_server
from tests.web.serving import BROWSES, inspect

pytestmark = BROWSES


@pytest.fixture
def mailbox(base: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server that takes everything; links lead to the server of the test."""
    box = Mailbox()
    with smtp_server(box) as port:
        point_at(monkeypatch, port)
        monkeypatch.setenv("GONGZHI_SITE", base)
        yield box


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_resident_is_told_by_mail_and_ends_it(
    open_page: Any, base: str, actor: Any, ids: Any, mailbox: Mailbox, language: str
) -> None:
    resident = open_page(language=language)
    resident.goto(f"{base}/report")
    resident.fill("[name=detail]", "楼道灯坏了两周，老人上下楼很危险。")
    resident.fill("[name=asker_mail]", "wang@nowhere")
    assert inspect(resident) == []
    resident.click("form[data-steps] button[type=submit]")
    resident.wait_for_selector("#error-asker_mail")
    assert inspect(resident) == []
    resident.fill("[name=asker_mail]", "wang.ming@example.org")
    resident.click("form[data-steps] button[type=submit]")
    resident.wait_for_selector(".ticket")
    number, code = (resident.locator(".ticket dd").nth(n).inner_text() for n in (0, 1))
    results.announce()
    assert sending.send_waiting() == 0

    with acting(actor("operator")):
        record = Register.objects.get(number=number).pk
    form = {"agency": ids[0]["cgj"], "category": "build"}
    done = act(actor("operator"), "request", "assign", record=record, version=1, form=form)
    done = act(actor("cgj"), "request", "accept", record=record, version=done.version)
    desk = open_page("cgj")
    desk.goto(f"{base}/work/r/{number}/do/answer")
    desk.fill("[name=answer]", "楼道灯已经换好。")
    desk.click("#doing button[type=submit]")
    desk.wait_for_selector(".say.good")
    assert "wang.ming" not in desk.content()

    results.announce()
    from gongzhi.channels.models import Message

    Message.objects.update(due_at="2026-01-01T00:00Z")  # whatever the hour at which the test runs
    assert sending.send_waiting() == 1
    [(to, mail, _raw)] = mailbox.arrived
    assert to == "wang.ming@example.org"
    words = mail.get_body(("plain",)).get_content()
    assert number in words
    assert code not in words
    assert "楼道灯" not in words
    link = re.search(rf"{re.escape(base)}/follow/\S+", words)
    assert link

    stranger = open_page(language=language)
    stranger.goto(link[0])
    assert stranger.input_value("#number") == number
    stranger.fill("#code", code)
    stranger.click("form[data-follow] button")
    stranger.wait_for_url(f"**/follow/{number}")
    assert "楼道灯已经换好。" in stranger.inner_text("main")
    assert stranger.locator("#mails button").count() == 1
    assert inspect(stranger) == []
    stranger.goto(str(mail["List-Unsubscribe"]).strip("<>"))
    assert inspect(stranger) == []
    stranger.click("button[value=stop]")
    stranger.wait_for_selector(".say.good")
    assert inspect(stranger) == []
    stranger.goto(f"{base}/follow/{number}")
    assert stranger.locator("#mails button[value=undo]").count() == 1
