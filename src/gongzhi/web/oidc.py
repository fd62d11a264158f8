"""Signing in through the city's identity provider: OpenID Connect Core 1.0, authorization code flow, PKCE (RFC 7636, S256).

The provider says who someone is and nothing more: what a person may do comes from the posts of the account that an
administrator has linked with (issuer, subject). Tokens are looked at once and not kept. An ID token counts only if it is
signed by a key that the issuer publishes (RS256 or ES256), made for us, for this very sign-in, and of now.
"""

import json
import logging
import os
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from time import monotonic, time
from typing import Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.utils.translation import gettext as _
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from gongzhi.channels.config import SettingsWrong, site

SECONDS = 4.5  # of everything that one page asks of the provider
FLOW_SECONDS = 600  # between our page and the way back
SKEW = 60  # seconds that the provider's clock may be wrong
KEPT_SECONDS = 3600  # that the provider's metadata and keys are remembered; keys are fetched again when one is missing
MOST = 2**18  # bytes of an answer
_KINDS = {"RS256": "RSA", "ES256": "EC"}
"""The signatures that count, and their kind of key. No ``none``, and no HS256, whose secret other programs may know."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_log = logging.getLogger(__name__)
_busy = threading.BoundedSemaphore(8)  # questions under way: a provider that hangs holds no more threads than this


class ProviderFailed(Exception):
    """The provider gives no answer, or one that does not count; the sentence says which."""


@dataclass(frozen=True)
class Provider:
    """The provider of ``GONGZHI_OIDC_*``; an empty ``secret`` is a public client. ``back`` is where it sends people."""

    issuer: str
    client: str
    secret: str = field(repr=False)
    title: str
    back: str


@dataclass(frozen=True)
class Flow:
    """A sign-in under way, kept in the session: what comes back must fit it. ``since`` in seconds of the epoch."""

    nonce: str
    verifier: str
    wanted: str
    since: float


def title() -> str:
    """Return what the provider is called here, "" where there is none."""
    if not os.environ.get("GONGZHI_OIDC_ISSUER"):
        return ""
    return os.environ.get("GONGZHI_OIDC_TITLE", "").strip()[:40] or _("统一身份认证")


def provider() -> Provider | None:
    """Return the provider named by the environment, None where none is named. Raises SettingsWrong."""
    issuer = os.environ.get("GONGZHI_OIDC_ISSUER", "")
    if not issuer:
        return None
    if not _safe(issuer) or urlsplit(issuer).query:
        raise SettingsWrong(_("GONGZHI_OIDC_ISSUER 应是认证服务的 https 网址。"))
    client = os.environ.get("GONGZHI_OIDC_CLIENT_ID", "")
    if not client:
        raise SettingsWrong(_("没有设置 GONGZHI_OIDC_CLIENT_ID。"))
    named = os.environ.get("GONGZHI_OIDC_CLIENT_SECRET_FILE", "")
    try:
        secret = Path(named).read_text(encoding="utf-8").strip() if named else ""
    except (OSError, ValueError) as error:
        raise SettingsWrong(_("读不到 GONGZHI_OIDC_CLIENT_SECRET_FILE 指的文件。")) from error
    return Provider(issuer, client, secret, title(), f"{site()}/signin/outside/back")


def begin(provider: Provider, wanted: str) -> tuple[str, str, Flow]:
    """Return (address at the provider, state, flow) of a new sign-in. Raises ProviderFailed."""
    known = _metadata(provider, monotonic() + SECONDS)
    state, flow = token_urlsafe(32), Flow(token_urlsafe(32), token_urlsafe(48), wanted, time())
    challenge = urlsafe_b64encode(sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code", "client_id": provider.client, "redirect_uri": provider.back, "scope": "openid",
        "state": state, "nonce": flow.nonce, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    return _with_query(known["authorization_endpoint"], asked), state, flow


def finish(provider: Provider, flow: Flow, given: Mapping[str, str]) -> str:
    """Change the code that came back for an ID token; return the subject that it vouches for. Raises ProviderFailed."""
    until = monotonic() + SECONDS
    known = _metadata(provider, until)
    sender = given.get("iss")  # RFC 9207: an answer of another provider
    if sender is not None and sender != provider.issuer:
        raise _nonsense(provider, "iss of the answer")
    if sender is None and known.get("authorization_response_iss_parameter_supported") is True:
        raise _nonsense(provider, "no iss in the answer")
    if given.get("error") == "access_denied":
        raise ProviderFailed(_("您没有在{title}完成登录。").format(title=provider.title))
    if given.get("error") or not given.get("code"):
        raise _nonsense(provider, "an error or no code in the answer")
    token = _json(provider, _token_request(provider, known, flow, given["code"]), until).get("id_token")
    if not isinstance(token, str):
        raise _nonsense(provider, "no ID token")
    return _subject(provider, flow, _claims(provider, known["jwks_uri"], token, until))


def farewell(provider: Provider) -> str:
    """Return the address at which the provider ends its own session (RP-Initiated Logout 1.0). Raises ProviderFailed."""
    end = _metadata(provider, monotonic() + SECONDS).get("end_session_endpoint")
    if not isinstance(end, str) or not _safe(end):
        raise ProviderFailed(_("{title}没有退出页面，请关闭浏览器。").format(title=provider.title))
    back = provider.back.removesuffix("/outside/back")
    return _with_query(end, {"client_id": provider.client, "post_logout_redirect_uri": back})


# --- what the provider says of itself ---------------------------------------------------------------------------------

_metadata_kept: dict[str, tuple[float, dict[str, Any]]] = {}
_keys_kept: dict[str, tuple[float, list[dict[str, Any]]]] = {}


def _metadata(provider: Provider, until: float) -> dict[str, Any]:
    """Return OpenID Connect Discovery 1.0's document, checked: it is the issuer's own, and its addresses are safe."""
    kept = _metadata_kept.get(provider.issuer)
    if kept and kept[0] > monotonic():
        return kept[1]
    found = _json(provider, _request(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"), until)
    if found.get("issuer") != provider.issuer:
        raise _nonsense(provider, "another issuer in its metadata")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(found.get(name), str) or not _safe(found[name]):
            raise _nonsense(provider, f"{name} in its metadata")
    _metadata_kept[provider.issuer] = (monotonic() + KEPT_SECONDS, found)
    return found


def _keys(provider: Provider, address: str, until: float, *, fresh: bool) -> list[dict[str, Any]]:
    kept = _keys_kept.get(address)
    if kept and kept[0] > monotonic() and not fresh:
        return kept[1]
    found = _json(provider, _request(address), until).get("keys")
    if not isinstance(found, list):
        raise _nonsense(provider, "no keys")
    keys = [key for key in found if isinstance(key, dict)]
    _keys_kept[address] = (monotonic() + KEPT_SECONDS, keys)
    return keys


# --- the ID token -----------------------------------------------------------------------------------------------------


def _token_request(provider: Provider, known: dict[str, Any], flow: Flow, code: str) -> Request:
    body = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": provider.back, "code_verifier": flow.verifier,
    }  # fmt: skip
    request = _request(known["token_endpoint"])
    ways = known.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if provider.secret and "client_secret_basic" in ways:
        pair = f"{quote_plus(provider.client)}:{quote_plus(provider.secret)}"  # RFC 6749, 2.3.1
        request.add_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    else:
        body["client_id"] = provider.client
        if provider.secret:
            body["client_secret"] = provider.secret
    request.data = urlencode(body).encode()
    return request


def _claims(provider: Provider, address: str, token: str, until: float) -> dict[str, Any]:
    """Return what the token says if one of the issuer's keys signed it; keys just changed are fetched once more."""
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise _nonsense(provider, "no signed token") from error
    if header.get("alg") not in _KINDS:
        raise _nonsense(provider, "the token's alg")
    for fresh in (False, True):
        for key in _keys(provider, address, until, fresh=fresh):
            if (claims := _signed_by(key, header, token)) is not None:
                return claims
    raise _nonsense(provider, "the token's signature")


def _signed_by(key: dict[str, Any], header: Mapping[str, Any], token: str) -> dict[str, Any] | None:
    alg = header["alg"]
    if key.get("kty") != _KINDS[alg] or key.get("use", "sig") != "sig" or key.get("alg", alg) != alg:
        return None
    if "kid" in header and key.get("kid") != header["kid"]:
        return None
    try:
        return jwt.decode(token, jwk.import_key(cast("Any", key)), algorithms=[alg]).claims
    except (JoseError, ValueError, TypeError):
        return None


def _subject(provider: Provider, flow: Flow, claims: dict[str, Any]) -> str:
    """Check the claims as OpenID Connect Core 1.0, 3.1.3.7, says; return the subject."""
    rules = jwt.JWTClaimsRegistry(
        leeway=SKEW, iss={"essential": True, "value": provider.issuer}, aud={"essential": True, "value": provider.client},
        sub={"essential": True}, exp={"essential": True}, iat={"essential": True},
    )  # fmt: skip
    try:
        rules.validate(claims)
    except JoseError as error:
        raise _nonsense(provider, f"the token's claims: {error}") from error
    nonce, audience, subject = claims.get("nonce"), claims["aud"], claims["sub"]
    if not isinstance(nonce, str) or not compare_digest(nonce.encode(), flow.nonce.encode()):
        raise _nonsense(provider, "the token's nonce")
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if several else provider.client) != provider.client:
        raise _nonsense(provider, "the token's azp")
    if claims["iat"] < flow.since - SKEW:
        raise _nonsense(provider, "a token older than the sign-in")
    if not subject.isprintable() or len(subject) > 255:
        raise _nonsense(provider, "the token's sub")
    return str(subject)


# --- asking -----------------------------------------------------------------------------------------------------------


class _NoRedirect(HTTPRedirectHandler):
    """An answer that leads elsewhere is none: it would carry code and secret there."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = build_opener(_NoRedirect)


def _request(address: str) -> Request:
    return Request(address, headers={"Accept": "application/json"})  # noqa: S310 (``_safe`` has seen it)


def _json(provider: Provider, request: Request, until: float) -> dict[str, Any]:
    """Return the JSON object that the provider answers. Raises ProviderFailed, at the latest when the time is up."""

    def ask() -> bytes:
        with _opener.open(request, timeout=SECONDS) as response:
            return bytes(response.read(MOST + 1))

    try:
        body = _in_time(ask, until)
    except (OSError, HTTPException, ValueError) as error:  # HTTPError and URLError are OSErrors
        _log.warning("identity provider %s: %s: %s", provider.issuer, urlsplit(request.full_url).path, error)
        raise ProviderFailed(
            _("{title}现在没有回应，请稍后再试，或用密码登录。").format(title=provider.title)
        ) from error
    try:
        found = json.loads(body) if len(body) <= MOST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _nonsense(provider, f"no JSON object at {urlsplit(request.full_url).path}")
    return found


def _in_time(ask: Callable[[], bytes], until: float) -> bytes:
    """Return what ``ask`` returns, or raise TimeoutError: a socket's own limit does not see a byte a second, or a slow DNS."""
    told: list[bytes | BaseException] = []

    def work() -> None:
        try:
            told.append(ask())
        except Exception as error:  # noqa: BLE001 (raised again where it was asked for)
            told.append(error)
        finally:
            _busy.release()

    if not _busy.acquire(timeout=max(until - monotonic(), 0)):
        raise TimeoutError("too many questions under way")
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(until - monotonic(), 0))
    if not told:
        raise TimeoutError("no answer in time")
    if isinstance(told[0], BaseException):
        raise told[0]
    return told[0]


def _nonsense(provider: Provider, what: str) -> ProviderFailed:
    _log.warning("identity provider %s: refused: %s", provider.issuer, what)
    return ProviderFailed(
        _("{title}的回答不可信，没有登录。请重新登录；再次出现请告诉管理员。").format(title=provider.title)
    )


def _safe(address: str) -> bool:
    """Return whether this is an https address without a name or a fragment in it; plain http only to this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
        parts.port  # noqa: B018 (raises for one that is no number)
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    plain = address.isascii() and address.isprintable() and " " not in address
    return bool(secure and host and plain and parts.username is None and not parts.fragment)


def _with_query(address: str, values: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(values)}"
