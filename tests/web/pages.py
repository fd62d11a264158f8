"""Every page, once: what the pictures show and what the browser tests look through.

``{filed}``, ``{working}``, … are numbers of records, made by ``matters.made``.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

PASSWORD = "gongzhi2026"
TABLE = (
    "工单编号,来电时间,来电人,联系电话,诉求标题,诉求内容,诉求类型,所属区域,详细地址\r\n"
    "P-1,2026-10-08 09:30,王先生,13800000001,路灯不亮,健康西路路灯不亮,投诉,清江浦区,健康西路\r\n"
    "P-2,2026-02-30,李女士,13800000002,井盖缺失,井盖丢了,求助,清江浦区,淮海路\r\n"
)
"""A table of calls whose second row has a day that there is not."""

Doing = Callable[[Any], None]


def press_help(tab: Any) -> None:
    """Open the card of keys."""
    tab.keyboard.press("?")


def look_at_person(tab: Any) -> None:
    """Ask to see who is in the record."""
    tab.click(".person a")
    tab.wait_for_selector(".person.open")


def choose_purpose(tab: Any) -> None:
    """State why the numbers in the texts are wanted."""
    tab.locator("input[name=purpose]").first.check()
    tab.locator("form.box button[type=submit]").click()
    tab.wait_for_selector(".words")


def seek(phone: str, shown: str) -> Doing:
    """Return what searches for a telephone number."""

    def do(tab: Any) -> None:
        tab.fill("#phone", phone)
        tab.locator("input[name=purpose]").first.check()
        tab.locator("form.box button[type=submit]").click()
        tab.wait_for_selector(shown)

    return do


def pick(tab: Any) -> None:
    """Tick two rows of a list."""
    for row in (0, 1):
        tab.check(f"input[name=number] >> nth={row}")


def send(shown: str, form: str = "main form[method=post]", **fields: str) -> Doing:
    """Return what fills fields and sends the form, whatever its steps or the browser's own checks say, until ``shown`` is there."""

    def do(tab: Any) -> None:
        for name, value in fields.items():
            tab.locator(f"{form} [name={name}]").evaluate("(field, value) => { field.value = value; }", value)
        tab.locator(form).last.evaluate("form => { form.noValidate = true; form.requestSubmit(); }")
        tab.wait_for_selector(shown)

    return do


def send_table(tab: Any) -> None:
    """Choose a table with a row that cannot be taken in, and send it."""
    people = "姓名,登录名,单位,岗位,管辖地点\r\n周岩,zhouyan,没有这个单位,承办人,淮安市\r\n"
    tab.set_input_files("#file", {"name": "名单.csv", "mimeType": "text/csv", "buffer": people.encode()})
    send("[role=alert]")(tab)


def send_without_token(tab: Any) -> None:
    """Send a form as a browser without scripts and cookies would."""
    with tab.expect_navigation():
        tab.evaluate(
            "const form = document.querySelector('form[data-follow]'); form.csrfmiddlewaretoken.remove();"
            "HTMLFormElement.prototype.submit.call(form)"
        )


@dataclass(frozen=True)
class Page:
    """A page: the name of its picture, who looks at it (a login, or "" for a resident), its path, what is done first.

    ``status`` is the answer to the path; what is done afterwards may be refused.
    """

    name: str
    who: str
    path: str
    do: Doing | None = None
    status: int = 200
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the environment names while the page is looked at."""


_OUTSIDE = {
    "GONGZHI_OIDC_ISSUER": "http://127.0.0.1:9", "GONGZHI_OIDC_CLIENT_ID": "gongzhi", "GONGZHI_OIDC_TITLE": "政务通",
    "GONGZHI_SITE": "http://127.0.0.1",
}  # fmt: skip
_MAIL = {
    "GONGZHI_SMTP": "smtp+plain://127.0.0.1:9", "GONGZHI_MAIL_FROM": "notice@gongzhi.example.org",
    "GONGZHI_SITE": "https://gongzhi.example.org",
}  # fmt: skip
_DETAIL = "小区东门外的路灯从上周三开始就不亮了，晚上回家很黑，请尽快检修。"

PAGES = [
    Page("portal", "", "/"),
    Page("portal-report", "", "/report"),
    Page("portal-report-mail", "", "/report", settings=_MAIL),
    Page("portal-report-wrong", "", "/report", send(".error", point="119,abc", asker_phone="12")),
    Page("portal-done", "", "/report", send(".ticket", detail=_DETAIL)),
    Page("portal-services", "", "/services"),
    Page("portal-find", "", "/follow"),
    Page("portal-ledger", "", "/ledger"),
    Page("portal-find-wrong", "", "/follow", send("[role=alert]", "form[data-follow]", number="SQ2026000001", code="WRONG")),
    Page("portal-late", "", "/follow/{late}"),
    Page("portal-matter", "", "/follow/{followed}"),
    Page("portal-looks", "", "/follow/{followed}/looks"),
    Page("portal-looks-none", "", "/follow/{closed}/looks"),
    Page("portal-rate", "", "/follow/{followed}/do/rate"),
    Page("portal-reopen", "", "/follow/{followed}/do/reopen"),
    Page("portal-rated", "", "/follow/{closed}"),
    Page("portal-reopened", "", "/follow/{reopened}"),
    Page("scanned", "", "/q/{house}.{plate}"),
    Page("scanned-wrong", "", "/q/{house}.WRONG", status=404),
    Page("signin", "", "/signin"),
    Page("signin-outside", "", "/signin", settings=_OUTSIDE),
    Page("signin-outside-down", "", "/signin/outside", status=502, settings=_OUTSIDE),
    Page("signed-out-outside", "", "/signin?out=outside", settings=_OUTSIDE),
    Page("signin-wrong", "", "/signin", send("[role=alert]", "form[action='/signin']", login="nobody", password="wrong")),
    Page("forgotten", "", "/signin/forgotten", settings=_MAIL),
    Page("password-link", "", "/signin/link/{way}"),
    Page("unsubscribe", "", "/unsubscribe/{stop}"),
    Page("form-expired", "", "/follow", send_without_token),
    Page("not-found", "", "/nothing", status=404),
    Page("broken", "", "/broken", status=500),
    Page("queue", "operator", "/work/"),
    Page("queue-group", "operator", "/work/?group=new"),
    Page("queue-agency", "zjj", "/work/"),
    Page("queue-manager", "manager", "/work/"),
    Page("queue-grid", "grid", "/work/"),
    Page("queue-nothing", "admin", "/work/"),
    Page("deadlines", "manager", "/work/deadlines"),
    Page("deadline-records", "manager", "/work/deadlines?group=late"),
    Page("deadlines-past", "manager", "/work/deadlines?on={past}"),
    Page("list", "operator", "/work/s/request/"),
    Page("list-filtered", "operator", "/work/s/request/?state=open&nature=help"),
    Page("list-nothing", "operator", "/work/s/request/?q=火星"),
    Page("list-picked", "operator", "/work/s/request/", pick),
    Page("bulk", "operator", "/work/s/request/bulk?action=decline&number={filed}&number={late}"),
    Page("bulk-done", "operator", "/work/s/request/bulk?action=note&number={filed}&number={late}",
         send("table.records", note="已电话告知，请耐心等待。")),
    Page("seek", "operator", "/work/s/request/persons"),
    Page("seek-found", "operator", "/work/s/request/persons", seek("13900000000", "table.records")),
    Page("seek-nothing", "operator", "/work/s/request/persons", seek("+86 139-0000-0009", ".nothing")),
    Page("seek-wrong", "operator", "/work/s/request/persons", send(".error", "form.box", phone="12")),
    Page("service-help", "operator", "/work/s/request/help"),
    Page("record-filed", "operator", "/work/r/{filed}"),
    Page("record-assign", "operator", "/work/r/{filed}/do/assign"),
    Page("record-working", "zjj", "/work/r/{working}"),
    Page("record-answer", "zjj", "/work/r/{working}/do/answer"),
    Page("record-answer-wrong", "zjj", "/work/r/{working}/do/answer", send(".error", "#doing form")),
    Page("record-person", "zjj", "/work/r/{working}", look_at_person),
    Page("record-person-sealed", "manager", "/work/r/{working}", look_at_person),
    Page("record-words", "zjj", "/work/r/{working}/words"),
    Page("record-words-wrong", "manager", "/work/r/{working}/words", send(".error", "form.box", note="只想看看")),
    Page("record-words-shown", "zjj", "/work/r/{late}/words", choose_purpose),
    Page("record-hold", "manager", "/work/r/{closed}/do/hold"),
    Page("record-hold-wrong", "manager", "/work/r/{closed}/do/hold", send(".error", "#doing form", reason="案件在审", held_until="2020-01-01")),
    Page("record-closed", "operator", "/work/r/{closed}"),
    Page("record-none", "operator", "/work/r/SQ2026999999", status=404),
    Page("new", "operator", "/work/s/request/new"),
    Page("new-wrong", "operator", "/work/s/request/new", send(".error", "form.new-form", asker_phone="12")),
    Page("qr", "operator", "/work/r/{filed}/qr"),
    Page("list-house", "grid", "/work/s/house/"),
    Page("new-house", "grid", "/work/s/house/new"),
    Page("record-house", "grid", "/work/r/{house}"),
    Page("plate", "grid", "/work/r/{house}/plate"),
    Page("plates", "grid", "/work/s/house/plates"),
    Page("list-inspection", "grid", "/work/s/inspection/"),
    Page("record-inspection", "grid", "/work/r/{inspection}"),
    Page("new-finding", "grid", "/work/s/finding/new?whole={inspection}"),
    Page("record-finding", "zjj", "/work/r/{finding}"),
    Page("map", "manager", "/work/map"),
    Page("search", "operator", "/work/search?q=路灯"),
    Page("search-nothing", "operator", "/work/search?q=火星"),
    Page("notices", "zjj", "/work/notices"),
    Page("calendar", "zjj", "/work/calendar"),
    Page("channels", "zjj", "/work/channels"),
    Page("outgoing", "admin", "/work/outgoing"),
    Page("import", "operator", "/work/import"),
    Page("import-job", "operator", "/work/import/{job}"),
    Page("import-failed", "operator", "/work/import/{job_failed}"),
    Page("place", "operator", "/work/at"),
    Page("places", "admin", "/work/places"),
    Page("places-rename", "admin", "/work/places?do=rename_place&of={place}"),
    Page("agencies", "admin", "/work/agencies"),
    Page("posts", "admin", "/work/posts"),
    Page("posts-add", "admin", "/work/posts?do=add_account"),
    Page("posts-import", "admin", "/work/posts/import"),
    Page("posts-import-wrong", "admin", "/work/posts/import", send_table),
    Page("routing", "manager", "/work/routing"),
    Page("rights", "admin", "/work/rights"),
    Page("rights-account", "admin", "/work/rights/a/{person}"),
    Page("rights-record", "admin", "/work/rights/r/{working}?account={person}"),
    Page("lend", "operator", "/work/lend"),
    Page("lent", "operator", "/work/lend/{lent}"),
    Page("me", "operator", "/work/me"),
    Page("me-code", "operator", "/work/me/code"),
    Page("me-password", "operator", "/work/me/password"),
    Page("help", "operator", "/work/", press_help),
]  # fmt: skip


def visit(tab: Any, base: str, wanted: Page, numbers: dict[str, Any]) -> int:
    """Go to the page and do what its picture shows first; return the status."""
    with mock.patch.dict(os.environ, wanted.settings):
        answer = tab.goto(base + wanted.path.format(**numbers))
    if wanted.do:
        wanted.do(tab)
    tab.evaluate("document.fonts.ready.then(() => true)")
    for _ in range(100):
        if tab.evaluate("[...document.querySelectorAll('[data-map]')].every(m => m.dataset.ready)"):
            break
        tab.wait_for_timeout(100)
    return int(answer.status)


def follow(tab: Any, base: str, numbers: dict[str, Any]) -> None:
    """Enter numbers and codes, so that the resident's pages open."""
    for name in ("late", "followed", "closed", "reopened"):
        tab.goto(f"{base}/follow")
        tab.fill("#number", numbers[name])
        tab.fill("#code", numbers[f"{name}_code"])
        tab.click("form[data-follow] button")
        tab.wait_for_url(f"**/follow/{numbers[name]}")
