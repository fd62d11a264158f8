"""What befalls any form: the network goes away, a button is pressed twice, the page is older than what it shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Account, Agency, Place, Register
from tests.web import pages
from tests.web.serving import AXE, CHROMIUM, chromium, served, sign_in
from tests.web.test_console import hidden, text

in_browser = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.skipif(not AXE.exists(), reason="page assets are not set up (make setup)"),
]
BROWSER_FORMS = ["report", "rate", "new", "signin", "follow", "import", "agency"]


@pytest.fixture(scope="module")
def base(city: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(base: str) -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture
def answered(actor: Any, ids: Any, filed: Any) -> Any:
    """A matter that waits for its rating."""
    done = follow = filed()
    form = {"agency": ids[0]["cgj"], "category": "build"}
    done = act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)
    done = act(actor("cgj"), "request", "accept", record=done.record, version=done.version)
    act(actor("cgj"), "request", "answer", record=done.record, version=done.version, form={"answer": "灯已换好"})
    return follow


def opened(page: Any, base: str, name: str, matter: Any, folder: Path) -> tuple[str, dict[str, str]]:
    """Open a form and fill it in; return the form's selector and what was typed, by selector."""
    login = {"new": "operator", "import": "operator", "agency": "admin"}.get(name, "")
    if login:
        sign_in(page, base, login, pages.PASSWORD)
    if name == "rate":
        page.goto(f"{base}/follow#{matter.number}.{matter.follow}")
        page.wait_for_url(f"**/follow/{matter.number}")
    way, form = {
        "report": ("/report", "form.report-form"), "new": ("/work/s/request/new", "form.new-form"),
        "rate": (f"/follow/{matter.number}/do/rate", "#doing"), "signin": ("/signin", "form[action='/signin']"),
        "follow": ("/follow", "form[data-follow]"), "import": ("/work/import", "form.new-form"),
        "agency": ("/work/agencies?do=add_agency", "#doing"),
    }[name]  # fmt: skip
    page.goto(base + way)
    typed = {
        "report": {"[name=detail]": f"断网那天写的事 {matter.number}", "[name=asker_name]": "吴女士"},
        "new": {"[name=detail]": f"断网那天接的电话 {matter.number}"},
        "rate": {"[name=comment]": "修得快"},
        "signin": {"#login": "operator", "#password": pages.PASSWORD},
        "follow": {"#number": matter.number, "#code": matter.follow},
        "import": {},
        "agency": {"[name=code]": matter.number.lower(), "[name=title]": "市园林局", "[name=short]": "园林"},
    }[name]
    for field, words in typed.items():
        page.fill(field, words)
    if name == "rate":
        page.click("label:has-text('非常满意')")
    if name == "agency":
        page.select_option("[name=kind]", index=1)
        page.select_option("#f-place", index=1)
    if name == "import":
        table = folder / "工单.csv"
        table.write_text(f"工单编号,来电时间,诉求内容\n{matter.number},2026-10-08 09:30,路灯不亮\n", encoding="utf-8")
        page.set_input_files("[name=file]", table)
    return form, typed


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
    made = context.new_page()
    made.set_default_timeout(15_000)
    yield made
    context.close()


class TestInTheBrowser:
    """Without the network, and with an impatient finger."""

    pytestmark = in_browser

    @pytest.mark.parametrize("name", BROWSER_FORMS)
    def test_a_lost_network_is_said_in_the_form_and_once_it_is_back_the_same_form_is_sent(
        self, name: str, page: Any, base: str, answered: Any, tmp_path: Path
    ) -> None:
        form, typed = opened(page, base, name, answered, tmp_path)
        here = page.url
        page.context.set_offline(True)
        page.click(f"{form} [type=submit]")
        page.wait_for_selector(f"{form} [data-net]:has-text('网络断了')")
        assert page.url == here
        for field, words in typed.items():
            assert page.input_value(f"{form} {field}") == words
        page.context.set_offline(False)
        page.click(f"{form} [type=submit]")
        page.wait_for_function("here => location.href.split('#')[0] !== here.split('#')[0]", arg=here)
        assert page.locator("[data-net]").count() == 0

    @pytest.mark.parametrize("name", BROWSER_FORMS)
    def test_a_double_click_sends_one_request(
        self, name: str, page: Any, base: str, answered: Any, tmp_path: Path
    ) -> None:
        form, _ = opened(page, base, name, answered, tmp_path)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        here = page.url
        page.dblclick(f"{form} [type=submit]")
        page.wait_for_function("here => location.href.split('#')[0] !== here.split('#')[0]", arg=here)
        page.wait_for_timeout(300)
        assert len(sent) == 1

    @pytest.mark.parametrize("name", ["report", "rate", "new"])
    def test_after_the_back_button_sending_again_makes_nothing_new(
        self, name: str, page: Any, base: str, answered: Any, actor: Any, tmp_path: Path
    ) -> None:
        form, typed = opened(page, base, name, answered, tmp_path)
        here = page.url
        page.click(f"{form} [type=submit]")
        page.wait_for_url(lambda url: url.split("#")[0] != here.split("#")[0])
        page.go_back()
        page.wait_for_timeout(500)
        words = next(iter(typed.values()))
        with acting(actor("operator")):
            if name == "rate":
                record = Register.objects.get(pk=answered.record)
                assert (record.stage_code, record.history.filter(action="rate").count()) == ("closed", 1)
            else:
                assert (
                    Register.objects.filter(title__startswith=words[:10], title__contains=answered.number).count() == 1
                )


def test_a_directory_form_that_is_older_than_what_it_changes_says_who_was_first_and_keeps_the_words(
    at_desk: Any, actor: Any, ids: Any
) -> None:
    client, agency = at_desk("admin"), Agency.objects.get(code="hb")
    place = Place.objects.get(pk=ids[1]["320829"] if "320829" in ids[1] else ids[1]["320813"])
    account = actor("zjj").account
    forms = (
        ("/work/agencies", "change_agency", agency.pk,
         {"title": "市生态环境局", "short": "生态环境局", "kind": agency.kind, "place": agency.place_id, "ended_on": ""}, "short"),
        ("/work/places", "rename_place", place.pk, {"name": "新的名称", "code": place.code, "since": "2026-11-01"}, "name"),
        ("/work/posts", "rename_account", account, {"name": "刘大洋"}, "name"),
    )  # fmt: skip
    for way, do, subject, typed, name in forms:
        began = hidden(text(client.get(f"{way}?do={do}&of={subject}")), "began")
        first = {**typed, "do": do, "of": subject, "began": began}
        assert client.post(way, first).status_code == 302, do
        late = client.post(way, {**first, name: "后来的人写的"})
        shown = text(late)
        assert late.status_code == 409, do
        assert "张伟" in shown, do
        assert 'value="后来的人写的"' in shown, do
        again = {**first, name: "后来的人写的", "began": hidden(shown, "began")}
        assert again["began"] != began
        assert client.post(way, again).status_code == 302, do
        assert re.search("后来的人写的", text(client.get(f"{way}?do={do}&of={subject}")))


@pytest.mark.parametrize("do", ["add_place", "split_place", "add_agency", "add_account", "add_post"])
def test_a_directory_form_sent_twice_makes_one_thing(at_desk: Any, actor: Any, ids: Any, do: str) -> None:
    from gongzhi.kernel.models import Post

    client, agency, place = at_desk("admin"), ids[0]["cgj"], ids[1]["320826"]
    way = {"add_place": "places", "split_place": "places", "add_agency": "agencies"}.get(do, "posts")
    form = {
        "add_place": {"of": place, "name": "两次镇", "code": "320826999", "since": "2026-11-01"},
        "split_place": {"of": place, "name": "两次县", "code": "320899", "since": "2026-11-01"},
        "add_agency": {"code": "twice", "title": "两次局", "short": "两次", "kind": "agency", "place": place},
        "add_account": {"login": "twice", "name": "两次", "password": "long-enough-1", "agency": agency, "role": "handler",
                        "place": place},
        "add_post": {"account": actor("jt").account, "agency": agency, "role": "handler", "place": place},
    }[do]  # fmt: skip

    def counts() -> list[int]:
        with acting(actor("admin")):
            return [model._default_manager.count() for model in (Place, Agency, Account, Post)]

    assert client.post(f"/work/{way}", {"do": do, **form}).status_code == 302
    once = counts()
    assert client.post(f"/work/{way}", {"do": do, **form}).status_code == 422
    assert counts() == once
