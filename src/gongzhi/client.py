"""A client of the API that needs nothing but Python's standard library: copy the file, or import it.

    city = Client("https://city.example")
    city.sign_in("operator", "…")
    for row in city.list("request", state="late", order="due"):
        print(row["number"], row["title"], row["due_at"])
    record = city.get("request", "SQ2026000001")
    city.do(record, "assign", agency=12, category="build")
    city.upload(record, Path("现场 🔧.jpg"), note="修好以后")
    for file in city.files(record):
        Path(file["name"]).write_bytes(city.download(file))

Every write carries an ``Idempotency-Key``, and a connection that broke is tried again under the same key, so that a thing
is done once or not at all. A change carries the version that was read; whoever was first wins, and the other gets a
``Problem`` that says who did what. The filter language is in ``docs/api.md``.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urljoin
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import uuid4

_AGAIN = frozenset((500, 502, 503, 504))
File = str | Path | tuple[str, bytes]
"""A file to send: a path, or a name and the content."""


class Problem(Exception):
    """The API refused (RFC 9457). ``kind`` is the last part of ``type``; ``body`` has every member, for instance ``errors``."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, dict(body)
        self.kind = str(body.get("type", "")).rpartition("/")[2]
        super().__init__(str(body.get("detail") or body.get("title") or status))


class Lost(Exception):
    """No answer came, tried as often as agreed; whether the act happened is not known: do it again with the same ``key``."""

    def __init__(self, key: str, why: object) -> None:
        self.key = key
        super().__init__(f"no answer: {why}")


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers, and the JSON."""

    status: int
    headers: Message
    body: Any


class Client:
    """A connection to one city as one person at one post.

    ``tries`` and ``patience`` (seconds before the second try, doubled each time) say how long a broken line is forgiven;
    ``timeout`` is in seconds and holds for each try.
    """

    def __init__(
        self, base: str, token: str = "", *, timeout: float = 30, tries: int = 4, patience: float = 0.5
    ) -> None:
        if not base.startswith(("http://", "https://")):
            raise ValueError(f"not an address: {base!r}")
        self.base, self.token = base.rstrip("/"), token
        self.timeout, self.tries, self.patience = timeout, tries, patience

    def sign_in(self, login: str, password: str, *, code: str = "", post: int | None = None) -> Any:
        """Get a token and use it from now on; return ``post``, ``posts`` and ``expires_in`` (seconds). Raises Problem 401.

        ``code`` is the phone's one-time code (or a recovery code) of an account that has a second factor; ``post`` the id of one of
        several posts.
        """
        asked = {"login": login, "password": password, "code": code, "post": post}
        body: dict[str, Any] = self._call("POST", "/api/token", asked).body
        self.token = body.pop("token")
        return body

    def list(self, service: str, **narrowing: Any) -> Iterator[dict[str, Any]]:
        """Give every record that the narrowing leaves and one may see, page after page, each read when it is needed.

        A name with a dot is written with two underscores: ``opened__from="2026-11-01"``.
        """
        said = {name.replace("__", "."): str(value) for name, value in narrowing.items()}
        way = f"/api/{service}?{urlencode({'limit': '200', **said})}"
        while way:
            answer = self._call("GET", way)
            yield from answer.body["items"]
            way = _next(answer.headers.get("Link", ""))

    def get(self, service: str, number: str) -> dict[str, Any]:
        """Return one record with its facts, and the actions that one may do now."""
        made: dict[str, Any] = self._call("GET", f"/api/{service}/{quote(number)}").body
        return made

    def history(self, service: str, number: str) -> Any:
        """Return the record's acts, the newest first."""
        return self._call("GET", f"/api/{service}/{quote(number)}/history").body

    def search(self, words: str, limit: int = 50) -> Any:
        """Return the records of every service that have the words or the number."""
        return self._call("GET", f"/api/search?{urlencode({'q': words, 'limit': limit})}").body

    def create(self, service: str, *, key: str = "", files: Sequence[File] = (), **form: Any) -> dict[str, Any]:
        """Make a record. Returns ``record``, ``number``, ``version``, ``stage``, ``repeated``, ``follow``."""
        return self._write(f"/api/{service}", {"form": form}, key, "", files)

    def do(
        self, record: Mapping[str, Any], action: str, *, key: str = "", files: Sequence[File] = (), **form: Any
    ) -> dict[str, Any]:
        """Do an action on a record as it was read or as an act gave it. Raises Problem 412 where somebody was first.

        ``files`` (paths, or pairs of a name and bytes) go with actions that take attachments.
        """
        return self._write(f"{_address(record)}/{action}", {"form": form}, key, f'"{record["version"]}"', files)

    def upload(self, record: Mapping[str, Any], file: File, *, note: str = "", key: str = "") -> Any:
        """Add an attachment to a record: a path, or a pair of a name and bytes. Returns the file as ``files`` gives it."""
        name, content = _read(file)
        way = f"{_address(record)}/files?{urlencode({'name': name, 'note': note})}"
        headers = {"Idempotency-Key": key or str(uuid4()), "Content-Type": "application/octet-stream"}
        return self._call("POST", way, content, headers).body["files"][0]

    def files(self, record: Mapping[str, Any]) -> Any:
        """Return the record's attachments: ``name``, ``media_type``, ``size`` in bytes, ``at``, ``action``, ``href``."""
        return self._call("GET", f"{_address(record)}/files").body

    def download(self, file: Mapping[str, Any]) -> bytes:
        """Return the content of a file that ``files`` or ``upload`` gave. Raises Problem 410 where it was destroyed."""
        content: bytes = self._call("GET", file["href"], whole=True).body
        return content

    def _write(self, way: str, body: Any, key: str, seen: str, files: Sequence[File] = ()) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or str(uuid4()), **({"If-Match": seen} if seen else {})}
        if files:
            headers["Content-Type"], body = _multipart(body, files)
        answer = self._call("POST", way, body, headers)
        return {**answer.body, "address": answer.headers.get("Location") or way.rpartition("/")[0]}

    def _call(
        self, method: str, way: str, body: Any = None, headers: Mapping[str, str] = {}, *, whole: bool = False
    ) -> Answer:
        """Return the answer; with ``whole`` its body as bytes. A body of bytes is sent as it is."""
        if not way.startswith("/api/"):  # an address that an answer gave: the token goes nowhere else
            raise ValueError(f"not an address of the API: {way!r}")
        sent = Request(urljoin(f"{self.base}/", way), method=method, headers=dict(headers))  # noqa: S310 - checked in __init__
        if isinstance(body, bytes):
            sent.data = body
        elif body is not None:
            sent.data = json.dumps(body, ensure_ascii=False).encode()
            sent.add_header("Content-Type", "application/json")
        if self.token:
            sent.add_unredirected_header("Authorization", f"Bearer {self.token}")
        again = method == "GET" or "Idempotency-key" in sent.headers
        for turn in range(self.tries):
            last = not again or turn == self.tries - 1
            try:
                with _opener.open(sent, timeout=self.timeout) as response:
                    return Answer(response.status, response.headers, response.read() if whole else json.load(response))
            except HTTPError as error:
                problem = _problem(error)
                if error.code not in _AGAIN or last:
                    raise problem from None
                said = error.headers.get("Retry-After") or ""
                wait = float(said) if said.isdecimal() else 0.0
            except (URLError, HTTPException, OSError, ValueError) as error:  # ValueError: an answer cut short
                if last:
                    raise Lost(sent.get_header("Idempotency-key", ""), error) from error
                wait = 0.0
            time.sleep(max(wait, self.patience * 2**turn))
        raise AssertionError("unreachable")


class _Nowhere(HTTPRedirectHandler):
    """The API never sends elsewhere; a token must not travel to where a stranger's answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = build_opener(_Nowhere)


def _address(record: Mapping[str, Any]) -> str:
    """Return where a record is found, as it was read or as an act gave it."""
    service = record.get("service") or str(record["address"]).split("/")[2]
    return f"/api/{service}/{quote(record['number'])}"


def _read(file: File) -> tuple[str, bytes]:
    if isinstance(file, tuple):
        return file
    path = Path(file)
    return path.name, path.read_bytes()


def _multipart(body: Any, files: Sequence[File]) -> tuple[str, bytes]:
    """Return the media type and the bytes of a body with files (RFC 7578; names as RFC 8187 writes them)."""
    mark = uuid4().hex
    parts = [('name="body"', "application/json", json.dumps(body, ensure_ascii=False).encode())]
    for name, content in map(_read, files):
        parts.append((f"name=\"files\"; filename*=UTF-8''{quote(name, safe='')}", "application/octet-stream", content))
    made = b"".join(
        f"--{mark}\r\nContent-Disposition: form-data; {said}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for said, kind, content in parts
    )
    return f"multipart/form-data; boundary={mark}", made + f"--{mark}--\r\n".encode()


def _problem(error: HTTPError) -> Problem:
    with error:
        try:
            body = json.load(error)
        except ValueError:
            body = {"detail": error.reason}
    return Problem(error.code, body if isinstance(body, dict) else {"detail": str(body)})


def _next(link: str) -> str:
    """Return the address of a Link header's rel="next" (RFC 8288), "" without one."""
    address, _, rel = link.partition(">;")
    return address.lstrip("<") if 'rel="next"' in rel else ""
