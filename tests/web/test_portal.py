"""The residents' portal over HTTP: no account, a code that is shown once, and nothing of anybody else."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting, portal_actor
from gongzhi.kernel.models import Attachment, Register
from gongzhi.web.portal import follow, report
from tests.web.test_console import hidden, text

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c636060606000000005000"
    "1a5f645400000000049454e44ae426082"
)


@pytest.fixture(autouse=True)
def unhurried(city: str) -> None:
    """Forget how often this address came."""
    from gongzhi.kernel.models import Rate

    Rate.objects.all().delete()


def answered(actor: Any, ids: Any) -> tuple[Any, str]:
    """A request that has its answer, and its follow-up code."""
    first = act(portal_actor(), "request", "file", form={"detail": "楼道灯不亮", "asker_name": "钱多多"})
    form = {"agency": ids[0]["cgj"], "category": "build", "note": "内部派单说明"}
    done = act(actor("operator"), "request", "assign", record=first.record, version=1, form=form)
    act(actor("operator"), "request", "note", record=first.record, form={"note": "只给同事看的备注"})
    done = act(actor("cgj"), "request", "accept", record=done.record, version=done.version)
    done = act(actor("cgj"), "request", "answer", record=done.record, version=done.version, form={"answer": "灯已换好"})
    return done, first.follow


def follower(number: str, code: str) -> Client:
    client = Client()
    assert client.post("/follow", {"number": number, "code": code}).status_code == 302
    return client


def test_a_report_needs_no_account_and_gives_a_number_and_a_code_once(city: Any, actor: Any) -> None:
    client = Client()
    key = hidden(text(client.get("/report")), "key")
    form = {"key": key, "detail": "小区门口的窨井盖坏了，老人差点摔倒。", "nature": "help", "point": "119.03,33.58",
            "asker_name": "孙先生", "asker_phone": "13600001111", "files": SimpleUploadedFile("现场.png", PIXEL)}  # fmt: skip
    sent = client.post("/report", form)
    assert sent["Location"] == "/report/done"
    page = text(client.get("/report/done"))
    number = re.search(r"SQ\d{10}", page)
    code = re.search(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", page)
    assert number
    assert code
    assert "<svg" in page
    assert not any(code[0] in found for found in re.findall(r'href="([^"]*)"', page))
    with acting(actor("operator")):
        record = Register.objects.get(number=number[0])
        assert (record.lon, record.lat) == (119.03, 33.58)
        assert record.channel == "portal"
        assert Attachment.objects.filter(record=record).count() == 1
    assert text(client.get(f"/follow/{number[0]}")).count(number[0]) >= 1
    assert Client().get("/report/done")["Location"] == "/follow"


def test_the_code_is_shown_for_ten_minutes_and_no_longer(city: Any) -> None:
    client = Client()
    client.post("/report", {"key": str(uuid4()), "detail": "路面积水"})
    session = client.session
    session["told"] = {**session["told"], "until": (timezone.now() - timedelta(seconds=1)).timestamp()}
    session.save()
    assert client.get("/report/done")["Location"] == "/follow"


def test_the_same_form_sent_twice_makes_one_record_and_the_same_code(city: Any, actor: Any) -> None:
    client, key = Client(), str(uuid4())
    codes = set()
    for _ in range(2):
        client.post("/report", {"key": key, "detail": "同一件事发了两次的独特描述"})
        codes.add(client.session["told"]["code"])
    with acting(actor("operator")):
        assert Register.objects.filter(title="同一件事发了两次的独特描述").count() == 1
    assert len(codes) == 1


def test_an_empty_report_is_told_what_is_missing_and_keeps_the_rest(city: Any) -> None:
    answer = Client().post("/report", {"key": "k", "detail": " ", "address": "健康西路 8 号", "asker_phone": "abc"})
    assert answer.status_code == 422
    page = text(answer)
    assert 'id="error-detail"' in page
    assert 'id="error-asker_phone"' in page
    assert 'value="健康西路 8 号"' in page
    assert hidden(page, "key") == "k"


def test_a_program_named_jpg_is_refused_and_the_words_stay(city: Any) -> None:
    bad = SimpleUploadedFile("照片.jpg", b"MZ" + b"\0" * 200)
    answer = Client().post("/report", {"key": "k2", "detail": "写好的内容", "files": bad})
    assert answer.status_code == 422
    assert "error-files" in text(answer)
    assert "写好的内容" in text(answer)


def test_fields_for_those_who_work_cannot_be_set_from_outside(city: Any, actor: Any, ids: Any) -> None:
    page = text(Client().get("/report"))
    assert 'name="channel"' not in page
    assert 'name="category"' not in page
    client = Client()
    client.post("/report", {"key": str(uuid4()), "detail": "想自己定来源", "channel": "call", "category": "build"})
    with acting(actor("operator")):
        record = Register.objects.get(number=client.session["told"]["number"])
        assert record.facts.channel == "portal"
        assert record.facts.category == ""


def test_who_reports_too_often_is_asked_to_wait_and_loses_nothing(city: Any) -> None:
    for _ in range(report.REPORTS_AN_HOUR):
        assert Client().post("/report", {"key": str(uuid4()), "detail": "一件事"}).status_code == 302
    answer = Client().post("/report", {"key": str(uuid4()), "detail": "第十一件事"})
    assert answer.status_code == 429
    assert "12345" in text(answer)
    assert "第十一件事" in text(answer)


def test_a_wrong_code_and_a_number_that_is_not_there_get_one_sentence(city: Any, actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    for number, given in ((done.number, "AAAA-BBBB-CCCC"), ("SQ2026999999", code), ("", ""), ("'; --", "x")):
        answer = Client().post("/follow", {"number": number, "code": given})
        assert answer.status_code == 422
        assert str(follow.WRONG) in text(answer)
    assert Client().get(f"/follow/{done.number}")["Location"] == f"/follow?number={done.number}"


def test_codes_cannot_be_tried_without_end(city: Any, actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    for _ in range(follow.TRIES_AN_HOUR):
        Client().post("/follow", {"number": done.number, "code": "AAAA-BBBB-CCCC"})
    answer = Client().post("/follow", {"number": done.number, "code": code})
    assert answer.status_code == 429


def test_the_follower_sees_answers_and_looks_but_no_names_and_no_inner_words(actor: Any, ids: Any) -> None:
    from gongzhi.kernel.models import Party
    from gongzhi.kernel.parties import ask

    done, code = answered(actor, ids)
    with acting(actor("cgj")):
        party = Party.objects.get(record=done.record)
    ask(actor("cgj"), party.pk, "contact")
    page = text(follower(done.number.lower(), code.lower().replace("-", " ")).get(f"/follow/{done.number}"))
    assert "灯已换好" in page
    assert "联系诉求人了解情况" in page
    for inner in ("内部派单说明", "只给同事看的备注", actor("cgj").name, actor("operator").name, "钱多多"):
        assert inner not in page


def test_the_code_opens_one_matter_and_no_other(actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    other, _ = answered(actor, ids)
    client = follower(done.number, code)
    assert client.get(f"/follow/{other.number}")["Location"] == f"/follow?number={other.number}"
    sent = client.post(f"/follow/{other.number}/do/rate", {"rating": "1", "version": other.version, "key": "x"})
    assert sent["Location"] == "/follow"
    with acting(actor("operator")):
        assert Register.objects.get(pk=other.record).stage_code == "answered"


def test_the_resident_rates_and_asks_to_reopen(actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    client = follower(done.number, code)
    page = text(client.get(f"/follow/{done.number}/do/rate"))
    form = {"version": hidden(page, "version"), "key": hidden(page, "key"), "comment": "只修了一半"}
    missing = client.post(f"/follow/{done.number}/do/rate", form)
    assert missing.status_code == 422
    assert "只修了一半" in text(missing)
    sent = client.post(f"/follow/{done.number}/do/rate", {**form, "rating": "2"})
    assert sent.status_code == 302
    assert "已收到" in text(client.get(sent["Location"]))
    page = text(client.get(f"/follow/{done.number}/do/reopen"))
    form = {"version": hidden(page, "version"), "key": hidden(page, "key"), "reason": "还是不亮"}
    assert client.post(f"/follow/{done.number}/do/reopen", form).status_code == 302
    with acting(actor("cgj")):
        assert Register.objects.get(pk=done.record).stage_code == "working"


def test_what_residents_may_not_do_is_not_there(actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    client = follower(done.number, code)
    for action in ("assign", "close", "note", "nothing"):
        assert client.post(f"/follow/{done.number}/do/{action}", {"version": done.version}).status_code == 404


def test_codes_are_forgotten_when_asked(actor: Any, ids: Any) -> None:
    done, code = answered(actor, ids)
    client = follower(done.number, code)
    client.post("/follow/forget")
    assert client.get(f"/follow/{done.number}")["Location"] == f"/follow?number={done.number}"


def test_every_service_tells_its_steps_and_deadlines(city: Any) -> None:
    page = text(Client().get("/services"))
    assert "2 个工作日内" in page
    assert "本市规定" in page
