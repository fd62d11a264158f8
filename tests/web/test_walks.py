"""The main jobs by thumb and by keyboard: no tap more than needed, and nothing lost on the way."""

from io import BytesIO
from typing import Any

from PIL import Image

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Agency, Attachment, Register
from tests.web.serving import BROWSES

pytestmark = BROWSES


def photo() -> Any:
    """A small picture, as a file field takes it."""
    held = BytesIO()
    Image.new("RGB", (64, 48), "#345").save(held, "JPEG")
    return {"name": "护栏.jpg", "mimeType": "image/jpeg", "buffer": held.getvalue()}


def press(page: Any, what: str = "main button[type=submit]") -> None:
    """Press what a thumb would first scroll to: it may lie under the bar at the bottom."""
    page.locator(what).last.evaluate("button => button.scrollIntoView({block: 'center'})")
    page.locator(what).last.click()


def test_many_are_done_together_from_the_list(open_page: Any, base: str, actor: Any, filed: Any) -> None:
    numbers = [filed().number, filed().number]
    page = open_page("operator", phone=True)
    page.goto(f"{base}/work/s/request/")
    for number in numbers:
        page.check(f"input[value='{number}']")
    page.select_option("#bulk-action", "note")
    page.click("[data-bulk-bar] button")
    page.fill("[name=note]", "两条都已电话告知")
    page.click("form.doing button[type=submit]")
    page.wait_for_selector("h1:has-text('办成 2 条')")
    with acting(actor("operator")):
        for number in numbers:
            assert Register.objects.get(number=number).history.filter(action="note").count() == 1


def test_a_refused_report_keeps_its_photo_and_its_list_of_faults_leads_to_the_screens(
    open_page: Any, base: str, actor: Any
) -> None:
    page = open_page(phone=True)
    page.goto(f"{base}/report")
    page.fill("[name=detail]", "桥头的护栏断了一截")
    page.set_input_files("[name=files]", photo())
    page.click("[data-next]")
    page.fill("[name=point]", "119,abc")
    page.click("[data-next]")
    page.fill("[name=asker_phone]", "12")
    page.click("button:has-text('提交')")
    page.wait_for_selector(".error")
    assert page.input_value("[name=detail]") == "桥头的护栏断了一截"
    assert page.evaluate("document.querySelector('[name=files]').files[0].name") == "护栏.jpg"
    assert page.locator("[data-again]").count() == 0
    page.click("#now a:has-text('电话')")
    page.fill("[name=asker_phone]", "13800009999")
    page.click("#now a:has-text('位置')")
    page.fill("[name=point]", "")
    page.click("[data-next]")
    page.click("button:has-text('提交')")
    page.wait_for_selector(".ticket")
    number = page.locator(".ticket dd").first.inner_text()
    with acting(actor("operator")):
        assert Attachment.objects.filter(record__number=number).count() == 1


def test_a_refused_import_keeps_its_file(open_page: Any, base: str) -> None:
    page = open_page("operator")
    page.goto(f"{base}/work/import")
    page.set_input_files("#file", {"name": "空.csv", "mimeType": "text/csv", "buffer": b""})
    press(page)
    page.wait_for_selector("[role=alert]")
    assert page.evaluate("document.querySelector('#file').files[0].name") == "空.csv"


def test_a_matter_is_accepted_and_answered_without_a_mouse(open_page: Any, base: str, actor: Any, filed: Any) -> None:
    done = filed()
    with acting(actor("operator")):
        agency = Agency.objects.get(code="cgj").pk
    act(
        actor("operator"),
        "request",
        "assign",
        record=done.record,
        version=1,
        form={"agency": agency, "category": "build"},
    )
    page = open_page("cgj")
    page.locator(f"a[href='/work/r/{done.number}']").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".steps-bar")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.wait_for_selector(".say.good")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=answer]:focus")
    page.keyboard.type("已经换上新灯，今晚恢复照明。")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".step-here:has-text('已答复')")


def test_a_round_with_three_findings_needs_no_way_back(open_page: Any, base: str, actor: Any) -> None:
    grid = actor("grid")
    plan = {"theme": "fire", "planned_on": "2026-11-02", "scope": "沿街商铺", "place": grid.place}
    tour = act(grid, "inspection", "plan", form=plan)
    page = open_page("grid", phone=True)
    page.goto(f"{base}/work/r/{tour.number}")
    page.click("button:has-text('开始巡查')")
    page.wait_for_selector(".say.good")
    page.click("a:has-text('登记问题')")
    for what in ("安全出口锁着", "配电箱没有门", "灭火器过期"):
        assert page.input_value("#f-theme") == "fire"
        assert page.locator("[name=whole]").get_attribute("type") == "hidden"
        page.fill("[name=what]", what)
        page.click("label:has-text('较大')")
        page.select_option("#f-agency", label="市消防救援支队")
        press(page)
        page.wait_for_selector(".say.good:has-text('已登记问题')")
        assert page.url.startswith(f"{base}/work/r/{tour.number}")
        page.click("a:has-text('继续登记问题')")
    page.click(f"a:has-text('{tour.number}')")
    page.wait_for_selector(".part-list li >> nth=2")
    assert page.locator(".part-list li").count() == 3


def test_a_house_is_entered_and_its_plate_printed(open_page: Any, base: str, actor: Any) -> None:
    page = open_page("grid", phone=True)
    page.click(".bottom summary")
    page.click(".sheet a[href='/work/s/house/new']")
    page.fill("[name=address]", "健康西路 20 号")
    page.select_option("#f-place", label="城南街道")
    page.click("label:has-text('居住')")
    press(page)
    page.wait_for_selector(".say.good")
    page.click("a:has-text('标牌')")
    page.wait_for_selector(".plate:has-text('健康西路 20 号')")
    assert page.locator("[data-print]").is_visible()
