"""Two readers of one process, and of a city of either language: each reads their own language, whoever came first."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import translation
from django.utils.translation import trans_real

from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.service import services
from tests.web.machines import Machine

HAN = re.compile("[\u3400-\u9fff]")
MARKED = re.compile(r'<(?!html)(\w+)[^>]*\blang="zh-Hans"[^>]*>.*?</\1>|<script.*?</script>', re.DOTALL)
ENGLISH = {"accept-language": "en"}
CHINESE = {"accept-language": "zh-CN,zh;q=0.9"}


@pytest.fixture(autouse=True)
def fresh_forms() -> Iterator[None]:
    """Forms as a process has them that has just begun: whose reader came first must not matter."""
    for service in services().values():
        for name in ("_bound", "fields"):
            service.__dict__.pop(name, None)
    with translation.override(None):
        yield


def labels(text: str) -> list[str]:
    found = re.findall(r"<(?:label|legend)[^>]*>(.*?)</(?:label|legend)>", MARKED.sub("", text), re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]+>", " ", one)).split()) for one in found]


@pytest.mark.parametrize("first", ["en", "zh-hans"])
def test_whoever_comes_first_does_not_choose_the_forms_language(city: str, first: str) -> None:
    Client().get("/report", headers={"accept-language": first})
    english = labels(Client().get("/report", headers=ENGLISH).content.decode())
    chinese = labels(Client().get("/report", headers=CHINESE).content.decode())
    assert english
    assert not [label for label in english if HAN.search(label)]
    assert any("诉求人电话" in label for label in chinese)
    assert any(re.search(r"phone|telephone", label.lower()) for label in english)


def test_the_cookie_goes_before_the_browser(city: str) -> None:
    client = Client()
    client.cookies["gongzhi_language"] = "en"
    assert client.get("/report", headers=CHINESE)["Content-Language"] == "en"
    client.cookies["gongzhi_language"] = "zh-hans"
    assert client.get("/report", headers=ENGLISH)["Content-Language"] == "zh-hans"


@pytest.mark.parametrize("spoken", ["zh-hans", "en"])
def test_each_reader_has_their_language_in_a_city_of_either(spoken: str) -> None:
    with override_settings(LANGUAGE_CODE=spoken):
        trans_real._translations.clear()  # type: ignore[attr-defined]
        try:
            with translation.override("zh-hans"):
                assert translation.gettext("没有这个地点。") == "没有这个地点。"
                assert translation.ngettext("还剩 {days} 个工作日", "还剩 {days} 个工作日", 2) == "还剩 {days} 个工作日"
            with translation.override("en"):
                assert translation.gettext("没有这个地点。") == "There is no such place."
        finally:
            trans_real._translations.clear()  # type: ignore[attr-defined]


def test_a_rule_of_the_citys_is_cited_in_the_readers_language(city: str, at_desk: Any, filed: Any, actor: Any) -> None:
    made = filed()
    with acting(actor("operator")):
        number = Register.objects.get(pk=made.record).number
    desk, machine = at_desk("operator"), Machine("operator")
    for path in (f"/work/r/{number}", "/work/s/request/help", "/services"):
        assert "本市规定" not in desk.get(path, headers=ENGLISH).content.decode(), path
        assert "本市规定" in desk.get(path, headers=CHINESE).content.decode(), path
    said = {
        language: machine.get(f"/request/{number}", **{"Accept-Language": language}).json()["due_source"]
        for language in ("en", "zh-hans")
    }
    assert said["zh-hans"] == "本市规定"
    assert not HAN.search(said["en"])


def test_a_group_of_deadlines_opens_in_both_languages(city: str, at_desk: Any) -> None:
    for headers in (ENGLISH, CHINESE):
        assert at_desk("manager").get("/work/deadlines?group=late", headers=headers).status_code == 200
