"""Which language a page speaks, and what is marked as the city's own words."""

from typing import Any

import pytest
from django.template import engines
from django.test import Client
from django.utils import timezone, translation

from gongzhi.channels.choices import KINDS
from gongzhi.kernel import directory, lending
from gongzhi.kernel.service import service


@pytest.fixture
def client(city: str) -> Client:
    return Client()


def test_the_choice_is_kept_for_a_year_and_leads_back(client: Client) -> None:
    answer = client.post("/language", {"language": "en", "next": "/follow"})
    assert (answer.status_code, answer["Location"]) == (302, "/follow")
    cookie = answer.cookies["gongzhi_language"]
    assert (cookie.value, cookie["max-age"], cookie["httponly"]) == ("en", 365 * 24 * 3600, True)


@pytest.mark.parametrize("wanted", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""])
def test_no_page_of_another_host_is_next(client: Client, wanted: str) -> None:
    assert client.post("/language", {"language": "en", "next": wanted})["Location"] == "/"


def test_a_language_that_is_not_there_is_refused_with_a_sentence(client: Client) -> None:
    answer = client.post("/language", {"language": "xx", "next": "/"})
    assert answer.status_code == 400
    assert "gongzhi_language" not in answer.cookies
    assert client.get("/language").status_code == 405


def test_the_switch_asks_for_the_forms_token(city: str) -> None:
    assert Client(enforce_csrf_checks=True).post("/language", {"language": "en"}).status_code == 403


def filtered(text: Any, language: str) -> str:
    with translation.override(language):
        return engines["django"].from_string("{{ text|data }}").render({"text": text})


def test_the_citys_own_words_say_their_language_on_a_page_in_another() -> None:
    assert filtered("健康路12号的<b>路灯", "zh-hans") == "健康路12号的&lt;b&gt;路灯"
    assert (
        filtered("健康路12号的<b>路灯", "en")
        == '<span lang="zh-Hans">健康路12号的</span>&lt;b&gt;<span lang="zh-Hans">路灯</span>'
    )
    assert filtered("The text says “路灯”.", "en") == 'The text says “<span lang="zh-Hans">路灯</span>”.'
    assert filtered("Main Street 12", "en") == "Main Street 12"
    assert filtered(None, "en") == ""


def test_one_chinese_word_is_several_in_english_by_what_it_stands_for() -> None:
    request, finding = service("request"), service("finding")
    with translation.override("en"):
        assert str(request.procedure.stage("invalid").title) == "Not accepted"
        assert str(request.procedure.by_code["decline"].title) == "Do not accept"
        assert str(request.facts["rating"].verbose_name) == "Rating"
        assert str(request.procedure.by_code["rate"].title) == "Rate"
        assert request.facts["rating"].display("3") == "Neutral"
        assert finding.facts["gravity"].display("minor") == "Minor"
        assert str(KINDS["escalated"]) == "Escalated"
        assert str(request.procedure.by_code["escalate"].title) == "Escalate"
    assert str(request.procedure.by_code["decline"].title) == "不予受理"
    assert request.facts["rating"].display("3") == "一般"


def test_a_page_is_headed_by_what_it_lists_and_a_fact_by_what_it_is(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    admin = actor("admin")
    colleague = directory.add_account(admin, "standin", "代班人", "a long password")
    directory.add_post(admin, colleague, ids[0]["zjj"], "handler", admin.place)
    lender, today = actor("zjj"), timezone.localdate()
    lent = lending.lend(lender, lender.post, colleague, today, today, "")
    client = at_desk("zjj")
    client.cookies["gongzhi_language"] = "en"
    page = client.get(f"/work/lend/{lent}").content.decode()
    assert "<dt>Post</dt>" in page
    assert "Posts</dt>" not in page
    filed()
    operator = at_desk("operator")
    operator.cookies["gongzhi_language"] = "en"
    shown = operator.get("/work/s/request/").content.decode()
    assert "<span>Deadlines</span>" in shown  # the page, in the bar below
    assert ">Deadline</a>" in shown  # the column
