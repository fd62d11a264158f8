"""What a person sees, in a browser: the whole way of a matter, the wrong role, and everything that goes wrong on the way."""

import re
from pathlib import Path
from typing import Any

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.refusals import ABSENT
from tests.web import pages
from tests.web.serving import BROWSES, sign_in

pytestmark = BROWSES
LONG = "小区东门外的路灯从上周三开始就不亮了，晚上下班回家很黑，老人孩子都不方便，请尽快检修。"


def stage_of(actor: Any, number: str) -> str:
    with acting(actor("operator")):
        return Register.objects.get(number=number).stage_code


def test_a_matter_goes_from_a_residents_word_to_the_rating(
    open_page: Any, base: str, actor: Any, tmp_path: Path
) -> None:
    from PIL import Image

    photo = tmp_path / "路灯 照片.jpg"
    Image.new("RGB", (64, 48), "#345").save(photo)
    resident = open_page(phone=True)
    resident.goto(base)
    resident.click("a.door:has-text('说事')")
    resident.fill("[name=detail]", LONG)
    resident.click("label:has-text('求助')")
    resident.set_input_files("[name=files]", photo)
    resident.click("[data-next]")
    resident.fill("[name=address]", "幸福小区东门")
    resident.wait_for_selector("[data-map=pick][data-ready]")
    resident.locator("[data-map=pick]").click(position={"x": 120, "y": 100})
    assert re.fullmatch(r"-?\d+\.\d{6},-?\d+\.\d{6}", resident.input_value("[name=point]"))
    resident.click("[data-next]")
    resident.fill("[name=asker_name]", "李家明")
    resident.fill("[name=asker_phone]", "13800009999")
    resident.click("button:has-text('提交')")
    resident.wait_for_selector(".ticket")
    number, code = (resident.locator(".ticket dd").nth(n).inner_text() for n in (0, 1))
    assert resident.locator("svg.qr").count() == 1

    operator = open_page("operator")
    operator.click(f"a[href='/work/r/{number}']")
    assert "市城市管理局" in operator.inner_text(".proposal")
    assert "李家明" not in operator.content()
    operator.click("button:has-text('按建议派单')")
    operator.wait_for_selector(".say.good")
    assert stage_of(actor, number) == "assigned"

    agency = open_page("cgj")
    agency.click(f"a[href='/work/r/{number}']")
    agency.click("button:has-text('签收')")
    agency.wait_for_selector(".say.good")
    agency.click(".person a:has-text('查看')")
    agency.click("label:has-text('联系诉求人了解情况')")
    agency.click(".person button:has-text('查看')")
    agency.wait_for_selector("text=李家明")
    agency.reload()
    assert "李家明" not in agency.content()
    agency.click("a:has-text('答复')[data-action]")
    agency.fill("[name=answer]", "路灯已修复，感谢反映。")
    agency.set_input_files("[name=files]", photo)
    agency.click("#doing button:has-text('答复')")
    agency.wait_for_selector(".say.good")
    assert stage_of(actor, number) == "answered"

    follower = open_page(phone=True)
    follower.goto(f"{base}/follow#{number}.{code}")
    follower.wait_for_url(f"**/follow/{number}")
    assert "路灯已修复" in follower.inner_text("main")
    assert "联系诉求人了解情况" in follower.inner_text("main")
    assert code not in follower.url
    assert follower.request.get(base + follower.get_attribute(".files a", "href")).status == 200
    follower.click("a:has-text('评价')")
    follower.click("label:has-text('非常满意')")
    follower.fill("[name=comment]", "修得快")
    follower.click("#doing button:has-text('评价')")
    follower.wait_for_selector(".say.good")
    assert stage_of(actor, number) == "closed"


def test_the_wrong_role_gets_one_sentence_at_every_step_whether_the_record_exists_or_not(
    open_page: Any, base: str, actor: Any, filed: Any, ids: Any
) -> None:
    done = filed(asker_name="李家明")
    form = {"agency": ids[0]["cgj"], "category": "build"}
    done = act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)
    stranger = open_page("jy")
    said = set()
    for number in (done.number, "SQ2026999999"):
        for way in ("", "/do/accept", "/do/assign", "/do/answer", "/do/note"):
            answer = stranger.goto(f"{base}/work/r/{number}{way}")
            assert answer.status == 404
            said.add(stranger.inner_text("main"))
    assert len(said) == 1
    assert str(ABSENT) in said.pop()
    resident = open_page()
    resident.goto(f"{base}/work/r/{done.number}")
    assert resident.url.startswith(f"{base}/signin")
    resident.goto(f"{base}/follow/{done.number}")
    assert resident.url == f"{base}/follow?number={done.number}"
    assert resident.input_value("#number") == done.number
    assert stage_of(actor, done.number) == "assigned"


def test_a_double_click_sends_once(open_page: Any, base: str, actor: Any, filed: Any) -> None:
    done = filed()
    page = open_page("operator")
    page.goto(f"{base}/work/r/{done.number}/do/note")
    page.fill("[name=note]", "双击只应记一次")
    page.dblclick("#doing button[type=submit]")
    page.wait_for_selector(".say.good")
    page.wait_for_timeout(300)
    with acting(actor("operator")):
        assert Register.objects.get(pk=done.record).history.filter(action="note").count() == 1


def test_the_back_button_after_sending_shows_the_record_as_it_is_now(
    open_page: Any, base: str, actor: Any, filed: Any, ids: Any
) -> None:
    done = filed()
    page = open_page("operator")
    page.goto(f"{base}/work/r/{done.number}")
    page.click("button:has-text('按建议派单')")
    page.wait_for_selector(".say.good")
    page.go_back()
    for _ in range(50):
        if page.locator(".step-here").inner_text().strip().startswith("待签收"):
            break
        page.wait_for_timeout(100)
    assert "待签收" in page.inner_text(".step-here")
    assert page.locator("button:has-text('按建议派单')").count() == 0


def test_a_stale_page_says_who_was_first_and_keeps_the_words(
    open_page: Any, base: str, actor: Any, filed: Any, ids: Any
) -> None:
    done = filed()
    page = open_page("operator2")
    page.goto(f"{base}/work/r/{done.number}/do/decline")
    page.fill("[name=reason]", "写了很久的理由")
    form = {"agency": ids[0]["cgj"], "category": "build"}
    act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)
    page.click("#doing button[type=submit]")
    page.wait_for_selector(".say.wrong")
    assert "陈静" in page.inner_text(".say.wrong")
    assert page.input_value("textarea[readonly]") == "写了很久的理由"
    assert "待签收" in page.inner_text(".step-here")


def test_a_lost_network_is_said_and_nothing_typed_is_lost(open_page: Any, base: str, actor: Any, filed: Any) -> None:
    done = filed()
    page = open_page("operator", quiet=False)
    page.goto(f"{base}/work/r/{done.number}/do/note")
    page.fill("[name=note]", "断网时写的备注")
    page.context.set_offline(True)
    page.click("#doing button[type=submit]")
    page.wait_for_selector("[data-net]:has-text('网络断了')")
    assert page.input_value("[name=note]") == "断网时写的备注"
    page.context.set_offline(False)
    page.reload()
    assert page.input_value("[name=note]") == "断网时写的备注"
    assert "已恢复" in page.inner_text("#doing")
    page.click("#doing button[type=submit]")
    page.wait_for_selector(".say.good")
    page.goto(f"{base}/work/r/{done.number}/do/note")
    assert page.input_value("[name=note]") == ""


def test_a_session_that_ended_meanwhile_loses_no_words(open_page: Any, base: str, actor: Any, filed: Any) -> None:
    done = filed()
    page = open_page("operator2")
    page.goto(f"{base}/work/r/{done.number}/do/note")
    page.fill("[name=note]", "写到一半登录过期")
    page.context.clear_cookies(name="gongzhi")
    page.click("#doing button[type=submit]")
    page.wait_for_selector("[data-net]:has-text('已过期')")
    assert page.input_value("[name=note]") == "写到一半登录过期"
    other = page.context.new_page()
    sign_in(other, base, "operator2", pages.PASSWORD)
    page.click("#doing button[type=submit]")
    page.wait_for_selector(".say.good")
    with acting(actor("operator")):
        assert Register.objects.get(pk=done.record).history.filter(action="note").count() == 1


def test_drafts_go_when_the_person_signs_out(open_page: Any, base: str, filed: Any) -> None:
    done = filed()
    page = open_page("operator2")
    page.goto(f"{base}/work/r/{done.number}/do/note")
    page.fill("[name=note]", "没有提交的话")
    assert page.evaluate("Object.keys(localStorage).length") == 1
    page.click(".me summary")
    page.click(".me button:has-text('退出')")
    page.wait_for_selector("#login")
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_keys_move_and_open(open_page: Any, base: str, filed: Any) -> None:
    filed()
    filed()
    page = open_page("operator")
    page.goto(f"{base}/work/s/request/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.getAttribute('href')")
    assert second == page.locator("[data-row]").nth(1).get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_selector(".steps-bar")
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.hasAttribute('data-action')")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"


def test_the_language_is_switched_without_a_script_and_the_page_stays(browser: Any, base: str) -> None:
    context = browser.new_context(locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/follow")
    page.click("text=English")
    assert page.url == f"{base}/follow"
    assert page.inner_text("h1") == "Follow"
    assert page.locator("html").get_attribute("lang") == "en"
    page.click("text=中文")
    assert page.inner_text("h1") == "查进度"
    context.close()


def test_the_map_falls_back_to_its_table_without_webgl(base: str, browser: Any, filed: Any) -> None:
    filed(point="119.02,33.6")
    context = browser.new_context(locale="zh-CN")
    context.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) "
        "{ return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
    )
    page = context.new_page()
    sign_in(page, base, "manager", pages.PASSWORD)
    page.goto(f"{base}/work/map")
    for _ in range(50):
        if page.locator("[data-map]").count() == 0:
            break
        page.wait_for_timeout(100)
    assert page.locator("[data-map]").count() == 0
    assert "按地点" in page.inner_text("main")
    context.close()


def test_my_position_is_taken_when_allowed_and_refused_in_words_when_not(base: str, browser: Any) -> None:
    for allowed in (True, False):
        context = browser.new_context(
            permissions=["geolocation"] if allowed else [],
            geolocation={"longitude": 119.0312, "latitude": 33.5871},
            locale="zh-CN",
        )
        page = context.new_page()
        page.goto(f"{base}/report")
        page.click("[data-locate]")
        if allowed:
            page.wait_for_selector("[data-point-say]:has-text('位置已标出')")
            assert page.input_value("[name=point]") == "119.031200,33.587100"
        else:
            page.wait_for_selector("[data-point-say]:has-text('没有取得位置')")
            assert page.input_value("[name=point]") == ""
        context.close()


def test_a_township_offers_its_villages_and_the_finer_one_counts(open_page: Any, base: str, actor: Any) -> None:
    page = open_page()
    page.goto(f"{base}/report")
    page.fill("[name=detail]", "村里的路坏了")
    page.select_option("#f-place", label="平桥镇")
    page.wait_for_selector("[data-finer] select")
    page.select_option("[data-finer] select", index=1)
    village = page.locator("[data-finer] select").input_value()
    page.click("button:has-text('提交')")
    number = page.locator(".ticket dd").first.inner_text()
    with acting(actor("operator")):
        assert str(Register.objects.get(number=number).place_id) == village
