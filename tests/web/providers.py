"""Identity providers on loopback: one that can be told to lie, and how a browser walks through the real package's pages."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc import jwk, jwt


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Liar:
    """A provider: honest until told otherwise. ``claims`` and ``header`` replace what an ID token says (None: left out)."""

    issuer: str = ""
    keys: list[Any] = field(default_factory=lambda: [jwk.generate_key("RSA", 2048, {"kid": "first"})])
    signed_with: Any = None
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    raw_token: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    """Seconds before a path answers."""
    seen: list[str] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    token_requests: list[dict[str, str]] = field(default_factory=list)

    def authorize(self, address: str) -> dict[str, str]:
        """Do what the person does there; return what the browser brings back."""
        self.asked = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self.token_requests)}-{time.monotonic_ns()}"
        self.codes.add(code)
        return {"code": code, "state": self.asked["state"]}

    def answer(self, path: str, body: dict[str, str], authorization: str) -> tuple[int, bytes]:
        self.seen.append(path)
        time.sleep(self.slow.get(path, 0))
        if path in self.moved:
            return 302, b""
        if path in self.broken:
            return 200, self.broken[path]
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps({
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "end_session_endpoint": f"{self.issuer}/end", **self.metadata,
            }).encode()  # fmt: skip
        if path == "/keys":
            return 200, json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()
        self.token_requests.append({**body, "authorization": authorization})
        challenge = encoded(hashlib.sha256(body.get("code_verifier", "").encode()).digest())
        if body.get("code") not in self.codes or challenge != self.asked["code_challenge"]:
            return 400, b'{"error": "invalid_grant"}'
        self.codes.discard(body["code"])
        return 200, json.dumps({"access_token": "a", "token_type": "Bearer", "id_token": self.token()}).encode()

    def token(self) -> str:
        if self.raw_token:
            return self.raw_token
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "u-1", "aud": self.asked["client_id"], "nonce": self.asked["nonce"], "iat": now,
            "exp": now + 300, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.signed_with or self.keys[0]
        header = {"alg": "ES256" if key.key_type == "EC" else "RS256", "kid": key.kid, **self.header}
        if header["alg"] == "none":
            return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}."
        return jwt.encode(header, claims, key, algorithms=["RS256", "ES256", "HS256", "RS512"])


@contextmanager
def lying() -> Iterator[Liar]:
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self._say({name: texts[0] for name, texts in parse_qs(self.rfile.read(size).decode()).items()})

        def _say(self, body: dict[str, str]) -> None:
            status, said = liar.answer(urlsplit(self.path).path, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status == 302:
                self.send_header("Location", liar.moved[urlsplit(self.path).path])
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    liar.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def authorize(address: str, **form: str) -> str:
    """Send the real package's form of consent (``sub=…``, or ``action="deny"``); return where it leads the browser."""
    try:
        build_opener(_Stay).open(Request(address, data=urlencode(form).encode(), method="POST"), timeout=10).close()
    except HTTPError as answer:
        location = answer.headers["Location"]
        answer.close()
        return str(location)
    raise AssertionError("no redirect")
