"""Attacks on the pages: words that are code, forms of another site, addresses that lead elsewhere, secrets in what is logged."""

import io
import logging
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

import gongzhi
from gongzhi.intake import tables
from gongzhi.kernel.act import act
from gongzhi.kernel.context import Actor, portal_actor
from gongzhi.kernel.vault import Upload
from tests.web.pages import PASSWORD
from tests.web.serving import BROWSES

MARKUP = '<img src=x onerror="window.taken=1">\'"><script>window.taken=2</script>{{7*191}}{% debug %}${7*191}javascript:taken'
"""Markup, a template's marks and an attribute's end: shown as it was typed, or not at all."""


@pytest.fixture
def poisoned(actor: Callable[[str], Actor], ids: Any) -> Any:
    """A request whose every word is code, with a file, a note and a task of such names."""
    agencies, places = ids
    form = {
        "detail": f"路灯 {MARKUP}",
        "address": MARKUP[:90],
        "asker_name": MARKUP[:50],
        "place": places["320812"],
        "point": "119.02,33.6",
    }
    done = act(portal_actor(), "request", "file", form=form)
    given = {"agency": agencies["zjj"], "category": "build", "note": MARKUP}
    act(actor("operator"), "request", "assign", record=done.record, version=1, form=given)
    act(actor("zjj"), "request", "accept", record=done.record, version=2)
    act(actor("zjj"), "request", "note", record=done.record, form={"note": MARKUP})
    file = Upload(f"{MARKUP[:60]}.txt", "内容".encode())
    answered = act(
        actor("zjj"), "request", "answer", record=done.record, version=3, form={"answer": MARKUP}, files=[file]
    )
    return done, answered


@pytest.mark.usefixtures("base")
class TestInTheBrowser:
    """What a browser makes of it."""

    pytestmark = BROWSES

    def test_words_that_are_code_stay_words(self, open_page: Any, base: str, poisoned: Any) -> None:
        done, _answered = poisoned
        clerk = open_page("operator")
        for way in (
            "/work/", "/work/s/request/", f"/work/r/{done.number}", "/work/deadlines", "/work/map", "/work/map?view=table",
            "/work/search?q=路灯", f"/work/search?q={MARKUP}", f"/work/s/request/?q={MARKUP}", "/work/notices", f"/work/r/{done.number}/plate",
        ):  # fmt: skip
            clerk.goto(base + way)
            _harmless(clerk, way)
        owes = open_page("zjj")
        owes.goto(f"{base}/work/r/{done.number}")
        owes.click(".person a:has-text('查看')")
        owes.click("label:has-text('联系诉求人了解情况')")
        owes.click(".person button:has-text('查看')")
        owes.wait_for_selector("text=window.taken=1")
        _harmless(owes, "the person")
        resident = open_page()
        resident.goto(f"{base}/follow")
        resident.fill("[name=number]", done.number)
        resident.fill("[name=code]", done.follow)
        resident.click("main form button:has-text('查进度')")
        resident.wait_for_url(f"{base}/follow/{done.number}")
        _harmless(resident, "follow")
        assert MARKUP[:30] in resident.inner_text("main")

    def test_the_headers_hold_on_every_kind_of_answer(self, open_page: Any, base: str, poisoned: Any) -> None:
        done, _answered = poisoned
        page = open_page("operator")
        for way in (
            "/",
            "/signin",
            "/report",
            "/work/",
            f"/work/r/{done.number}",
            "/work/r/nothing",
            "/ledger",
            "/api/problems",
        ):
            headers = page.goto(base + way).all_headers()
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy, way
            assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} <= {
                part.strip() for part in policy.split(";")
            }, way
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        assert {
            cookie["name"] for cookie in cookies.values() if not cookie["httpOnly"] or cookie["sameSite"] != "Lax"
        } == set()
        assert settings.SESSION_COOKIE_NAME in cookies


def _harmless(page: Any, way: str) -> None:
    assert page.evaluate("window.taken") is None, way
    assert page.locator("img[src='x']").count() == 0, way
    assert "1337" not in page.content(), way


# --- forms of another site ------------------------------------------------------------------------------------------

_FILLED = {
    "int": "1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "slug": "request",
    "str": "SQ2026000001",
    "path": "0",
}
_WITHOUT_TOKEN = {
    "unsubscribe/<str:token>": "a mail program has no cookie of ours; the signed token is the right",
    "unsubscribe/matter/<str:token>": "a mail program has no cookie of ours; the signed token is the right",
}


def _patterns(found: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in found or get_resolver("gongzhi.web.urls").url_patterns:
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns, before + str(one.pattern))
        else:
            yield before + str(one.pattern), one


def test_no_address_takes_a_form_of_another_site(city: str, at_desk: Any) -> None:
    """Every address, also those to come: without the form's token there is a refusal, or no such method."""
    client, open_ones = Client(enforce_csrf_checks=True), set()
    client.cookies[settings.SESSION_COOKIE_NAME] = at_desk("admin").cookies[settings.SESSION_COOKIE_NAME].value
    for pattern, _one in _patterns():
        if pattern.startswith("api/"):
            continue  # a token in a header, which no form of another site can send: below
        way = re.sub(r"<(?:(\w+):)?\w+>", lambda found: _FILLED[found[1] or "str"], pattern)
        answer = client.post(f"/{way}", {"code": "x"}, headers={"origin": "https://evil.example"})
        if answer.status_code not in (403, 405):
            open_ones.add(pattern)
    assert open_ones == set(_WITHOUT_TOKEN)


def test_the_api_takes_no_cookie(city: str, at_desk: Any) -> None:
    client = at_desk("operator")
    assert client.get("/api/request").status_code == 401
    answer = client.post("/api/request", {"form": {"detail": "x"}}, content_type="application/json")
    assert answer.status_code == 401


# --- what the server asks ---------------------------------------------------------------------------------------------

_CALLS_OUT = {
    "gongzhi.channels.mail": "the mail server that the environment names",
    "gongzhi.channels.sms": "the short message centre that the environment names",
    "gongzhi.channels.witnesses": "witnesses that the environment names",
    "gongzhi.kernel.transit": "the key management service that the environment names",
    "gongzhi.web.oidc": "the provider that the environment names, and what its metadata name below its own address",
    "gongzhi.client": "the Python client, which runs elsewhere",
    "gongzhi.cli.running": "looks whether a port is free",
}
_OUT = re.compile(
    r"^\s*(?:import|from) (?:urllib\.request|http\.client(?! import responses)|smtplib|socket|ssl|requests|httpx)\b",
    re.MULTILINE,
)


def test_only_these_modules_call_out() -> None:
    """No address that anybody types into a form is ever asked (SSRF): who calls out is named here with the reason."""
    root = Path(gongzhi.__file__).parent
    found = {
        ".".join(("gongzhi", *path.relative_to(root).with_suffix("").parts))
        for path in root.rglob("*.py")
        if _OUT.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(_CALLS_OUT)


# --- what comes packed ------------------------------------------------------------------------------------------------

_BILLION = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "笑">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    + ']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    '<c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row></sheetData></worksheet>'
)
_FILE_ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    '<c r="A1" t="inlineStr"><is><t>&f;</t></is></c></row></sheetData></worksheet>'
)


def _workbook(path: Path, sheet: Iterable[bytes]) -> Path:
    from xlsxwriter import Workbook

    made = io.BytesIO()
    with Workbook(made) as book:
        book.add_worksheet().write_string(0, 0, "工单编号")
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad:
        for name in whole.namelist():
            with bad.open(name, "w", force_zip64=True) as member:
                for part in sheet if name == "xl/worksheets/sheet1.xml" else [whole.read(name)]:
                    member.write(part)
    return path


_SWELLING = [b"<x>", *([b" " * 2**20] * 600)]


@pytest.mark.parametrize(
    "sheet",
    [[_BILLION.encode()], [_FILE_ENTITY.encode()], _SWELLING],
    ids=["entities", "a file as an entity", "a bomb"],
)
def test_a_table_that_swells_or_reads_our_files_is_no_table(sheet: list[bytes], tmp_path: Path) -> None:
    path = _workbook(tmp_path / "a.xlsx", sheet)
    with pytest.raises(tables.TableError):
        tables.read(path)


# --- what is logged ---------------------------------------------------------------------------------------------------


def test_no_secret_is_logged(city: str, at_desk: Any, monkeypatch: pytest.MonkeyPatch, poisoned: Any) -> None:
    """Passwords, tokens, codes, session keys and names, also where a view breaks with them in its hands."""
    held = io.StringIO()
    handler = logging.StreamHandler(held)
    loggers = [logging.getLogger(name) for name in ("", "django", "django.request", "gongzhi")]
    for logger in loggers:
        logger.addHandler(handler)
    before = {logger: logger.level for logger in loggers}
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    done, _answered = poisoned
    token = "unknown"
    try:
        client = Client(raise_request_exception=False)
        client.post("/signin", {"login": "operator", "password": "falsch-und-geheim"})
        client.post("/signin", {"login": "operator", "password": PASSWORD})
        given = client.post("/api/token", {"login": "jy", "password": PASSWORD}, content_type="application/json")
        token = given.json()["token"]
        client.post("/follow", {"number": done.number, "code": done.follow})

        def broken(*_args: Any, **_named: Any) -> Any:
            raise RuntimeError("broken on purpose")

        monkeypatch.setattr("gongzhi.web.portal.report.act", broken, raising=False)
        monkeypatch.setattr("gongzhi.web.api.doing.act", broken)
        form = {"form": {"detail": "机密的话", "asker_name": "诸葛孔明"}}
        answer = client.post(
            "/api/request", form, content_type="application/json", headers={"authorization": f"Bearer {token}"}
        )
        assert answer.status_code in (401, 403, 404, 500)
        operator = Client(raise_request_exception=False)
        mine = operator.post(
            "/api/token", {"login": "operator", "password": PASSWORD}, content_type="application/json"
        ).json()["token"]
        answer = operator.post(
            "/api/request", form, content_type="application/json", headers={"authorization": f"Bearer {mine}"}
        )
        assert answer.status_code == 500
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(before[logger])
    said = held.getvalue()
    assert "broken on purpose" in said  # the fault itself is there
    for secret in (
        "falsch-und-geheim",
        PASSWORD,
        token,
        mine,
        done.follow,
        session,
        "机密的话",
        "诸葛孔明",
        settings.SECRET_KEY,
    ):
        assert secret not in said
        assert secret not in answer.content.decode()
