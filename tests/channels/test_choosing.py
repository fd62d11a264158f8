"""How notices are chosen and ended: the page, the link in a mail, and who must not be able to."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from gongzhi.channels import choices, sending
from gongzhi.channels.models import Choice, Message
from gongzhi.kernel import directory
from gongzhi.kernel.act import Done
from gongzhi.kernel.context import Actor
from tests.channels.conftest import NOON, send
from tests.channels.servers import Mailbox

pytestmark = pytest.mark.usefixtures("told")
Of = Callable[[str], Actor]
Proven = Callable[..., Actor]


def link(mail: Any) -> str:
    return str(mail["List-Unsubscribe"])[1:-1].removeprefix("https://gongzhi.example.org")


def test_a_mail_program_unsubscribes_with_one_click_and_it_can_be_undone(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done]
) -> None:
    who = proven("zjj")
    choices.keep(Choice(account_id=who.account, how={"mail:assigned": "now", "mail:red": "digest"}))
    give()
    send(NOON)
    path, stranger = link(mailbox.arrived[0][1]), Client(enforce_csrf_checks=True)
    assert stranger.get(path).status_code == 200
    assert choices.how(choices.chosen(who.account), "mail", "assigned") == "now"  # reading ends nothing
    for _ in range(2):  # a double click is a click
        answer = stranger.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 200
        assert "已退订" in answer.content.decode()
    assert choices.how(choices.chosen(who.account), "mail", "assigned") == "never"
    assert choices.how(choices.chosen(who.account), "mail", "task") == "now"
    give()
    assert send(NOON + timedelta(hours=1)) == 0
    assert stranger.post(path, {"do": "undo"}).status_code == 200
    assert choices.how(choices.chosen(who.account), "mail", "assigned") == "now"
    stranger.post(path, {"do": "all"})
    assert choices.how(choices.chosen(who.account), "mail", "red") == "never"
    stranger.post(path, {"do": "undo", "of": "all"})
    assert choices.how(choices.chosen(who.account), "mail", "red") == "digest"


def test_an_attackers_token_changes_nothing(mailbox: Mailbox, proven: Proven) -> None:
    who = proven("zjj")
    token = choices.stop_token(who.account, "mail", "red")
    other = token.replace(f"{who.account}.", f"{who.account + 1}.", 1)
    from django.core import signing

    foreign = signing.Signer(key="another installation", salt="gongzhi.unsubscribe", sep="~").sign(
        f"{who.account}.mail.red"
    )
    wrong = [
        other,
        foreign,
        token[:-1],
        token + "A",
        token.replace(".red", ".all"),
        "x",
        "~",
        f"{who.account}.mail.red",
        "汉~汉",
    ]
    for attempt in wrong:
        assert Client().post(f"/unsubscribe/{attempt}", {"do": "all"}).status_code == 404
    assert not Choice.objects.exists()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_an_address_is_put_proven_and_dropped_on_the_page(
    mailbox: Mailbox, at_desk: Callable[[str], Client], actor: Of
) -> None:
    from gongzhi.kernel.models import Rate
    from tests.web.pages import PASSWORD

    Rate.objects.filter(key__startswith="contact:").delete()
    client, channel = at_desk("manager"), {"channel": "mail"}
    client.post("/work/channels", {"do": "drop", **channel})
    wrong = client.post("/work/channels", {"do": "put", "address": "me@example.org", "password": "no", **channel})
    assert wrong.status_code == 422
    assert "me@example.org" in wrong.content.decode()
    for bad in (
        "",
        "me",
        "me@",
        "me@example",
        "a b@example.org",
        "me@example.org\r\nBcc: x@example.org",
        "@example.org",
        "x" * 70 + "@example.org",
    ):
        assert (
            client.post("/work/channels", {"do": "put", "address": bad, "password": PASSWORD, **channel}).status_code
            == 422
        )
    good = client.post(
        "/work/channels", {"do": "put", "address": "Me@例子.example.org", "password": PASSWORD, **channel}
    )
    assert good.status_code == 302
    shown = client.get("/work/channels").content.decode()
    assert "M***@xn--fsqu00a.example.org" in shown
    assert "Me@" not in shown
    sending.send_waiting()
    [(to, mail, _raw)] = mailbox.arrived
    assert to == "Me@xn--fsqu00a.example.org"
    [digits] = re.findall(r"\b\d{6}\b", str(mail["Subject"]))
    for _ in range(2):
        assert (
            client.post(
                "/work/channels", {"do": "confirm", "code": "000000" if digits != "000000" else "1", **channel}
            ).status_code
            == 422
        )
    assert client.post("/work/channels", {"do": "confirm", "code": f" {digits} ", **channel}).status_code == 302
    assert client.post("/work/channels", {"do": "confirm", "code": digits, **channel}).status_code == 422  # once
    log = directory.changes(actor("admin"), 3)
    assert [change.said.get("channel") for change in log[:2]] == ["mail", "mail"]
    assert "example.org" not in str(log)
    assert client.post("/work/channels", {"do": "drop", **channel}).status_code == 302
    assert client.post("/work/channels", {"do": "drop", **channel}).status_code == 302


def test_a_code_can_be_guessed_five_times(mailbox: Mailbox, actor: Of) -> None:
    from gongzhi.kernel import contacts
    from gongzhi.kernel.models import Rate
    from gongzhi.kernel.refusals import Invalid

    Rate.objects.filter(key__startswith="contact:").delete()
    who = actor("manager")
    code = contacts.put(who, "mail", "guess@example.org")
    for _ in range(5):
        with pytest.raises(Invalid):
            contacts.confirm(who, "mail", "999999" if code != "999999" else "1")
    with pytest.raises(Invalid, match="失效"):
        contacts.confirm(who, "mail", code)
    contacts.confirm(who, "mail", contacts.new_code(who, "mail"))
    with pytest.raises(Invalid, match="太多"):
        for _ in range(6):
            contacts.put(who, "mail", "guess@example.org")


def test_a_stolen_session_cannot_read_or_move_the_address_of_another(actor: Of, proven: Proven) -> None:
    from gongzhi.kernel import contacts
    from gongzhi.kernel.refusals import Absent

    victim, thief = proven("zjj"), actor("operator")
    assert contacts.address_of(thief, victim.account, "mail") is None
    with pytest.raises(Absent):
        contacts.put_for(thief, victim.account, "mail", "thief@example.org")
    with pytest.raises(Absent):
        contacts.drop(thief, victim.account, "mail")
    held = contacts.address_of(victim, victim.account, "mail")
    assert held is not None
    assert held.text == "zjj@example.org"


def test_choices_are_kept_and_nonsense_is_not(at_desk: Callable[[str], Client], actor: Of) -> None:
    client, who = at_desk("zjj"), actor("zjj")
    form = {
        "do": "choose", "mail-red": "never", "mail-assigned": "digest", "sms-red": "digest", "mail-task": "often",
        "quiet_from": "22:00", "quiet_until": "06:00", "digest_hour": "10", "urgent_passes": "1", "language": "xx",
    }  # fmt: skip
    assert client.post("/work/channels", form).status_code == 302
    held = choices.chosen(who.account)
    assert [choices.how(held, *key) for key in (("mail", "red"), ("mail", "assigned"), ("sms", "red"), ("mail", "task"))] == [
        "never", "digest", "never", "now",
    ]  # fmt: skip
    assert (held.digest_hour, held.urgent_passes, held.language) == (10, True, "")
    for wrong in ({"quiet_from": "25:00"}, {"quiet_until": ""}, {"digest_hour": "24"}, {"digest_hour": "x"}):
        assert client.post("/work/channels", {**form, **wrong}).status_code == 422
    assert choices.chosen(who.account).digest_hour == 10


def test_the_administrator_sees_what_failed_and_sends_it_again(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], at_desk: Callable[[str], Client]
) -> None:
    proven("zjj")
    mailbox.refuse = {"zjj@example.org": "550 5.1.1 No such user <x>"}
    give()
    send(NOON)
    assert at_desk("zjj").get("/work/outgoing").status_code == 404
    admin = at_desk("admin")
    shown = admin.get("/work/outgoing").content.decode()
    assert "550 5.1.1 No such user &lt;x&gt;" in shown
    assert "zjj@example.org" not in shown
    mailbox.refuse = {}
    assert admin.post("/work/outgoing", {"message": str(Message.objects.get().pk)}).status_code == 302
    assert sending.send_waiting() == 1
    assert admin.post("/work/outgoing", {"message": "x"}).status_code == 404
