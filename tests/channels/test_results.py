"""Residents who left an e-mail address are told when their matter has come to something: once, and without a word of it."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gongzhi.channels import results, sending
from gongzhi.channels.models import Message, Stopped
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor, acting, clock_actor, follow_code
from gongzhi.kernel.models import Disclosure, Party, Rate
from tests.channels.conftest import NOON, point_at
from tests.channels.servers import Mailbox
from tests.web.test_console import text
from tests.web.test_portal import follower

WHO = "Zhang.San@example.org"
DETAIL = "三单元 501 室张三家楼上漏水，多次上门无人理睬。"
Step = Callable[..., Done]


@pytest.fixture(autouse=True)
def nothing_before(quiet_beginning: None) -> None:
    """What other tests have made is told before this one begins."""
    results.announce(NOON)
    Message.objects.all().delete()
    Stopped.objects.all().delete()
    Rate.objects.all().delete()


@pytest.fixture
def step(actor: Callable[[str], Actor], filed: Step, ids: Any) -> Step:
    """Return a function that files a request and takes it to a stage."""

    def make(stage: str, **form: Any) -> Done:
        done = first = filed(detail=DETAIL, asker_name="张三", **form)
        operator, handler = actor("operator"), actor("zjj")
        to = {"agency": ids[0]["zjj"], "category": next(iter(titles("category")))}
        way: list[tuple[Actor, str, dict[str, Any]]] = [
            (operator, "assign", to), (handler, "accept", {}), (handler, "answer", {"answer": "已约张三上门，周五修好。"}),
        ]  # fmt: skip
        if stage == "invalid":
            way = [(operator, "decline", {"reason": "不属于本市管辖"})]
        for who, code, given in way[: {"filed": 0, "working": 2}.get(stage)]:
            done = act(who, "request", code, record=done.record, version=done.version, form=given)
        return Done(done.record, done.number, done.version, done.stage, repeated=False, follow=first.follow)

    return make


def tell(now: datetime = NOON) -> int:
    results.announce(now)
    return sending.send_waiting(max(now, timezone.now()))


def party_of(done: Done) -> Party:
    with acting(clock_actor()):
        return Party.objects.get(record=done.record)


def looks(done: Done) -> list[tuple[str, str, str]]:
    with acting(clock_actor()):
        found = Disclosure.objects.filter(record=done.record).order_by("at")
        return list(found.values_list("account__login", "purpose", "fields"))


def test_an_answer_is_told_by_one_mail_that_says_nothing_personal(mailbox: Mailbox, step: Step) -> None:
    done = step("answered", asker_mail=WHO, asker_phone="13800001111")
    assert tell() == 1
    assert tell() == 0
    [(to, mail, raw)] = mailbox.arrived
    assert to == WHO
    assert mail["Subject"] == f"您的诉求 {done.number}：已答复"
    plain, page = (part.get_content() for part in mail.iter_parts())
    for words in (plain, page):
        assert f"https://gongzhi.example.org/follow/{done.number}" in words
        assert not re.search("漏水|张三|上门|13800001111", words)
        assert done.follow not in words
        assert done.follow.replace("-", "") not in words
    assert done.follow.encode() not in raw
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert looks(done) == [("clock", "told", "mail")]
    held = Message.objects.get()
    assert (held.state, bytes(held.sealed), held.account_id) == ("sent", b"", None)


def test_nobody_is_told_before_there_is_something_or_without_an_address(mailbox: Mailbox, step: Step) -> None:
    step("working", asker_mail=WHO)
    step("answered", asker_phone="13800001111")
    assert tell() == 0
    assert not Message.objects.exists()


def test_refusing_and_closing_are_told_and_what_the_resident_does_is_not(
    mailbox: Mailbox, step: Step, actor: Any
) -> None:
    declined, answered, rated = (step(stage, asker_mail=WHO) for stage in ("invalid", "answered", "answered"))
    act(actor("operator"), "request", "close", record=answered.record, version=answered.version)
    client = follower(rated.number, rated.follow)
    client.post(f"/follow/{rated.number}/do/rate", {"rating": "5", "version": rated.version, "key": "r"})
    tell()
    subjects = sorted(mail["Subject"] for _to, mail, _raw in mailbox.arrived)
    assert subjects == sorted(
        [f"您的诉求 {declined.number}：不予受理", f"您的诉求 {answered.number}：已答复",
         f"您的诉求 {answered.number}：已办结", f"您的诉求 {rated.number}：已答复"]
    )  # fmt: skip


def test_an_answer_given_anew_after_reopening_is_told_again(mailbox: Mailbox, step: Step, actor: Any) -> None:
    done = step("answered", asker_mail=WHO)
    tell()
    again = act(
        actor("operator"), "request", "reopen", record=done.record, version=done.version, form={"reason": "没修好"}
    )
    act(actor("zjj"), "request", "answer", record=done.record, version=again.version, form={"answer": "重新修好了"})
    assert tell() == 1
    assert len(mailbox.arrived) == 2


def test_a_worker_that_falls_before_it_moves_on_queues_nothing_twice(
    mailbox: Mailbox, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    step("answered", asker_mail=WHO)
    with monkeypatch.context() as patched:
        patched.setattr(results, "moved_on", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            results.announce(NOON)
    assert tell() == 1
    assert len(mailbox.arrived) == 1


@pytest.mark.parametrize(("moment", "state"), [("before", "sent"), ("between", "unsure")])
def test_a_worker_that_is_killed_while_sending_sends_nothing_twice(
    mailbox: Mailbox, killed: Callable[[str], None], step: Step, moment: str, state: str
) -> None:
    done = step("answered", asker_mail=WHO)
    results.announce(NOON)
    killed(moment)
    tell()
    assert len(mailbox.arrived) == 1
    assert Message.objects.get().state == state
    assert {look[0] for look in looks(done)} == {"clock"}


def test_in_the_night_it_waits_for_the_morning(mailbox: Mailbox, step: Step) -> None:
    step("answered", asker_mail=WHO)
    night = timezone.localtime().replace(hour=23, minute=0)
    results.announce(night)
    assert sending.send_waiting(night) == 0
    assert sending.send_waiting(night + timedelta(hours=8, minutes=31)) == 1


def test_the_link_ends_it_and_the_page_undoes_it(mailbox: Mailbox, step: Step, actor: Any) -> None:
    done = step("answered", asker_mail=WHO)
    tell()
    link = str(mailbox.arrived[0][1]["List-Unsubscribe"]).strip("<>").removeprefix("https://gongzhi.example.org")
    client = Client(enforce_csrf_checks=True)
    assert "要停止" in text(client.get(link))
    assert not Stopped.objects.exists()  # looking ends nothing
    assert "已退订" in text(client.post(link, {"List-Unsubscribe": "One-Click"}))
    act(actor("operator"), "request", "close", record=done.record, version=done.version)
    assert tell() == 0
    mine = follower(done.number, done.follow)
    assert "您已退订" in text(mine.get(f"/follow/{done.number}"))
    assert mine.post(f"/follow/{done.number}/mails", {"do": "undo"}).status_code == 302
    assert "会给您留的邮箱发一封邮件" in text(mine.get(f"/follow/{done.number}"))
    assert client.get("/unsubscribe/matter/" + "0" * 32 + "~x").status_code == 404
    assert Client().post(f"/follow/{done.number}/mails", {"do": "stop"})["Location"] == "/follow"
    assert not Stopped.objects.exists()


def test_what_waits_is_not_sent_to_who_has_ended_it(mailbox: Mailbox, step: Step) -> None:
    first, other = step("answered", asker_mail=WHO), step("answered", asker_mail=WHO)
    results.announce(NOON)
    results.stop(party_of(first))
    Stopped.objects.create(party=party_of(other), at=NOON)  # a moment before the mail goes out
    assert sending.send_waiting(timezone.now() + timedelta(days=1)) == 0
    assert looks(first) + looks(other) == []


def test_an_address_that_is_refused_is_said_on_the_page_and_masked_for_the_administrator(
    mailbox: Mailbox, step: Step, at_desk: Any
) -> None:
    mailbox.refuse = {WHO: f"550 5.1.1 <{WHO.lower()}>: no such user, ask postmaster@example.org"}
    done = step("answered", asker_mail=WHO)
    assert tell() == 0
    assert Message.objects.get().state == "failed"
    assert "@" not in Message.objects.get().error.replace("Z***@example.org", "")
    shown = text(at_desk("admin").get("/work/outgoing"))
    assert done.number in shown
    assert "550 5.1.1" in shown
    assert WHO.lower() not in shown.lower()
    assert "邮箱地址可能写错了" in text(follower(done.number, done.follow).get(f"/follow/{done.number}"))


@pytest.mark.parametrize(
    "wrong", ["zhang", "zhang@", "@example.org", "a b@example.org", "zhang@example", "a@b@c.cn\nBcc: x@y.cn"]
)
def test_a_wrong_address_is_said_beside_the_field_and_nothing_is_lost(mailbox: Mailbox, wrong: str) -> None:
    answer = Client().post("/report", {"key": "m", "detail": DETAIL, "asker_mail": wrong})
    assert answer.status_code == 422
    page = text(answer)
    assert 'id="error-asker_mail"' in page
    assert "请填写完整的邮箱地址" in page
    assert DETAIL in page


def test_without_a_mail_server_the_portal_neither_asks_nor_takes_an_address(
    monkeypatch: pytest.MonkeyPatch, city: str
) -> None:
    monkeypatch.delenv("GONGZHI_SMTP", raising=False)
    assert "asker_mail" not in text(Client().get("/report"))
    client = Client()
    client.post("/report", {"key": "no-mail", "detail": DETAIL, "asker_name": "张三", "asker_mail": WHO})
    number = client.session["told"]["number"]
    with acting(clock_actor()):
        assert Party.objects.get(record__number=number).known == "name"


def test_with_a_mail_server_the_portal_asks(mailbox: Mailbox, city: str) -> None:
    page = text(Client().get("/report"))
    assert 'name="asker_mail"' in page
    assert "随时可以退订" in page


def test_outcomes_from_before_there_was_a_server_are_not_told_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.delenv("GONGZHI_SMTP", raising=False)
    step("answered", asker_mail=WHO)
    results.announce(NOON)
    point_at(monkeypatch, 1)
    results.announce(NOON)
    assert not Message.objects.exists()


def test_an_address_is_masked_on_every_page_and_cannot_be_looked_at(mailbox: Mailbox, step: Step, at_desk: Any) -> None:
    both = step("answered", asker_mail=WHO)
    operator = at_desk("operator")
    shown = text(operator.get(f"/work/r/{both.number}"))
    assert "电子邮箱" in shown
    assert WHO not in shown
    party = party_of(both)
    opened = text(operator.post(f"/work/r/{both.number}/person/{party.pk}", {"purpose": "contact"}))
    assert "张三" in opened
    assert WHO not in opened
    assert WHO not in text(follower(both.number, follow_code(both.record.bytes)).get(f"/follow/{both.number}"))
