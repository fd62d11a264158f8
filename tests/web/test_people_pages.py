"""Posts and the switch between them, delegation, second factor, passwords: through the pages and the API."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gongzhi.kernel import directory, lending, passwords, second_factor
from gongzhi.kernel.act import act
from gongzhi.kernel.context import Actor, acting, actors_of
from gongzhi.kernel.models import Account, Register
from gongzhi.kernel.signin import sign_in
from tests.web.pages import PASSWORD
from tests.web.test_console import text

_serial = iter(range(1000))


@pytest.fixture
def person(actor: Any, ids: Any) -> Callable[..., tuple[str, Actor]]:
    """Return a function that makes a person with a password and a handler's post; gives login and actor."""

    def make(agency: str = "zjj", role: str = "handler") -> tuple[str, Actor]:
        login = f"someone-{next(_serial)}"
        account = directory.add_account(actor("admin"), login, f"某人{login[8:]}", PASSWORD)
        directory.add_post(actor("admin"), account, ids[0][agency], role, ids[1]["3208"])
        return login, actors_of(account)[0]

    return make


def signed_in(login: str, password: str = PASSWORD) -> Client:
    client = Client()
    assert client.post("/signin", {"login": login, "password": password}).status_code == 302
    return client


# --- several posts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def two_posts(person: Any, actor: Any, ids: Any) -> tuple[Client, Actor, Actor]:
    login, first = person()
    directory.add_post(actor("admin"), first.account, ids[0]["cgj"], "handler", ids[1]["3208"])
    first, second = actors_of(first.account)
    return signed_in(login), first, second


def switch(client: Client, post: int) -> None:
    assert client.post("/work/post", {"post": post}).status_code == 302


def acting_field(page: str) -> str:
    found = re.search(r'name="acting" value="(\d+)"', page)
    assert found
    return found[1]


def test_the_switcher_names_agency_role_and_place(two_posts: Any) -> None:
    client, first, second = two_posts
    page = text(client.get("/work/"))
    assert f"{second.agency_title} · 承办人 · 淮安市" in page
    assert acting_field(page) == str(first.post)
    switch(client, second.post)
    assert acting_field(text(client.get("/work/"))) == str(second.post)


def matter(actor: Any, agency: int) -> Any:
    from gongzhi.kernel.context import portal_actor

    operator = actor("operator")
    done = act(portal_actor(), "request", "file", form={"detail": "健康西路的路灯三天不亮了"})
    with acting(operator):
        category = next(iter(Register.objects.get(pk=done.record).service.facts["category"].titles()))  # type: ignore[attr-defined]
    form = {"agency": agency, "category": category}
    return act(operator, "request", "assign", record=done.record, version=done.version, form=form)


def test_a_form_opened_with_one_post_and_sent_with_another_is_refused_and_nothing_is_lost(
    two_posts: Any, actor: Any
) -> None:
    client, first, second = two_posts
    done = matter(actor, first.agency)
    assert (
        client.post(f"/work/r/{done.number}/do/accept", {"version": done.version, "key": str(uuid4())}).status_code
        == 302
    )
    page = text(client.get(f"/work/r/{done.number}/do/answer"))
    form = {
        "acting": acting_field(page), "version": done.version + 1, "key": str(uuid4()), "answer": "路灯已经修好，请您放心。",
    }  # fmt: skip
    switch(client, second.post)
    refused = client.post(f"/work/r/{done.number}/do/answer", form)
    assert refused.status_code == 409
    said = text(refused)
    assert "您换过岗位" in said
    assert "路灯已经修好，请您放心。" in said
    assert f"{first.agency_title} · 承办人" in said
    with acting(first):
        assert Register.objects.get(pk=done.record).stage_code == "working"
    again = client.post(f"/work/r/{done.number}/do/answer", {**form, "switch": form["acting"]})
    assert again.status_code == 302
    with acting(first):
        assert Register.objects.get(pk=done.record).stage_code == "answered"
    assert acting_field(text(client.get("/work/"))) == str(first.post)


def test_files_of_a_refused_form_are_asked_for_again(two_posts: Any, actor: Any) -> None:
    client, first, second = two_posts
    done = matter(actor, first.agency)
    switch(client, second.post)
    form = {"acting": str(first.post), "note": "现场照片已经拍好", "key": str(uuid4()),
            "files": SimpleUploadedFile("现场.txt", b"x")}  # fmt: skip
    refused = text(client.post(f"/work/r/{done.number}/do/note", form))
    assert "附件需要重新选择" in refused
    assert "现场照片已经拍好" in refused


@pytest.mark.parametrize("forged", ["999999", "x", "1' OR 1=1", "-1"])
def test_a_post_that_is_not_held_is_never_switched_to(two_posts: Any, forged: str) -> None:
    client, first, _second = two_posts
    answer = client.post("/work/lend", {"acting": forged, "switch": forged, "note": "请多留意健康西路"})
    assert answer.status_code == 409
    assert "请多留意健康西路" in text(answer)
    assert "并提交" not in text(answer)
    assert acting_field(text(client.get("/work/"))) == str(first.post)


def test_a_password_is_not_carried_on_by_a_refused_form(two_posts: Any) -> None:
    client, first, second = two_posts
    switch(client, second.post)
    form = {"acting": str(first.post), "old": PASSWORD, "password": "another-password", "again": "another-password"}
    refused = client.post("/work/me/password", form)
    assert refused.status_code == 409
    assert "another-password" not in text(refused)
    assert PASSWORD not in text(refused)


def test_a_token_carries_one_post(two_posts: Any, actor: Any) -> None:
    client, first, second = two_posts
    with acting(first):
        login = Account.objects.get(pk=first.account).login
    tokens = {}
    for held in (first, second):
        given = Client().post(
            "/api/token", {"login": login, "password": PASSWORD, "post": held.post}, content_type="application/json"
        )
        tokens[held.post] = given.json()["token"]
    done = matter(actor, first.agency)
    switch(client, second.post)
    for held, status in ((first, 200), (second, 404)):
        headers = {"authorization": f"Bearer {tokens[held.post]}"}
        assert Client().get(f"/api/request/{done.number}", headers=headers).status_code == status


# --- delegation ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(person: Any, actor: Any) -> Iterator[tuple[Client, Actor, Client, Actor]]:
    (lender, a), (delegate, b) = person(), person()
    return signed_in(lender), a, signed_in(delegate), b


def test_a_leave_from_the_form_to_the_return(pair: Any, actor: Any) -> None:
    client, lender, other, delegate = pair
    done = matter(actor, lender.agency)
    day = timezone.localdate()
    page = text(client.get("/work/lend"))
    assert done.number in page
    assert f'value="{delegate.account}"' in page
    form = {"post": lender.post, "to": delegate.account, "since": day.isoformat(), "last": (day + timedelta(3)).isoformat(),
            "note": "健康西路的路灯周五前要答复。"}  # fmt: skip
    sent = client.post("/work/lend", form)
    assert sent.status_code == 302
    assert "已经委托" in text(client.get(sent["Location"]))

    handed = text(other.get("/work/lend"))
    assert "我代别人办理" in handed
    own, stand_in = actors_of(delegate.account)
    assert own.post == delegate.post
    about = text(other.get(f"/work/lend/{stand_in.post}"))
    assert "周五前要答复" in about
    assert done.number in about
    switch(other, stand_in.post)
    assert f"{delegate.name} 代 {lender.name}" in text(other.get("/work/"))
    assert "不能再转给别人" in text(other.get("/work/lend"))
    accept = {"version": done.version, "key": str(uuid4())}
    assert other.post(f"/work/r/{done.number}/do/accept", accept).status_code == 302

    assert f"{delegate.name} 代 {lender.name}" in text(client.get(f"/work/r/{done.number}"))
    back = text(client.get("/work/lend"))
    assert "别人代我办过的" in back
    assert done.number in back.split("别人代我办过的")[1]
    assert done.number in text(client.get(f"/work/lend/{stand_in.post}"))
    assert client.post(f"/work/lend/{stand_in.post}/end").status_code == 302
    assert client.post(f"/work/lend/{stand_in.post}/end").status_code == 302  # twice is once
    assert acting_field(text(other.get("/work/"))) == str(delegate.post)


def test_wrong_answers_are_told_beside_their_fields_with_what_was_typed(pair: Any) -> None:
    client, lender, _other, _delegate = pair
    form = {"post": lender.post, "to": "x", "since": "2026-02-30", "last": "", "note": "写了很多很多的交接说明"}
    answer = client.post("/work/lend", form)
    assert answer.status_code == 422
    page = text(answer)
    for name in ("to", "since", "last"):
        assert f'id="error-{name}"' in page
    assert "写了很多很多的交接说明" in page
    assert 'value="2026-02-30"' in page
    assert lending.lendings(lender) == []


def test_a_delegation_of_others_is_not_there(pair: Any, at_desk: Any, person: Any) -> None:
    _client, lender, _other, delegate = pair
    post = lending.lend(
        lender, lender.post, delegate.account, timezone.localdate(), timezone.localdate(), "只给代理人看"
    )
    stranger = signed_in(person("cgj")[0])
    assert stranger.get(f"/work/lend/{post}").status_code == 404
    assert stranger.post(f"/work/lend/{post}/end").status_code == 404
    page = text(at_desk("admin").get(f"/work/lend/{post}"))
    assert "只给代理人看" in page
    assert at_desk("admin").post(f"/work/lend/{post}/end").status_code == 302


# --- second factor ---------------------------------------------------------------------------------------------------


def key_on(page: str) -> bytes:
    from base64 import b32decode

    found = re.search(r'class="mono">([A-Z2-7 ]{32,})<', page)
    assert found
    return b32decode(found[1].replace(" ", ""))


def enrol(client: Client) -> tuple[bytes, list[str]]:
    page = text(client.get("/work/me/code"))
    secret = key_on(page)
    code = second_factor.code_at(secret, time.time() - second_factor.STEP)
    shown = client.post("/work/me/code", {"do": "on", "code": code})
    codes = re.findall(r"<li>([0-9a-z]{5}-[0-9a-z]{5})</li>", text(shown))
    assert len(codes) == 10
    return secret, codes


def test_a_phone_is_set_up_and_then_asked_for(person: Any) -> None:
    login, _actor = person()
    client = signed_in(login)
    assert client.post("/work/me/code", {"do": "on", "code": "000000"}).status_code == 422
    secret, codes = enrol(client)
    assert codes[0] not in text(client.get("/work/me/code"))
    assert "备用码还剩 10 个" in text(client.get("/work/me"))

    fresh = Client()
    sent = fresh.post("/signin", {"login": login, "password": PASSWORD, "next": "/work/deadlines"})
    assert sent["Location"] == "/signin/code"
    assert fresh.get("/work/")["Location"].startswith("/signin")
    assert fresh.post("/signin/code", {"code": "000000"}).status_code == 422
    entered = fresh.post("/signin/code", {"code": second_factor.code_at(secret, time.time())})
    assert entered["Location"] == "/work/deadlines"
    assert fresh.get("/work/").status_code == 200

    lost = Client()
    lost.post("/signin", {"login": login, "password": PASSWORD})
    assert lost.post("/signin/code", {"code": codes[3]}).status_code == 302
    assert lost.post("/work/me/code", {"do": "off", "code": codes[3]}).status_code == 422
    assert lost.post("/work/me/code", {"do": "off", "code": codes[4]}).status_code == 302
    assert Client().post("/signin", {"login": login, "password": PASSWORD})["Location"] == "/work/"


def test_the_code_page_is_not_there_without_the_password(person: Any) -> None:
    assert Client().get("/signin/code")["Location"] == "/signin"
    assert Client().post("/signin/code", {"code": "123456"})["Location"] == "/signin"


def test_a_token_asks_for_the_code_too(person: Any) -> None:
    login, _actor = person()
    secret, _codes = enrol(signed_in(login))

    def ask(**more: Any) -> Any:
        given = {"login": login, "password": PASSWORD, **more}
        return Client().post("/api/token", given, content_type="application/json")

    refused = ask()
    assert refused.status_code == 401
    assert "动态口令" in refused.json()["detail"]
    assert ask(code=second_factor.code_at(secret, time.time())).status_code == 200


def test_where_the_city_asks_for_it_a_role_works_only_with_it(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from django.conf import settings

    from gongzhi.kernel.city import read_city
    from gongzhi.web import who

    login, _actor = person(role="manager")
    strict = replace(read_city(settings.CITY), second_factor=("manager",))
    monkeypatch.setattr(who, "city", lambda: strict)
    client = signed_in(login)
    for way in ("/work/", "/work/me", "/work/lend", "/work/deadlines"):
        assert client.get(way)["Location"] == "/work/me/code"
    assert "必须" not in text(client.get("/work/"))
    given = {"login": login, "password": PASSWORD}
    refused = Client().post("/api/token", given, content_type="application/json")
    assert refused.status_code == 401
    assert "先在工作台启用动态口令" in refused.json()["detail"]
    _secret, codes = enrol(client)
    assert client.get("/work/").status_code == 200
    assert client.post("/work/me/code", {"do": "off", "code": codes[0]}).status_code == 200
    assert Client().post("/api/token", {**given, "code": codes[1]}, content_type="application/json").status_code == 200


def test_an_administrator_takes_away_the_factor_of_a_lost_phone(person: Any, at_desk: Any) -> None:
    login, held = person()
    enrol(signed_in(login))
    admin = at_desk("admin")
    assert admin.post("/work/posts", {"do": "drop_factor", "of": held.account}).status_code == 302
    again = admin.post("/work/posts", {"do": "drop_factor", "of": held.account})
    assert again.status_code == 422
    assert "没有启用" in text(again)
    assert Client().post("/signin", {"login": login, "password": PASSWORD})["Location"] == "/work/"
    assert "取消动态口令" in text(admin.get("/work/posts"))


# --- passwords -------------------------------------------------------------------------------------------------------


def test_the_own_password_changes_and_every_other_session_and_token_ends(person: Any) -> None:
    from gongzhi.web.api import token

    login, _actor = person()
    here, there = signed_in(login), signed_in(login)
    given = Client().post(
        "/api/token", {"login": login, "password": PASSWORD}, content_type="application/json"
    ).json()["token"]  # fmt: skip
    headers = {"authorization": f"Bearer {given}"}
    assert Client().get("/api/request", headers=headers).status_code == 200
    form = {"old": PASSWORD, "password": "another-password", "again": "another-password"}
    for wrong, field in (({"old": "x"}, "old"), ({"again": "different"}, "again"), ({"password": "1234567890", "again": "1234567890"}, "password")):  # fmt: skip
        refused = here.post("/work/me/password", {**form, **wrong})
        assert refused.status_code == 422
        assert f'id="error-{field}"' in text(refused)
        assert "another-password" not in text(refused)
    assert here.post("/work/me/password", form).status_code == 302
    assert here.get("/work/").status_code == 200
    assert there.get("/work/")["Location"].startswith("/signin")
    token._held.clear()  # a process remembers an actor for ten seconds
    assert Client().get("/api/request", headers=headers).status_code == 401


def test_a_link_sets_a_password_and_ends_sessions(person: Any, actor: Any) -> None:
    login, held = person()
    client = signed_in(login)
    way = f"/signin/link/{passwords.make_link(actor('admin'), held.account)}"
    opened = Client().get(way)
    assert login in text(opened)
    assert (opened["Cache-Control"], opened["Referrer-Policy"]) == ("no-store", "no-referrer")
    short = Client().post(way, {"password": "short", "again": "short"})
    assert short.status_code == 422
    assert "short" not in re.sub(r'class="[^"]*"', "", text(short))
    assert Client().post(way, {"password": "brand-new-one", "again": "brand-new-one"}).status_code == 302
    assert client.get("/work/")["Location"].startswith("/signin")
    assert sign_in(login, "brand-new-one", "here") == held.account
    for answer in (Client().get(way), Client().post(way, {"password": "third-password", "again": "third-password"})):
        assert answer.status_code == 410
        assert "链接已经失效" in text(answer)


@pytest.mark.parametrize("secret", ["x", "a" * 3000, "%00", "..%2F..", "日本"])
def test_a_link_that_never_was_is_a_link_that_has_ended(city: str, secret: str) -> None:
    assert Client().get(f"/signin/link/{secret}").status_code in (400, 404, 410)


def test_an_account_is_made_without_a_password_and_its_person_chooses_one(at_desk: Any, ids: Any) -> None:
    form = {"do": "add_account", "login": "erst", "name": "新来的", "agency": ids[0]["cgj"], "role": "handler",
            "place": ids[1]["3208"]}  # fmt: skip
    sent = at_desk("admin").post("/work/posts", form)
    link = re.search(r"/signin/link/[\w-]+", text(at_desk("admin").get(sent["Location"])))
    assert link
    assert Client().post("/signin", {"login": "erst", "password": ""}).status_code == 422
    assert Client().post(link[0], {"password": "my-own-choice", "again": "my-own-choice"}).status_code == 302
    signed_in("erst", "my-own-choice")
