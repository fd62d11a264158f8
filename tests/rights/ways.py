"""The ways in: every address of pages and API, with what is asked there. One that is not here fails the matrix.

A way is a function from the world and a viewer to what is asked. What each answer may hold is not said here: that is the
rule's, for all of them alike. ``shows`` names a text that must stand in the answer if, and only if, the viewer sees the
subject; so a way that hides everything fails too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from gongzhi.intake.dispatch import dispatching
from gongzhi.kernel.purposes import LOOKING
from gongzhi.kernel.service import services
from gongzhi.web.feed import renew, token_of
from tests.rights.world import Subject, Viewer, World

ABSENT = "SQ2026999999"
NOBODY = UUID(int=1)
NO_PHONE = "13999999999"
_API = "api/"


@dataclass(frozen=True)
class Ask:
    """One request. ``subject``: the record it names, where it names one; ``twin``: the same of a record that is not there."""

    url: str
    subject: Subject | None = None
    shows: str = ""
    twin: str = ""
    data: Any = None
    """What is posted; None: it is a GET."""
    other: Any = None  # what is posted to the twin, where that is what names the record
    secret: bool = False
    """Whether the address itself is the right to read it: not for a stranger to ask."""
    both: tuple[tuple[str, Subject], ...] = ()
    """Texts that must stand in the answer if, and only if, these are seen."""

    @property
    def machine(self) -> bool:
        """Whether a program asks, with a token."""
        return self.url.startswith(f"/{_API}")


Way = Callable[[World, Viewer], Iterator[Ask]]


def routes() -> list[str]:
    """Return every address pattern that the site answers, from the URL configuration itself."""
    return sorted(set(_walk(get_resolver().url_patterns, "")))


def _walk(patterns: Any, before: str) -> Iterator[str]:
    for one in patterns:
        here = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, here)
        elif isinstance(one, URLPattern):
            yield here


def of_record(after: str, shows: Callable[[Subject], str] = lambda _: "") -> Way:
    """Return the way to one record's own address."""

    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for one in world.subjects:
            tail = after.format(party=one.party or NOBODY, file=one.file)
            other = after.format(party=NOBODY, file=NOBODY)
            yield Ask(f"/work/r/{one.number}{tail}", one, shows(one), f"/work/r/{ABSENT}{other}")

    return asks


def doing(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The form of each action, and the act itself to what one does not see."""
    for one in world.subjects:
        for action in one.service.procedure:
            if action.creates:
                continue
            tail = f"/do/{action.code}"
            yield Ask(f"/work/r/{one.number}{tail}", one, "", f"/work/r/{ABSENT}{tail}")
            if not world.sees(viewer.actor, one):
                data = {"version": "1", "note": "x", "key": "11111111-1111-4111-8111-111111111111"}
                yield Ask(f"/work/r/{one.number}{tail}", one, "", f"/work/r/{ABSENT}{tail}", data)


def persons(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The box of a person: the question for a purpose, and its answer for what one does not see."""
    yield from of_record("/person/{party}")(world, viewer)
    for one in world.hidden(viewer.actor):
        data = {"purpose": next(iter(one.service.reasons), "x")}
        way = f"/work/r/{one.number}/person/{one.party or NOBODY}"
        yield Ask(way, one, "", f"/work/r/{ABSENT}/person/{NOBODY}", data)


def words(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The texts with the numbers in them: the question for a purpose, and its answer for what one does not see."""
    yield from of_record("/words")(world, viewer)
    for one in world.hidden(viewer.actor):
        data = {"purpose": next(iter(one.service.reasons), "x")}
        yield Ask(f"/work/r/{one.number}/words", one, "", f"/work/r/{ABSENT}/words", data)


def by_phone(address: str, code: str = "") -> Way:
    """Return the search by telephone: the number of each record's person, and one that nobody has."""

    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for one in world.subjects:
            if one.phone and code in ("", one.service.code):
                purpose, url = next(iter(one.service.reasons)), address.format(one.service.code)
                asked, none = ({"phone": phone, "purpose": purpose} for phone in (one.phone, NO_PHONE))
                yield Ask(url, one, one.number if viewer.role in LOOKING else "", url, asked, none)

    return asks


def files(world: World, viewer: Viewer) -> Iterator[Ask]:
    """An attachment by its id, by its hash, and under the number of a record that one does see."""
    yield from of_record("/file/{file}", lambda one: one.file_word)(world, viewer)
    mine = next(iter(world.seen(viewer.actor)), None)
    for one in world.hidden(viewer.actor) if mine else []:
        assert mine is not None
        yield Ask(f"/work/r/{mine.number}/file/{one.file}", one, "", f"/work/r/{mine.number}/file/{NOBODY}")


def of_service(after: str, *, shows: bool = False) -> Way:
    """Return the way to each service's own address; ``shows``: every record's number stands there."""

    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for service in {one.service.code: one.service for one in world.subjects}.values():
            held = tuple((one.number, one) for one in world.subjects if one.service is service)
            yield Ask(f"/work/s/{service.code}/{after}", both=held if shows else ())

    return asks


def lists(world: World, viewer: Viewer) -> Iterator[Ask]:
    """A list, narrowed to each record's words and ordered, by the page."""
    yield from of_service("?order=number", shows=True)(world, viewer)
    for one in world.subjects:
        word = sorted(text for text in one.telling if text.startswith("zq") and text in one.title)
        if word:
            yield Ask(f"/work/s/{one.service.code}/?q={word[0]}", one, f"/work/r/{one.number}")


def parts(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The form of a new record, and of a part of each record."""
    yield from of_service("new")(world, viewer)
    for one in world.subjects:
        for part in one.service.parts:
            yield Ask(f"/work/s/{part.code}/new?whole={one.number}", one)


def many(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The form of an act on many: those named that one sees."""
    for service in {one.service.code: one.service for one in world.subjects}.values():
        named = [one for one in world.subjects if one.service is service]
        query = "&".join(f"number={one.number}" for one in named)
        able = any(role.code == viewer.role.code for role in service.action("note").by)
        shown = tuple((f'value="{one.number}:', one) for one in named) if able else ()
        yield Ask(f"/work/s/{service.code}/bulk?action=note&{query}", both=shown)


def exports(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The list as a file, in each format; of care nothing."""
    for service in {one.service.code: one.service for one in world.subjects}.values():
        held = tuple((one.number, one) for one in world.subjects if one.service is service)
        for kind in ("csv", "xlsx"):
            yield Ask(f"/work/s/{service.code}/export/{kind}?order=number", both=() if service.care else held)


def search(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The search, by each record's number and by a word of it."""
    for one in world.subjects:
        yield Ask(f"/work/search?q={one.number}", one, f"/work/r/{one.number}", f"/work/search?q={ABSENT}")
        word = sorted(text for text in one.telling if text.startswith("zq") and text in one.title)
        if word:
            yield Ask(f"/work/search?q={word[0]}", one, f"/work/r/{one.number}", "/work/search?q=zqzzzzz")


def plain(*ways: str) -> Way:
    """Return ways that name no record and may show any: the rule says which."""
    return lambda world, viewer: iter([Ask(way) for way in ways])


def calendars(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The viewer's own calendar."""
    yield Ask(f"/calendar/{token_of(renew(viewer.actor, 'zh-hans'))}.ics", secret=True)


def follows(after: str, data: Any = None) -> Way:
    """Return a resident's way to a record, without its code."""

    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for one in world.subjects:
            tail = after.format(file=one.file)
            yield Ask(f"/follow/{one.number}{tail}", None, "", f"/follow/{ABSENT}{tail}", data)

    return asks


def scans(world: World, viewer: Viewer) -> Iterator[Ask]:
    """A plate with a code that somebody made up."""
    for one in world.subjects:
        yield Ask(f"/q/{one.number}.WRONGCODE", one, "", f"/q/{ABSENT}.WRONGCODE")


def rights(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The page that says who sees a record and why: an administrator's, of what the own post sees."""
    for one in world.subjects:
        shown = one.number if viewer.role.code == "admin" else ""
        yield Ask(f"/work/rights/r/{one.number}", one, shown, f"/work/rights/r/{ABSENT}")


def accounts(world: World, viewer: Viewer) -> Iterator[Ask]:
    """The page of what an account may do."""
    yield Ask(f"/work/rights/a/{world.people.handler.account}")


WAYS: dict[str, Way] = {
    "work/": plain("/work/", "/work/?group=new", "/work/?group=rest"),
    "work/deadlines": plain("/work/deadlines", "/work/deadlines?as=csv", "/work/deadlines?group=open", "/work/deadlines?on=2026-01-05"),
    "work/map": plain("/work/map"),
    "work/map/points": plain("/work/map/points"),
    "work/search": search,
    "calendar/<str:token>.ics": calendars,
    "work/calendar": plain("/work/calendar"),
    "work/notices": plain("/work/notices", "/work/notices?kind=task"),
    "work/notices/unread": plain("/work/notices/unread"),
    "work/channels": plain("/work/channels"),
    "work/outgoing": plain("/work/outgoing"),
    "work/at": plain("/work/at"),
    "work/me": plain("/work/me"),
    "work/lend": plain("/work/lend"),
    "work/s/<slug:code>/": lists,
    "work/s/<slug:code>/new": parts,
    "work/s/<slug:code>/help": of_service("help"),
    "work/s/<slug:code>/plates": of_service("plates"),
    "work/s/<slug:code>/bulk": many,
    "work/s/<slug:code>/persons": by_phone("/work/s/{}/persons"),
    "work/s/<slug:code>/export/<slug:kind>": exports,
    "work/r/<str:number>": of_record("", lambda one: one.title),
    "work/r/<str:number>/qr": of_record("/qr", lambda one: one.number),
    "work/r/<str:number>/plate": of_record("/plate"),
    "work/r/<str:number>/do/<slug:code>": doing,
    "work/r/<str:number>/person/<uuid:key>": persons,
    "work/r/<str:number>/file/<uuid:key>": files,
    "work/places": plain("/work/places"),
    "work/agencies": plain("/work/agencies"),
    "work/posts": plain("/work/posts"),
    "work/rights": plain("/work/rights"),
    "work/routing": plain("/work/routing"),
    "work/rights/a/<int:key>": accounts,
    "work/rights/r/<str:number>": rights,
    "work/posts/import": plain("/work/posts/import"),
    "work/import": plain("/work/import"),
    "follow/<str:number>": follows(""),
    "follow/<str:number>/do/<slug:code>": follows("/do/rate"),
    "follow/<str:number>/mails": follows("/mails", {"do": "stop"}),
    "follow/<str:number>/file/<uuid:key>": follows("/file/{file}"),
    "follow/<str:number>/looks": follows("/looks"),
    "follow/<str:number>/looks.<slug:kind>": follows("/looks.csv"),
    "work/r/<str:number>/words": words,
    "q/<str:number>.<str:code>": scans,
    "": plain("/"),
    "report": plain("/report"),
    "services": plain("/services"),
    "ledger": plain("/ledger"),
    "ledger/checkpoint": plain("/ledger/checkpoint"),
    "places/below": plain("/places/below?place=1"),
    "map/base": plain("/map/base"),
    "api/search": lambda world, viewer: iter(
        [Ask(f"/api/search?q={one.number}", one, one.title, f"/api/search?q={ABSENT}") for one in world.subjects]
    ),
}  # fmt: skip
"""What is asked at each address. Those of a service's API are made of its declaration (``api_ways``)."""


def api_ways() -> dict[str, Way]:
    """Return the ways of every service's API."""
    made: dict[str, Way] = {}
    for code, service in services().items():
        made[f"api/{code}"] = _api_list(code)
        if service.phoned:
            made[f"api/{code}/persons"] = by_phone("/api/{}/persons", code)
        for tail in ("", "/history", "/files"):
            made[f"api/{code}/<number>{tail}"] = _api_read(code, tail)
        if dispatching(service):
            made[f"api/{code}/<number>/proposals"] = _api_read(code, "/proposals")
        made[f"api/{code}/<number>/files/<file>"] = _api_file(code)
        for action in service.procedure:
            if not action.creates:
                made[f"api/{code}/<number>/{action.code}"] = _api_act(code, action.code)
    return made


def _of(world: World, code: str) -> list[Subject]:
    return [one for one in world.subjects if one.service.code == code]


def _api_list(code: str) -> Way:
    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        held = tuple((one.number, one) for one in _of(world, code))
        if held:
            yield Ask(f"/api/{code}?limit=200", both=held)

    return asks


def _api_read(code: str, tail: str) -> Way:
    shown: dict[str, Callable[[Subject], str]] = {
        "": lambda one: one.number, "/history": lambda one: '"action":"note"', "/files": lambda one: str(one.file),
        "/proposals": lambda _: '"proposals":',
    }  # fmt: skip

    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for one in _of(world, code):
            yield Ask(f"/api/{code}/{one.number}{tail}", one, shown[tail](one), f"/api/{code}/{ABSENT}{tail}")

    return asks


def _api_file(code: str) -> Way:
    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        mine = next((one for one in world.seen(viewer.actor) if one.service.code == code), None)
        for one in _of(world, code):
            yield Ask(
                f"/api/{code}/{one.number}/files/{one.file}", one, one.file_word, f"/api/{code}/{ABSENT}/files/{NOBODY}"
            )
            if mine and not world.sees(viewer.actor, one):
                other = f"/api/{code}/{mine.number}/files/"
                yield Ask(f"{other}{one.file}", one, "", f"{other}{NOBODY}")
                yield Ask(f"{other}{quote(one.address, safe='')}", one, "", f"{other}{'0' * len(one.address)}")

    return asks


def _api_act(code: str, action: str) -> Way:
    def asks(world: World, viewer: Viewer) -> Iterator[Ask]:
        for one in _of(world, code):
            if world.sees(viewer.actor, one):
                continue
            for named, absent in ((one.number, ABSENT), (str(one.held.record), str(NOBODY))):
                body = {"form": {}, "version": 1}
                yield Ask(f"/api/{code}/{named}/{action}", one, "", f"/api/{code}/{absent}/{action}", body)

    return asks


@dataclass(frozen=True)
class Exempt:
    """A way that is not asked, and why nothing of a record can come out of it."""

    route: str
    reason: str = field(default="")


EXEMPT = (
    Exempt("report/done", "shows the number that this very session was told a moment ago"),
    Exempt("follow", "asks for number and code; tests/kernel/test_door.py: the code opens one record and nothing else"),
    Exempt("follow/forget", "empties the session's own codes"),
    Exempt("language", "sets the language of the session"),
    *(Exempt(f"signin{one}", "asks for a password or a phone's code; reads no record") for one in ("", "/code")),
    Exempt("signin/forgotten", "sends a link to an account's own address; tests/web/test_forgotten.py"),
    Exempt("signin/link/<str:secret>", "sets a password; the secret is an account's own"),
    Exempt("signin/outside", "sends the browser to the identity provider"),
    *(Exempt(f"signin/outside/{one}", "the identity provider's way back; reads no record") for one in ("back", "out")),
    Exempt("signout", "ends the session"),
    Exempt("unsubscribe/matter/<str:token>", "ends the mails of a secret link and names no matter; tests/web/test_told_by_mail.py"),
    Exempt("unsubscribe/<str:token>", "ends the mails of a secret link; tests/channels"),
    Exempt("work/post", "switches between the account's own posts"),
    *(Exempt(f"work/me/{one}", "changes the own password or second factor") for one in ("password", "code")),
    Exempt("work/lend/<int:post>", "tells of a delegation; what the delegate did is kernel.done_for, in test_leaks.py"),
    Exempt("work/lend/<int:post>/end", "ends a delegation"),
    Exempt("work/s/<slug:code>/views", "keeps the texts of the viewer's own filters"),
    Exempt("work/s/<slug:code>/views/<int:key>/drop", "drops one of the viewer's own filters"),
    *(Exempt(f"work/{one}", "an empty table, to be filled in") for one in ("posts/import/empty", "import/empty/<slug:name>")),
    Exempt("work/import/<int:key>", "the post's own import; test_leaks.py: another's is not there"),
    Exempt("work/import/<int:key>/quarantine", "the post's own rows that were refused; test_leaks.py: another's are not there"),
    Exempt("ledger/key", "public keys of the ledger"),
    Exempt("ledger/tile/<int:level>/<path:path>", "hashes of salted digests"),
    Exempt("health", "whether the database answers"),
    Exempt("api/openapi.json", "made of the declarations alone"),
    Exempt("api/docs", "a page that reads openapi.json"),
    Exempt("api/token", "asks for a password and reads no record"),
    Exempt("api/", "the API's root, which only docs and addresses are made of"),
    *(Exempt(f"api/problems{one}", "the kinds of refusals, in words") for one in ("", "/<kind>")),
)  # fmt: skip


def every_way() -> dict[str, Way]:
    """Return the ways that the matrix asks."""
    return WAYS | api_ways()
