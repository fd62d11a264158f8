"""Role × place × agency × team of care × every way in: what an answer holds is what the rule lets its reader see.

The ways are every address that the site answers, the posts are of every kind, the records are of every service: nothing here
is listed by hand but what to ask at an address (``ways.py``), and an address that is not there fails. Seen is told from the
bytes of the answer: every record carries words that no other has, and no answer may hold one of a record that the rule hides,
nor anything of a person. Where a record is hidden, the answer is the one for a record that is not there, byte for byte, for
the same statements.
"""

import io
import re
import zipfile
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from django.test import Client

from gongzhi.kernel.roles import STAFF
from gongzhi.kernel.service import services
from gongzhi.web.api import doing
from tests.rights.ways import ABSENT, EXEMPT, NOBODY, Ask, every_way, routes
from tests.rights.world import CARING, Kind, Viewer, World, kinds, looked_at, some, viewer
from tests.services.lab import Machine, at_desk
from tests.services.pinned import counted

_UUID = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_FRESH = re.compile(rb"""(csrfmiddlewaretoken" value="|nonce="|nonce-|X-CSRFToken": ")[\w-]+""")
_SAVEPOINT = re.compile(r"SAVEPOINT \"?\w+\"?")


def test_every_address_is_asked_or_excused() -> None:
    """A new page or operation is in the matrix, or says why not; an excuse for what is gone fails too."""
    known, asked, excused = set(routes()), set(every_way()), {exempt.route for exempt in EXEMPT}
    assert known - asked - excused == set(), "ways in that the matrix does not know"
    assert (asked | excused) - known == set(), "ways in that are gone"
    assert asked & excused == set()
    assert [exempt.route for exempt in EXEMPT if len(exempt.reason) < 15] == []


def test_every_kind_of_post_is_there() -> None:
    if CARING:
        assert {kind[3] for kind in some()} == {kind[3] for kind in kinds()} == {False, True}
        return
    for number, values in enumerate(
        ([role.code for role in STAFF], ("city", "county", "far", "township"), ("a", "b", "dispatch"))
    ):
        assert {kind[number] for kind in some()} == {kind[number] for kind in kinds()} == set(values)


class Reader:
    """A viewer at the doors: a browser with a session, a program with a token, or nobody."""

    def __init__(self, who: Viewer | None) -> None:
        self.browser = at_desk(who.actor) if who else Client()
        self.machine = Machine(who.actor) if who else None
        number = who.actor.post if who else 1
        self.browser.defaults["REMOTE_ADDR"] = (
            f"10.1.{number // 250}.{number % 250}"  # limits by address are not at stake
        )
        self.absent: dict[Any, tuple[int, bytes, list[str]]] = {}

    def ask(self, one: Ask, url: str = "", data: Any = None) -> tuple[int, bytes, list[str]]:
        """Return status, headers and body as they could be read, and the statements that it took."""
        headers = self.machine.headers if self.machine and one.machine else {}
        with counted() as sent:
            given = data or one.data
            if given is None:
                answer = self.browser.get(url or one.url, headers=headers)
            elif one.machine:
                answer = self.browser.post(url or one.url, given, content_type="application/json", headers=headers)
            else:
                answer = self.browser.post(url or one.url, given)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        said = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return (
            answer.status_code,
            said.encode() + b"\n\n" + unpacked(body),
            [_SAVEPOINT.sub("SAVEPOINT", s) for s in sent],
        )

    def twin(self, one: Ask) -> tuple[int, bytes, list[str]]:
        """Return the same of a record that is not there."""
        key = (one.twin, str(one.other or one.data))
        if key not in self.absent:
            self.absent[key] = self.ask(one, one.twin, one.other)
        return self.absent[key]


def unpacked(body: bytes) -> bytes:
    """Return what a file holds: the parts of a workbook, not their compressed bytes."""
    if not body.startswith(b"PK"):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        return b"\n".join(book.read(name) for name in book.namelist())


def same(body: bytes, *names: str) -> bytes:
    """Return an answer without what differs in every answer, and without the names that were asked for."""
    for name in names:
        body = body.replace(name.encode(), b"N")
    body = _FRESH.sub(b"fresh", _UUID.sub(b"U", body))
    return re.sub(rb"Content-Length: \d+", b"", body)


def faults_of(world: World, who: Viewer | None) -> list[str]:
    """Ask everything as this viewer; return what was wrong, as sentences."""
    reader, told = Reader(who), []
    actor = who.actor if who else None
    nobody = viewer(world, kinds()[0])
    asked = Counter[str]()
    for route, way in every_way().items():
        for one in way(world, who or nobody):
            asked[route] += 1
            if one.secret and who is None:
                continue
            status, body, sent = reader.ask(one)
            if status >= 500:
                told.append(f"{one.url}: {status}")
            url = one.url.encode()
            own = body.replace(url, b"")  # an answer may say what it was asked for
            named = one.subject
            for number, texts in world.leaked(actor, own).items():
                if new := [text for text in texts if text not in unquote(one.url)]:
                    told.append(f"{one.url}: gives away {number}: {new}")
            if actor is None:
                continue
            wanted = [(one.shows, named)] if named and one.shows else []
            for text, subject in (*wanted, *one.both):
                if world.sees(actor, subject) and text.encode() not in own:
                    told.append(
                        f"{one.url}: {status}, does not show {text} of {subject.number}, which the rule lets one see"
                    )
            if one.twin and named and not world.sees(actor, named):
                told += unlike(reader, one, (status, body, sent))
    assert set(every_way()) - set(asked) == unasked(world, who or nobody)
    return told


def unasked(world: World, who: Viewer) -> set[str]:
    """Return the ways that have nothing to ask: of services not in this world, and acts, which are tried on hidden records alone."""
    there = {one.service.code for one in world.subjects}
    hidden = {one.service.code for one in world.subjects if not world.sees(who.actor, one)}
    absent = services().keys() - there
    return {route for route in every_way() if route.startswith("api/") and route.split("/")[1] in absent} | {
        f"api/{code}/<number>/{action.code}"
        for code in there - hidden
        for action in services()[code].procedure
        if not action.creates
    }


def unlike(reader: Reader, one: Ask, got: tuple[int, bytes, list[str]]) -> list[str]:
    """Return how the answer for a hidden record differs from that for one that is not there."""
    subject = one.subject
    assert subject is not None
    names = (
        subject.number,
        str(subject.held.record),
        str(subject.file),
        quote(subject.address, safe=""),
        *said(one.url),
    )
    status, body, sent = reader.twin(one)
    told = []
    if (got[0], same(got[1], *names)) != (
        status,
        same(body, ABSENT, str(NOBODY), "0" * len(subject.address), *said(one.twin)),
    ):
        told.append(f"{one.url}: {got[0]} is not what is said of an absent one: {status} ({one.twin})")
    if got[2] != sent:  # something may have been remembered meanwhile: both again, one after the other
        got, sent = reader.ask(one), reader.ask(one, one.twin, one.other)[2]
    if got[2] != sent:
        told.append(f"{one.url}: {len(got[2])} statements, {len(sent)} for an absent one:\n  " + "\n  ".join(
            f"{a[:110]} | {b[:110]}" for a, b in zip([*got[2], *[""] * 9], [*sent, *[""] * 9], strict=False) if a != b))  # fmt: skip
    return told


def said(url: str) -> list[str]:
    """Return what was searched for."""
    return [value for _, value in parse_qsl(urlsplit(url).query)]


def met(world: World) -> World:
    """Let this process know every number, as if colleagues had just worked on them: that must not tell a stranger."""
    for one in world.subjects:
        doing._remember(doing._place(world.people.manager, one.service, one.number), one.held.record)
    return world


@pytest.mark.parametrize("kind", some(), ids=lambda kind: "-".join(map(str, kind)))
def test_what_is_shown_is_what_the_rule_lets_one_see(made: World, kind: Kind) -> None:
    faults = faults_of(met(made), viewer(made, kind))
    assert not faults, "\n".join(faults)


def test_nobody_sees_anything(made: World) -> None:
    faults = faults_of(met(made), None)
    assert not faults, "\n".join(faults)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", [role.code for role in STAFF])
def test_every_kind_of_post_by_every_way(whole: World, role: str) -> None:
    faults = [fault for kind in kinds() if kind[0] == role for fault in faults_of(met(whole), viewer(whole, kind))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("kind", kinds()[:: 11 if CARING else 5], ids=lambda kind: "-".join(map(str, kind)))
def test_counts_are_of_what_one_sees(made: World, kind: Kind) -> None:
    """Lists, queue, map and board count what the rule lets one see, and not one more."""
    who = viewer(made, kind)
    rows, browser = made.rows(who.actor), at_desk(who.actor)
    for service in looked_at():
        page = browser.get(f"/work/s/{service.code}/").content.decode()
        shown = re.search(r'<span class="n">([\d,]+)', page.partition("</h1>")[0])
        assert shown is not None
        assert int(shown[1].replace(",", "")) == sum(row[0] == service.code for row in rows), service.code
    points = browser.get("/work/map/points").json()["features"]
    assert {p["properties"]["number"] for p in points} == {row[1] for row in rows if row[2] and row[3] is not None}
    running = {row[1] for row in rows if row[2]}
    board = browser.get("/work/deadlines?group=open").content.decode()
    assert set(re.findall(r"/work/r/(\w+)", board)) == set(sorted(running)[:50]) or len(running) > 50
