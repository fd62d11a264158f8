"""Every page is looked at: whole in its language, clean for axe, on a phone, at 200 %, on paper, and without what it fetches."""

from typing import Any

import pytest
from django.conf import settings

from gongzhi.kernel.worker import tick
from tests.web import matters, pages
from tests.web.serving import BROWSES, LOCALES, inspect, overflow

pytestmark = BROWSES


@pytest.fixture(scope="module")
def numbers(city: str) -> dict[str, Any]:
    """The records that the pages show."""
    made = matters.made()
    tick()
    return made


# A look through ninety pages takes minutes: the city's own language at every landing, the other ones among the long tests.
EVERY = [pytest.param(one, marks=[] if one == settings.LANGUAGE_CODE else [pytest.mark.long]) for one in LOCALES]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", EVERY)
def test_every_page_is_whole_in_its_language_clean_for_axe_fits_a_phone_and_asks_nobody_else(
    open_page: Any, base: str, numbers: dict[str, Any], language: str
) -> None:
    faults = []
    for who in dict.fromkeys(page.who for page in pages.PAGES):
        tab = open_page(who, language=language)
        if not who:
            pages.follow(tab, base, numbers)
        for wanted in (page for page in pages.PAGES if page.who == who):
            status = pages.visit(tab, base, wanted, numbers)
            found = [] if status == wanted.status else [f"status {status}"]
            found += inspect(tab, axe=language == "zh-hans")  # tags and colours are the same in every language
            for width, what in ((720, "zoom of 200 %"), (390, "phone")):
                tab.set_viewport_size({"width": width, "height": 844})
                found += [f"{what}: {fault}" for fault in overflow(tab)]
            tab.set_viewport_size({"width": 1440, "height": 900})
            faults += [f"{wanted.name}: {fault}" for fault in found]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", ["/work/", "/work/s/request/", "/work/r/{filed}", "/work/s/house/plates"])
def test_what_is_printed_has_no_rail_and_no_buttons_and_is_black_on_white(
    open_page: Any, base: str, numbers: dict[str, Any], path: str
) -> None:
    page = open_page("operator")
    page.goto(base + path.format(**numbers))
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1032})  # A4 within its margins
    for gone in (".rail", ".top", ".bottom", "main button", "main .btn", ".map"):
        assert not any(shown.is_visible() for shown in page.locator(gone).all()), gone
    colours = page.evaluate(
        "[...document.querySelectorAll('main, main td, main p, main h1')].map(e => getComputedStyle(e).color)"
    )
    assert set(colours) <= {"rgb(0, 0, 0)"}
    assert overflow(page) == []
    if page.locator("table.records").count():
        assert page.locator("table.records").first.evaluate("e => getComputedStyle(e).display") == "table"
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_a_part_that_cannot_be_fetched_says_so_beside_the_thing(
    open_page: Any, base: str, numbers: dict[str, Any]
) -> None:
    page = open_page("zjj", quiet=False)
    page.goto(f"{base}/work/r/{numbers['working']}")
    page.route("**/person/**", lambda route: route.abort())
    page.click(".person a")
    page.wait_for_selector(".person [data-net]")
    assert "请检查网络" in page.inner_text(".person [data-net]")
    page.unroute("**/person/**")
    page.click(".person a")
    page.wait_for_selector(".person.open")
