"""From a notice to a mail: to whom, when, how many."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from gongzhi.channels import choices, sending
from gongzhi.channels.models import Choice, Delivery, Message
from gongzhi.kernel import contacts, directory
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor, actor_of
from tests.channels.conftest import NOON, SITE, send, tick
from tests.channels.servers import Mailbox

pytestmark = pytest.mark.usefixtures("told")

Of = Callable[[str], Actor]
Proven = Callable[..., Actor]
HAN = re.compile("[\u3400-\u9fff]")


def text(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def test_who_owes_it_gets_one_mail_with_a_link_and_nobody_else(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done]
) -> None:
    proven("zjj")
    proven("cgj")
    done = give()
    assert send(NOON) == 1
    assert send(NOON + timedelta(minutes=10)) == 0
    [(to, mail, _raw)] = mailbox.arrived
    assert to == "zjj@example.org"
    assert done.number in mail["Subject"]
    assert f"https://gongzhi.example.org/work/r/{done.number}" in text(mail)
    assert mail["List-Id"] == "<assigned.notices.gongzhi.example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_an_unproven_address_gets_nothing(mailbox: Mailbox, actor: Of, give: Callable[..., Done]) -> None:
    admin, someone = actor("admin"), actor("zjj")
    contacts.put_for(admin, someone.account, "mail", "entered@example.org")
    give()
    assert send(NOON) == 0
    assert mailbox.arrived == []
    assert contacts.contacts(someone)["mail"].verified_at is None


def test_no_personal_field_and_no_words_but_the_title(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], filed: Any, actor: Of, ids: Any
) -> None:
    proven("zjj")
    done = filed(
        detail="路灯不亮。我叫王小明，住健康西路 12 号 3 栋 502 室，晚上孩子放学害怕，请赶快派人来修，谢谢各位领导的关心和支持。",
        asker_name="王小明",
        asker_phone="13900000000",
    )
    act(actor("operator"), "request", "assign", record=done.record, version=done.version,
        form={"agency": ids[0]["zjj"], "category": next(iter(titles("category"))), "note": "内部意见不外发"})  # fmt: skip
    assert send(NOON) == 1
    raw = text(mailbox.arrived[0][1]) + str(mailbox.arrived[0][1].get_body(("html",)).get_content())
    for private in ("13900000000", "内部意见", "请赶快派人来修"):
        assert private not in raw


def test_numbers_that_tell_of_a_person_are_masked_in_mails(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done]
) -> None:
    proven("zjj")
    give("请打13912345679找我，身份证320802199001011234，路灯不亮。")
    assert send(NOON) == 1
    mail = mailbox.arrived[0][1]
    raw = mail["Subject"] + text(mail) + str(mail.get_body(("html",)).get_content()) + str(mailbox.arrived[0][2])
    assert "139****5679" in raw
    assert not [secret for secret in ("13912345679", "320802199001011234") if secret in raw]


def test_a_quiet_service_names_the_number_alone(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gongzhi.kernel.service import service

    declared = service("request")
    object.__setattr__(declared, "quiet", True)
    try:
        proven("zjj")
        done = give("张三家的事情不能外传")
        assert send(NOON) == 1
    finally:
        object.__setattr__(declared, "quiet", False)
    mail = mailbox.arrived[0][1]
    assert done.number in mail["Subject"]
    assert "张三" not in mail["Subject"] + text(mail)


def test_many_at_once_come_in_one_mail_with_counts_that_open(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done]
) -> None:
    proven("zjj")
    numbers = [give().number for _ in range(30)]
    assert send(NOON) == 1
    mail = mailbox.arrived[0][1]
    assert "30" in mail["Subject"]
    said = text(mail)
    assert sum(f"/work/r/{number}" in said for number in numbers) == 20
    assert SITE + "/work/notices?kind=assigned" in said
    give()
    assert send(NOON + timedelta(minutes=1)) == 0  # not more than one in five minutes
    assert send(NOON + timedelta(minutes=6)) == 1
    assert Delivery.objects.filter(message=None).count() == 0


def test_a_night_is_one_mail_in_the_morning_unless_urgent_may_pass(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], actor: Of
) -> None:
    who = proven("zjj")
    night = NOON.replace(hour=23)
    first, second = give(), give()
    assert send(night) == 0
    act(
        actor("manager"), "request", "escalate", record=first.record, version=first.version, form={"note": "请今晚处理"}
    )
    assert send(night + timedelta(minutes=10)) == 0
    morning = NOON.replace(day=25, hour=7, minute=30)
    assert send(morning - timedelta(minutes=1)) == 0
    assert send(morning) == 1
    assert second.number in text(mailbox.arrived[0][1])
    choices.keep(Choice(account_id=who.account, urgent_passes=True))
    act(
        actor("manager"),
        "request",
        "escalate",
        record=second.record,
        version=second.version,
        form={"note": "请今晚处理"},
    )
    give()
    assert send(night.replace(day=25)) == 1
    assert mailbox.arrived[1][1]["List-Id"].startswith("<escalated.")


def test_a_digest_over_a_holiday_is_one_mail_on_the_first_working_day(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done]
) -> None:
    who = proven("zjj")
    choices.keep(Choice(account_id=who.account, how={"mail:assigned": "digest"}, digest_hour=9))
    zone = ZoneInfo("Asia/Shanghai")
    give()
    assert send(datetime(2026, 9, 30, 18, 0, tzinfo=zone)) == 0
    give()
    assert send(datetime(2026, 10, 3, 10, 0, tzinfo=zone)) == 0
    assert send(datetime(2026, 10, 8, 8, 59, tzinfo=zone)) == 0
    assert send(datetime(2026, 10, 8, 9, 0, tzinfo=zone)) == 1
    assert "2 条" in mailbox.arrived[0][1]["Subject"]


@pytest.fixture
def colleague(actor: Of, ids: Any) -> Iterator[Actor]:
    """Somebody of the agency ``zjj`` with a proven address who reads English."""
    admin = actor("admin")
    account = directory.add_account(admin, "colleague", "同事", "a long password")
    post = directory.add_post(admin, account, ids[0]["zjj"], "handler", admin.place)
    made = actor_of(post)
    contacts.confirm(made, "mail", contacts.put(made, "mail", "colleague@example.org"))
    yield made
    directory.end_post(admin, post)


def test_the_same_notice_is_worded_for_each_reader_in_mails_and_digests(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], colleague: Actor
) -> None:
    """Whoever chose no language is written to in the city's."""
    other = proven("zjj")
    choices.keep(Choice(account_id=colleague.account, language="en"))
    done = give()
    assert send(NOON) == 2
    mails = {to.partition("@")[0]: mail for to, mail, _raw in mailbox.arrived}
    assert {to: mail["Content-Language"] for to, mail in mails.items()} == {"zjj": "zh-hans", "colleague": "en"}
    assert mails["zjj"]["Subject"].startswith(f"{done.number}《路灯不亮，请派人检修。》转到您单位，请在 ")
    subject = mails["colleague"]["Subject"]
    assert subject.startswith(f"{done.number} “路灯不亮，请派人检修。” is now with your agency: Accept by ")
    assert not HAN.search(text(mails["colleague"]).replace("路灯不亮，请派人检修。", ""))
    for who, language in ((colleague, "en"), (other, "")):
        choices.keep(Choice(account_id=who.account, language=language, how={"mail:assigned": "digest"}))
    for _ in range(2):
        give()
    assert send(NOON + timedelta(days=1)) == 0
    assert send(NOON + timedelta(days=2)) == 2
    mails = {to.partition("@")[0]: mail for to, mail, _raw in mailbox.arrived[2:]}
    assert "新转来（2 条）" in text(mails["zjj"])
    assert text(mails["zjj"]).count("转到您单位") == 2
    assert "Newly assigned (2)" in text(mails["colleague"])
    assert text(mails["colleague"]).count("is now with your agency") == 2
    assert not HAN.search(text(mails["colleague"]).replace("路灯不亮，请派人检修。", ""))


def test_who_lost_the_post_meanwhile_learns_nothing_more(
    mailbox: Mailbox, proven: Proven, give: Callable[..., Done], actor: Of, ids: Any
) -> None:
    admin = actor("admin")
    account = directory.add_account(admin, "leaver", "要离任的人", "a long password")
    post = directory.add_post(admin, account, ids[0]["zjj"], "handler", admin.place)
    leaver = actor_of(post)
    contacts.confirm(leaver, "mail", contacts.put(leaver, "mail", "leaver@example.org"))
    give()
    tick(NOON.replace(hour=23))
    directory.end_post(admin, post)
    send(NOON.replace(day=25))
    assert "leaver@example.org" not in [to for to, _, _ in mailbox.arrived]
    assert Delivery.objects.get(account=account).dropped


def test_what_waits_follows_a_changed_choice(mailbox: Mailbox, proven: Proven, give: Callable[..., Done]) -> None:
    who = proven("zjj")
    give()
    tick(NOON.replace(hour=23))
    choices.keep(Choice(account_id=who.account, how={"mail:assigned": "never"}))
    assert send(NOON.replace(day=26)) == 0
    assert mailbox.arrived == []


def test_a_dead_server_ends_in_one_mail(
    monkeypatch: pytest.MonkeyPatch, proven: Proven, give: Callable[..., Done], mailbox: Mailbox
) -> None:
    from gongzhi.channels.models import Outage

    proven("zjj")
    mailbox.refuse = {"MAIL": "421 going away"}
    give()
    assert send(NOON) == 0
    for hour in range(1, 4):
        give()
        assert send(NOON + timedelta(hours=hour)) == 0
    assert Message.objects.count() == 1
    mailbox.refuse = {}
    later = timezone.now() + timedelta(hours=1)
    assert sending.send_waiting(later) == 1
    assert not Outage.objects.exists()
    assert send(NOON + timedelta(hours=4)) == 1
    assert "3 条" in mailbox.arrived[1][1]["Subject"]
