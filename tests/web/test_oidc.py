"""Signing in by OpenID Connect: with the package oidc-provider-mock over HTTP, and with a provider that lies."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import oidc_provider_mock
import pytest
from django.db import connections
from django.test import Client
from joserfc import jwk

from gongzhi.kernel import directory, identities, second_factor
from gongzhi.kernel.context import Actor, actors_of
from gongzhi.kernel.refusals import Absent
from tests.web.pages import PASSWORD
from tests.web.providers import Liar, authorize, lying
from tests.web.test_console import text

_serial = iter(range(1000))
NONSENSE, SILENT, AGAIN = "回答不可信", "现在没有回应", "已经用过或者过期"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that names the city's provider."""

    def name(issuer: str) -> None:
        (tmp_path / "secret").write_text("s:e&cret\n")
        for key, value in {
            "GONGZHI_OIDC_ISSUER": issuer, "GONGZHI_OIDC_CLIENT_ID": "gongzhi", "GONGZHI_OIDC_TITLE": "政务通",
            "GONGZHI_OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"), "GONGZHI_SITE": "http://testserver",
        }.items():  # fmt: skip
            monkeypatch.setenv(key, value)

    return name


@pytest.fixture
def person(actor: Any, ids: Any) -> tuple[str, Actor]:
    login = f"outside-{next(_serial)}"
    account = directory.add_account(actor("admin"), login, "外来人", PASSWORD)
    directory.add_post(actor("admin"), account, ids[0]["zjj"], "handler", ids[1]["3208"])
    return login, actors_of(account)[0]


@pytest.fixture
def liar(city: str, configured: Any, person: Any, actor: Any) -> Iterator[Liar]:
    """A provider that can lie, whose person u-1 is linked."""
    with lying() as liar:
        configured(liar.issuer)
        held = identities.link(actor("admin"), person[1].account, liar.issuer, "u-1")
        yield liar
        with suppress(Absent):  # the next provider may get the same port, and be the same issuer
            identities.unlink(actor("admin"), held)


def begun(client: Client, wanted: str = "") -> str:
    answer = client.get("/signin/outside", {"next": wanted} if wanted else {})
    assert answer.status_code == 302, text(answer)
    return str(answer["Location"])


def back(client: Client, liar: Liar, **more: str) -> Any:
    return client.get("/signin/outside/back", {**liar.authorize(begun(client)), **more})


def is_in(client: Client) -> bool:
    return bool(client.get("/work/").status_code == 200)


# --- the real package -------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(city: str, configured: Any) -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        configured(issuer)
        yield issuer


def test_a_linked_person_signs_in_with_the_real_provider_and_out_of_it(issuer: str, person: Any, actor: Any) -> None:
    identities.link(actor("admin"), person[1].account, issuer, "wang@city")
    client = Client()
    assert "用政务通登录" in text(client.get("/signin"))
    there = begun(client, "/work/me")
    before = client.session.session_key
    landing = authorize(there, sub="wang@city")
    assert landing.startswith("http://testserver/signin/outside/back?")
    answer = client.get(landing.removeprefix("http://testserver"))
    assert (answer.status_code, answer["Location"]) == (302, "/work/me")
    assert client.session.session_key != before
    assert "外来人" in text(client.get("/work/me"))
    assert client.get(landing.removeprefix("http://testserver")).status_code == 422  # the same way back, again
    out = client.post("/signout")
    assert out["Location"] == "/signin?out=outside"
    assert "也退出政务通" in text(client.get(out["Location"]))
    farewell = urlsplit(client.get("/signin/outside/out")["Location"])
    assert f"{farewell.scheme}://{farewell.netloc}{farewell.path}" == f"{issuer}/oauth2/end_session"
    assert dict(parse_qsl(farewell.query)) == {
        "client_id": "gongzhi", "post_logout_redirect_uri": "http://testserver/signin",
    }  # fmt: skip


def test_a_person_unknown_here_is_told_what_to_give_the_administrator(issuer: str, person: Any, actor: Any) -> None:
    client = Client()
    login, held = person
    landing = authorize(begun(client), sub=login)  # the login as the provider's name for a person proves nothing
    answer = client.get(landing.removeprefix("http://testserver"))
    assert answer.status_code == 422
    assert f"请把这两项告诉管理员：认证服务 {issuer}，编号 {login}。" in text(answer)
    assert not is_in(client)
    assert identities.account_of(issuer, login) is None

    admin = Client()
    admin.post("/signin", {"login": "admin", "password": PASSWORD})
    form = {"do": "link_identity", "of": held.account, "issuer": issuer, "subject": login}
    assert admin.post("/work/posts", form).status_code == 302
    landing = authorize(begun(client), sub=login)
    assert client.get(landing.removeprefix("http://testserver")).status_code == 302
    assert is_in(client)

    assert admin.post("/work/posts", {"do": "unlink_identity", "of": held.account}).status_code == 302
    assert admin.post("/work/posts", {"do": "unlink_identity", "of": held.account}).status_code == 422
    landing = authorize(begun(Client()), sub=login)
    assert identities.account_of(issuer, login) is None


def test_who_says_no_there_is_told_so(issuer: str) -> None:
    client = Client()
    answer = client.get(authorize(begun(client), action="deny").removeprefix("http://testserver"))
    assert "您没有在政务通完成登录" in text(answer)


def test_nobody_but_an_administrator_links(liar: Liar, person: Any, actor: Any) -> None:
    from gongzhi.kernel.context import portal_actor

    for other in (person[1], actor("manager"), portal_actor()):
        with pytest.raises(Absent):
            identities.link(other, person[1].account, liar.issuer, "u-2")


# --- the flow ---------------------------------------------------------------------------------------------------------


def test_code_verifier_nonce_and_secret_go_where_they_belong(liar: Liar) -> None:
    client = Client()
    there = begun(client)
    asked = dict(parse_qsl(urlsplit(there).query))
    assert asked["tenant"] == "1"
    assert (asked["response_type"], asked["scope"], asked["code_challenge_method"]) == ("code", "openid", "S256")
    assert "secret" not in there
    assert client.get("/signin/outside/back", liar.authorize(there)).status_code == 302
    sent = liar.token_requests[-1]
    assert sent["authorization"] == "Basic Z29uZ3poaTpzJTNBZSUyNmNyZXQ="  # gongzhi:s%3Ae%26cret
    assert "client_secret" not in sent
    assert sent["redirect_uri"] == "http://testserver/signin/outside/back"


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(liar: Liar) -> None:
    liar.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert back(Client(), liar).status_code == 302
    assert liar.token_requests[-1]["client_secret"] == "s:e&cret"
    assert not liar.token_requests[-1]["authorization"]


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "/signout", "javascript:1"]
)
def test_signing_in_leads_to_pages_of_the_console_only(liar: Liar, wanted: str) -> None:
    client = Client()
    answer = client.get("/signin/outside/back", liar.authorize(begun(client, wanted)))
    assert answer["Location"] == "/work/"


def test_a_way_back_holds_once_in_its_own_browser_and_ten_minutes(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    given = liar.authorize(begun(client))
    assert AGAIN in text(Client().get("/signin/outside/back", given))  # somebody else's browser
    assert AGAIN in text(client.get("/signin/outside/back", {**given, "state": "guess"}))
    assert AGAIN in text(client.get("/signin/outside/back"))
    first, second = liar.authorize(begun(client)), None
    liar.broken = {"/token": b"{}"}
    assert NONSENSE in text(client.get("/signin/outside/back", first))
    liar.broken = {}
    assert AGAIN in text(client.get("/signin/outside/back", first))  # although it did not lead in
    second = liar.authorize(begun(client))
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("gongzhi.web.console.outside.time", lambda: now + 700)
        assert AGAIN in text(client.get("/signin/outside/back", second))
    assert not is_in(client)


def test_two_tabs_do_not_disturb_one_another(liar: Liar) -> None:
    client = Client()
    one, _two = begun(client, "/work/me"), begun(client)
    assert client.get("/signin/outside/back", liar.authorize(one))["Location"] == "/work/me"


def test_the_second_factor_is_asked_all_the_same(liar: Liar, person: Any) -> None:
    secret = second_factor.begin(person[1])
    second_factor.prove(person[1], second_factor.code_at(secret, time.time() - second_factor.STEP))
    client = Client()
    assert back(client, liar)["Location"] == "/signin/code"
    assert not is_in(client)
    assert client.post("/signin/code", {"code": second_factor.code_at(secret, time.time())}).status_code == 302
    assert is_in(client)
    assert client.post("/signout")["Location"] == "/signin?out=outside"


def test_a_closed_account_stays_closed(liar: Liar, person: Any, actor: Any) -> None:
    directory.close_account(actor("admin"), person[1].account)
    client = Client()
    assert back(client, liar).status_code == 422
    assert not is_in(client)


# --- tokens that do not count -----------------------------------------------------------------------------------------

NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"nonce": ["another"]}, {"aud": "another"}, {"aud": None}, {"aud": []},
        {"aud": ["gongzhi", "another"]}, {"aud": ["gongzhi", "another"], "azp": "another"}, {"azp": "another"},
        {"iss": "https://evil.example"}, {"iss": None}, {"iss": 1}, {"exp": NOW - 100}, {"exp": None}, {"exp": "soon"},
        {"iat": NOW + 3600}, {"iat": None}, {"iat": NOW - 3600}, {"nbf": NOW + 3600}, {"sub": None}, {"sub": ""},
        {"sub": 1}, {"sub": "x" * 256}, {"sub": "u-1\0"}, {"exp": 1e400}, {"exp": True},
    ],
    ids=",".join,  # without the times, which each of several test processes has of its own
)  # fmt: skip
def test_a_token_with_wrong_claims_lets_nobody_in(liar: Liar, claims: dict[str, Any]) -> None:
    liar.claims = claims
    client = Client()
    answer = back(client, liar)
    assert (answer.status_code, NONSENSE in text(answer)) == (502, True)
    assert not is_in(client)


@pytest.mark.parametrize("claims", [{"exp": -30}, {"iat": 30}, {"iat": -30}, {"aud": ["gongzhi"]}, {"azp": "gongzhi"},
                                    {"aud": ["gongzhi", "b"], "azp": "gongzhi"}], ids=str)  # fmt: skip
def test_clocks_may_differ_by_a_minute_and_audiences_be_several(liar: Liar, claims: dict[str, Any]) -> None:
    now = int(time.time())
    liar.claims = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    assert back(Client(), liar).status_code == 302


def test_only_signatures_by_the_issuers_keys_count(liar: Liar) -> None:
    oct_key = jwk.import_key(json.dumps(liar.keys[0].as_dict(private=False)).encode(), "oct")
    forged = [
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256", "kid": "first"}, "signed_with": jwk.import_key(b"s:e&cret", "oct")},
        {"header": {"alg": "HS256", "kid": "first"}, "signed_with": oct_key},
        {"header": {"alg": "RS512"}},
        {"signed_with": jwk.generate_key("RSA", 2048, {"kid": "first"})},
        {"signed_with": jwk.generate_key("EC", "P-256", {"kid": "first"})},
        {"raw_token": "a.b.c"}, {"raw_token": "a.b.c.d.e"}, {"raw_token": "词"}, {"raw_token": "."},
    ]  # fmt: skip
    client = Client()
    for how in forged:
        liar.header, liar.signed_with, liar.raw_token = {}, None, ""
        for name, value in how.items():
            setattr(liar, name, value)
        answer = back(client, liar)
        assert (answer.status_code, NONSENSE in text(answer)) == (502, True), how
        assert not is_in(client)


def test_keys_change_while_we_run(liar: Liar) -> None:
    assert back(Client(), liar).status_code == 302
    old = liar.keys[0]
    liar.keys = [jwk.generate_key("EC", "P-256", {"kid": "second"})]
    assert back(Client(), liar).status_code == 302
    liar.keys = [jwk.generate_key("RSA", 2048, {"kid": "second"})]  # another key under the same name
    assert back(Client(), liar).status_code == 302
    liar.signed_with = old
    assert NONSENSE in text(back(Client(), liar))


def test_an_answer_of_another_issuer_is_refused(liar: Liar) -> None:
    assert NONSENSE in text(back(Client(), liar, iss="https://evil.example"))  # RFC 9207
    assert back(Client(), liar, iss=liar.issuer).status_code == 302


# --- a provider that is down, or talks nonsense -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/"}, {"jwks_uri": None},
     {"authorization_endpoint": "javascript:alert(1)"}, {"authorization_endpoint": "https://a\r\nb/"},
     {"token_endpoint": "https://[/"}],
    ids=str,
)  # fmt: skip
def test_metadata_that_is_not_the_issuers_is_refused(liar: Liar, metadata: dict[str, Any]) -> None:
    liar.metadata = metadata
    answer = Client().get("/signin/outside")
    assert (answer.status_code, NONSENSE in text(answer)) == (502, True)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"null", b"\xff", b"{" * 300000, b"[" * 100000], ids=lambda b: repr(b[:8])
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_nonsense_gets_one_sentence(liar: Liar, path: str, body: bytes) -> None:
    liar.broken = {path: body}
    client = Client()
    begun = client.get("/signin/outside")
    answer = (
        begun if begun.status_code != 302 else client.get("/signin/outside/back", liar.authorize(begun["Location"]))
    )
    assert (answer.status_code, NONSENSE in text(answer)) == (502, True)
    assert not is_in(client)


def test_a_provider_that_is_down_gets_one_sentence_and_the_password_still_works(
    city: str, configured: Any, person: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    configured(f"http://127.0.0.1:{port}")
    client = Client()
    answer = client.get("/signin/outside", {"next": "/work/me"})
    assert (answer.status_code, SILENT in text(answer)) == (502, True)
    assert 'value="/work/me"' in text(answer)
    assert (
        client.post("/signin", {"login": person[0], "password": PASSWORD, "next": "/work/me"})["Location"] == "/work/me"
    )


def test_a_redirect_of_the_provider_is_not_followed(liar: Liar) -> None:
    liar.moved = {"/token": f"{liar.issuer}/elsewhere"}
    client = Client()
    assert SILENT in text(back(client, liar))
    assert "/elsewhere" not in liar.seen


# --- settings ---------------------------------------------------------------------------------------------------------


def test_without_a_provider_there_is_no_button_and_no_page(city: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GONGZHI_OIDC_ISSUER", raising=False)
    assert "/signin/outside" not in text(Client().get("/signin"))
    for path in ("/signin/outside", "/signin/outside/out"):
        assert Client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [("GONGZHI_OIDC_ISSUER", "http://id.example"), ("GONGZHI_OIDC_ISSUER", "https://u:p@id.example"),
     ("GONGZHI_OIDC_CLIENT_ID", ""), ("GONGZHI_OIDC_CLIENT_SECRET_FILE", "/nothing/here"), ("GONGZHI_SITE", "")],
)  # fmt: skip
def test_a_wrong_setting_is_named(
    city: str, configured: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    configured("https://id.example")
    monkeypatch.setenv(name, value)
    answer = Client().get("/signin/outside")
    assert (answer.status_code, name in text(answer)) == (503, True)


def test_links_are_lines_in_the_directorys_chain(liar: Liar, person: Any, actor: Any) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM entry WHERE body LIKE %s AND body LIKE %s", ["%link_identity%", f"%{liar.issuer}%"]
        )
        assert cursor.fetchone()[0] == 1
