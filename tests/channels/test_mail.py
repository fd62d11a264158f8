"""Mails over a real SMTP session: what they look like, and what happens when the server does not take them."""

from collections.abc import Callable
from datetime import timedelta
from email.header import decode_header
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from gongzhi.channels import sending
from gongzhi.channels.mail import compose
from gongzhi.channels.models import Message, Outage
from gongzhi.channels.queue import Line, Said, again, post_mail, sweep
from gongzhi.kernel.context import Actor
from tests.channels.conftest import point_at
from tests.channels.servers import SECRET, USER, Mailbox, certificate, smtp_server

Proven = Callable[..., Actor]
SAID = Said(
    "3 件事项已超期，请尽快处理 🔧",
    (Line("健康西路路灯不亮 <b>"), Line("打开事项", "https://gongzhi.example.org/work/r/A1")),
    language="zh-hans",
)


def states() -> list[str]:
    return list(Message.objects.order_by("made_at").values_list("state", flat=True))


def test_a_mail_arrives_as_text_and_html_with_a_chinese_subject(mailbox: Mailbox, proven: Proven) -> None:
    who = proven("zjj")
    assert post_mail(who.account, SAID, once="a")
    assert post_mail(who.account, SAID, once="a")  # the same mail, queued twice
    assert sending.send_waiting() == 1
    assert sending.send_waiting() == 0
    [(to, made, raw)] = mailbox.arrived
    assert to == "zjj@example.org"
    assert made["Subject"] == SAID.subject
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    [subject] = [line for line in raw.replace(b"\r\n ", b" ").split(b"\r\n") if line.startswith(b"Subject:")]
    assert all(len(word) <= 75 for word in subject.split()[1:])  # RFC 2047, 2
    assert "".join(part.decode(code or "ascii") for part, code in decode_header(subject.decode()[9:])) == SAID.subject
    assert made.get_content_type() == "multipart/alternative"
    plain, html = made.iter_parts()
    assert "打开事项\nhttps://gongzhi.example.org/work/r/A1" in plain.get_content().replace("\r\n", "\n")
    assert "&lt;b&gt;" in html.get_content()
    assert "<b>" not in html.get_content()
    assert made["From"].addresses[0].display_name == "淮安市共治平台"
    assert made["Auto-Submitted"] == "auto-generated"
    assert made["List-Unsubscribe"] is None
    held = Message.objects.get()
    assert (held.state, bytes(held.sealed), held.error) == ("sent", b"", "")
    assert made["Message-ID"] == f"<{held.pk}@gongzhi.example.org>"


def test_long_addresses_in_headers_stay_in_one_piece() -> None:
    stop = "https://gongzhi.example.org/unsubscribe/" + "a" * 200
    made = compose(
        uuid4(),
        "a@example.org",
        Said("x", (), list_id="red", stop=stop),
        "b@example.org",
        "b@example.org",
        "https://gongzhi.example.org",
    )
    raw = made.as_bytes()
    assert f"\r\nList-Unsubscribe: <{stop}>\r\n".encode() in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    assert b"\r\nList-Id: <red.notices.gongzhi.example.org>\r\n" in raw


@pytest.mark.parametrize(
    "title",
    [
        "坏\r\nBcc: x@example.org",
        "坏\nBcc: x@example.org",
        "坏\u2028Bcc: x@example.org",
        "坏\x00\x1b[31m",
        "\r\n.\r\nMAIL FROM:<x@example.org>",
    ],
)
def test_a_title_cannot_write_headers_or_end_the_mail(mailbox: Mailbox, proven: Proven, title: str) -> None:
    who = proven("zjj")
    post_mail(who.account, Said(title, (Line(title), Line(".\r\n..\r\nQUIT"))), once="t")
    assert sending.send_waiting() == 1
    [(_, made, _raw)] = mailbox.arrived
    assert made["Bcc"] is None
    assert len(made.get_all("Subject")) == 1
    assert [part.get_content_type() for part in made.iter_parts()] == ["text/plain", "text/html"]


def test_nothing_is_queued_for_an_address_that_nobody_proved(mailbox: Mailbox, actor: Callable[[str], Actor]) -> None:
    assert not post_mail(actor("operator").account, SAID, once="n")
    assert states() == []


def test_without_a_server_nothing_is_queued(monkeypatch: pytest.MonkeyPatch, proven: Proven) -> None:
    who = proven("zjj")
    monkeypatch.delenv("GONGZHI_SMTP", raising=False)
    assert not post_mail(who.account, SAID, once="n")
    assert sending.send_waiting() == 0


@pytest.mark.parametrize("starttls", [True, False])
def test_sign_in_and_encryption(
    monkeypatch: pytest.MonkeyPatch, proven: Proven, tmp_path: Path, starttls: bool
) -> None:
    from urllib.parse import quote

    who, files, box = proven("zjj"), certificate(tmp_path), Mailbox()
    with smtp_server(box, certificate=files, starttls=starttls) as port:
        point_at(monkeypatch, port)
        scheme = "smtp" if starttls else "smtps"
        monkeypatch.setenv(
            "GONGZHI_SMTP", f"{scheme}://{quote(USER, safe='')}:{quote(SECRET, safe='')}@127.0.0.1:{port}"
        )
        post_mail(who.account, SAID, once="tls")
        assert sending.send_waiting() == 0  # a certificate that nobody vouches for
        assert "certificate" in Outage.objects.get().error
        Outage.objects.all().delete()
        monkeypatch.setenv("GONGZHI_CHANNELS_CA", str(files[0]))
        assert sending.send_waiting() == 1
        assert box.secured == [True]
        monkeypatch.setenv("GONGZHI_SMTP_PASSWORD_FILE", str(tmp_path / "none"))
        assert not post_mail(who.account, SAID, once="tls2")
        (tmp_path / "wrong").write_text("wrong\n")
        monkeypatch.setenv("GONGZHI_SMTP_PASSWORD_FILE", str(tmp_path / "wrong"))
        post_mail(who.account, SAID, once="tls2")
        assert sending.send_waiting() == 0
        assert Outage.objects.get().error.startswith("535")
        assert states() == ["sent", "waiting"]


def test_a_dead_server_loses_nothing_and_is_asked_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch, proven: Proven
) -> None:
    who, box = proven("zjj"), Mailbox()
    with smtp_server(box) as port:
        pass
    point_at(monkeypatch, port)
    for number in range(20):
        post_mail(who.account, SAID, once=f"d{number}")
    asked, now = 0, timezone.now()
    real = sending.LINES["mail"].__enter__

    def counted(self: Any) -> Any:
        nonlocal asked
        asked += 1
        return real(self)

    monkeypatch.setattr(sending.LINES["mail"], "__enter__", counted)
    for minute in range(120):
        assert sending.send_waiting(now + timedelta(minutes=minute)) == 0
    assert asked <= 15
    assert states() == ["waiting"] * 20
    assert Outage.objects.get().since == now
    with smtp_server(box, port=port):
        assert sending.send_waiting(now + timedelta(minutes=140)) == 20
    assert len(box.arrived) == 20
    assert not Outage.objects.exists()


def test_what_the_server_puts_off_is_tried_again_and_what_it_refuses_is_not(mailbox: Mailbox, proven: Proven) -> None:
    off, gone, now = proven("zjj"), proven("manager"), timezone.now()
    mailbox.refuse = {"zjj@example.org": "451 4.7.1 Greylisted", "manager@example.org": "550 5.1.1 No such user"}
    post_mail(off.account, SAID, once="off")
    post_mail(gone.account, SAID, once="gone")
    assert sending.send_waiting() == 0
    assert states() == ["waiting", "failed"]
    assert Message.objects.get(once="gone").error == "550 5.1.1 No such user"
    assert sending.send_waiting() == 0
    mailbox.refuse = {}
    assert sending.send_waiting(now + timedelta(minutes=2)) == 1
    assert states() == ["sent", "failed"]
    assert again(Message.objects.get(once="gone").pk)
    assert sending.send_waiting() == 1
    assert not again(Message.objects.get(once="gone").pk)


@pytest.mark.parametrize(("answer", "state"), [("452 4.3.1 full", "waiting"), ("554 5.7.1 spam", "failed")])
def test_an_answer_after_the_content_is_an_answer(mailbox: Mailbox, proven: Proven, answer: str, state: str) -> None:
    mailbox.refuse = {"DATA": answer}
    post_mail(proven("zjj").account, SAID, once="x")
    assert sending.send_waiting() == 0
    assert states() == [state]
    assert Message.objects.get().error == answer


def test_a_server_that_dislikes_the_sender_is_out_of_order(mailbox: Mailbox, proven: Proven) -> None:
    mailbox.refuse = {"MAIL": "553 5.7.1 not yours"}
    post_mail(proven("zjj").account, SAID, once="x")
    sending.send_waiting()
    assert states() == ["waiting"]
    assert Outage.objects.get().error == "553 5.7.1 not yours"


def test_a_line_that_breaks_after_the_content_leaves_an_unsure_mail_that_is_not_sent_again(
    mailbox: Mailbox, proven: Proven
) -> None:
    mailbox.hang_up_after_data = True
    post_mail(proven("zjj").account, SAID, once="x")
    sending.send_waiting()
    assert states() == ["unsure"]
    mailbox.hang_up_after_data = False
    Outage.objects.all().delete()
    assert sending.send_waiting() == 0
    assert len(mailbox.arrived) == 1
    assert again(Message.objects.get().pk)  # the administrator may
    assert sending.send_waiting() == 1


def test_what_is_too_old_is_worth_nothing(mailbox: Mailbox, proven: Proven) -> None:
    post_mail(proven("zjj").account, SAID, once="x", holds=timedelta(minutes=15))
    assert sending.send_waiting(timezone.now() + timedelta(minutes=16)) == 0
    assert states() == ["failed"]
    assert mailbox.arrived == []
    assert sweep(timezone.now() + timedelta(days=31)) == 1


def test_the_words_lie_encrypted_in_the_queue(mailbox: Mailbox, proven: Proven) -> None:
    post_mail(proven("zjj").account, SAID, once="x")
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT sealed, row_to_json(m)::text FROM message m")
        sealed, row = cursor.fetchone()
    assert "路灯" not in row
    assert "路灯".encode() not in bytes(sealed)
    assert "example.org" not in row


def test_kill_9_before_sending_sends_once(killed: Callable[[str], None], mailbox: Mailbox, proven: Proven) -> None:
    post_mail(proven("zjj").account, SAID, once="k")
    killed("before")
    assert states() == ["waiting"]
    assert sending.send_waiting() == 1
    assert len(mailbox.arrived) == 1


def test_kill_9_between_sending_and_marking_never_sends_twice(
    killed: Callable[[str], None], mailbox: Mailbox, proven: Proven
) -> None:
    post_mail(proven("zjj").account, SAID, once="k")
    killed("between")
    assert len(mailbox.arrived) == 1
    assert states() == ["sending"]
    assert sending.send_waiting() == 0
    assert states() == ["unsure"]
    assert len(mailbox.arrived) == 1
