"""Every page, once: what the pictures show and what the browser tests look through.

``{filed}``, ``{working}``, … are numbers of records, made by ``matters``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

PASSWORD = "gongzhi2026"


@dataclass(frozen=True)
class Page:
    """A page: the name of its picture, who looks at it (a login, or "" for a resident), its path, what is clicked first."""

    name: str
    who: str
    path: str
    click: str = ""
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

PAGES = [
    Page("portal", "", "/"),
    Page("portal-report", "", "/report"),
    Page("portal-report-mail", "", "/report", settings=_MAIL),
    Page("portal-services", "", "/services"),
    Page("portal-find", "", "/follow"),
    Page("portal-ledger", "", "/ledger"),
    Page("portal-matter", "", "/follow/{followed}"),
    Page("portal-rate", "", "/follow/{followed}/do/rate"),
    Page("signin", "", "/signin"),
    Page("signin-outside", "", "/signin", settings=_OUTSIDE),
    Page("signin-outside-down", "", "/signin/outside", status=502, settings=_OUTSIDE),
    Page("signed-out-outside", "", "/signin?out=outside", settings=_OUTSIDE),
    Page("not-found", "", "/nothing", status=404),
    Page("queue", "operator", "/work/"),
    Page("queue-group", "operator", "/work/?group=new"),
    Page("queue-agency", "zjj", "/work/"),
    Page("queue-manager", "manager", "/work/"),
    Page("deadlines", "manager", "/work/deadlines"),
    Page("deadline-records", "manager", "/work/deadlines?group=late"),
    Page("deadlines-past", "manager", "/work/deadlines?on={past}"),
    Page("list", "operator", "/work/s/request/"),
    Page("list-filtered", "operator", "/work/s/request/?state=open&nature=help"),
    Page("record-filed", "operator", "/work/r/{filed}"),
    Page("record-assign", "operator", "/work/r/{filed}/do/assign"),
    Page("record-working", "zjj", "/work/r/{working}"),
    Page("record-answer", "zjj", "/work/r/{working}/do/answer"),
    Page("record-person", "zjj", "/work/r/{working}", click=".person a"),
    Page("record-closed", "operator", "/work/r/{closed}"),
    Page("new", "operator", "/work/s/request/new"),
    Page("map", "manager", "/work/map"),
    Page("search", "operator", "/work/search?q=路灯"),
    Page("notices", "zjj", "/work/notices"),
    Page("calendar", "zjj", "/work/calendar"),
    Page("channels", "zjj", "/work/channels"),
    Page("outgoing", "admin", "/work/outgoing"),
    Page("unsubscribe", "", "/unsubscribe/{stop}"),
    Page("import", "operator", "/work/import"),
    Page("place", "operator", "/work/at"),
    Page("places", "admin", "/work/places"),
    Page("places-rename", "admin", "/work/places?do=rename_place&of={place}"),
    Page("agencies", "admin", "/work/agencies"),
    Page("posts", "admin", "/work/posts"),
    Page("posts-add", "admin", "/work/posts?do=add_account"),
    Page("posts-import", "admin", "/work/posts/import"),
    Page("rights", "admin", "/work/rights"),
    Page("rights-account", "admin", "/work/rights/a/{person}"),
    Page("rights-record", "admin", "/work/rights/r/{working}?account={person}"),
    Page("lend", "operator", "/work/lend"),
    Page("lent", "operator", "/work/lend/{lent}"),
    Page("me", "operator", "/work/me"),
    Page("me-code", "operator", "/work/me/code"),
    Page("me-password", "operator", "/work/me/password"),
    Page("password-link", "", "/signin/link/{way}"),
    Page("help", "operator", "/work/", click="?"),
]


def matters() -> dict[str, Any]:
    """Make matters at several stages, a delegation and a link; return what fills the paths, and the follow-up codes."""
    from datetime import timedelta

    from django.utils import timezone

    from gongzhi.channels.choices import stop_token
    from gongzhi.kernel import lending, passwords
    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import acting, actors_of, portal_actor
    from gongzhi.kernel.models import Agency, Place, Register
    from gongzhi.kernel.signin import sign_in
    from gongzhi.kernel.vault import Upload
    from gongzhi.web.feed import renew

    operator = actors_of(sign_in("operator", PASSWORD, "test"))[0]
    handler = actors_of(sign_in("zjj", PASSWORD, "test"))[0]
    place = Place.objects.filter(level="township", path__startswith=Place.objects.get(code="320812").path)[0]
    numbers: dict[str, Any] = {"place": place.pk}
    told = {
        "detail": "健康西路与淮海北路路口的路灯已经三天不亮了，晚上学生放学经过很不安全，希望尽快派人检修。",
        "nature": "help", "place": place.pk, "address": "健康西路与淮海北路路口", "point": "119.0213,33.5982",
        "asker_name": "王明", "asker_phone": "13900000000",
    }  # fmt: skip
    for name, steps in (("filed", 0), ("working", 2), ("followed", 3), ("closed", 3)):
        done = act(portal_actor(), "request", "file", form=told, key=f"pages-{name}")
        numbers[name], numbers[f"{name}_code"] = done.number, done.follow
        with acting(operator):
            agency = Agency.objects.get(code="zjj").pk
            category = Register.objects.get(pk=done.record).service.facts["category"].titles()  # type: ignore[attr-defined]
        if steps > 0:
            form = {"agency": agency, "category": next(iter(category)), "note": "请先到现场看。"}
            done = act(operator, "request", "assign", record=done.record, version=done.version, form=form)
        if steps > 1:
            done = act(handler, "request", "accept", record=done.record, version=done.version)
            act(handler, "request", "note", record=done.record, form={"note": "已联系路灯管理所，明天上午到场。"})
        if steps > 2:
            answer = {"answer": "您好，路灯管理所已于今天上午更换损坏的灯头和电缆，现已恢复照明。感谢您的反映。"}
            files = [Upload("检修记录 🔧.txt", "更换灯头 2 只，电缆 35 米。".encode())]
            done = act(handler, "request", "answer", record=done.record, version=done.version, form=answer, files=files)
        if name == "closed":
            act(
                portal_actor(), "request", "rate", record=done.record, version=done.version, follow=numbers["closed_code"],
                form={"rating": "5", "comment": "修得很快。"},
            )  # fmt: skip
    renew(handler, "zh-hans")
    numbers["stop"] = stop_token(handler.account, "mail", "red")
    admin = actors_of(sign_in("admin", PASSWORD, "test"))[0]
    colleague = sign_in("operator2", PASSWORD, "test")
    leave = timezone.localdate() + timedelta(days=30)
    numbers["person"] = handler.account
    numbers["lent"] = lending.lend(operator, operator.post, colleague, leave, leave, "路灯的几件已经答应本周回复。")
    numbers["way"] = passwords.make_link(admin, colleague)
    with acting(operator):
        late = (
            Register.objects.filter(closed_at=None, due_at__lt=timezone.now()).exclude(due_source="").order_by("due_at")
        )
        first = late.first()
    due = first.due_at if first and first.due_at else timezone.now()
    numbers["past"] = f"{timezone.localtime(due):%Y-%m-%d}"
    return numbers


def visit(page: Any, base: str, wanted: Page, numbers: dict[str, Any]) -> int:
    """Go to the page and do what its picture shows first; return the status."""
    with mock.patch.dict(os.environ, wanted.settings):
        answer = page.goto(base + wanted.path.format(**numbers))
    if wanted.click == "?":
        page.keyboard.press("?")
    elif wanted.click:
        page.click(wanted.click)
        page.wait_for_selector(".person.open")
    page.evaluate("document.fonts.ready.then(() => true)")
    for _ in range(100):
        if page.evaluate("[...document.querySelectorAll('[data-map]')].every(m => m.dataset.ready)"):
            break
        page.wait_for_timeout(100)
    return int(answer.status)


def follow(page: Any, base: str, numbers: dict[str, Any]) -> None:
    """Enter number and code, so that the resident's pages open."""
    page.goto(f"{base}/follow")
    page.fill("#number", numbers["followed"])
    page.fill("#code", numbers["followed_code"])
    page.click("form[data-follow] button")
    page.wait_for_url(f"**/follow/{numbers['followed']}")
