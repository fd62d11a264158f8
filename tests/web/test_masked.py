"""A rare phone, identity card, address and name, planted in persons and in texts, are in nothing that leaves the platform."""

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from gongzhi.home import home
from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.masking import MaskedLines
from gongzhi.kernel.models import Disclosure, Party
from gongzhi.kernel.plates import plate_code
from gongzhi.kernel.service import services
from gongzhi.kernel.vault import Upload
from gongzhi.kernel.worker import tick
from tests.web.machines import Machine
from tests.web.test_console import text
from tests.web.test_portal import follower

NAME = "欧阳翡翠"
PHONE, IDENTITY, MAIL = "13912345679", "320802199001011234", "feicui.ouyang@example.org"
SECRETS = (NAME, PHONE, IDENTITY, MAIL)
WORDS = f"请打{PHONE}，身份证{IDENTITY}，邮箱{MAIL}。"
LOGINS = ("operator", "zjj", "manager", "admin", "grid")
MOST = 400
"""Pages that one person's walk may have; more of them means that links go in a circle."""


def leaks(content: str) -> list[str]:
    return [secret for secret in SECRETS if secret in content]


@pytest.fixture(scope="module")
def planted(city: Any, actor: Any, ids: Any) -> dict[str, Any]:
    """Records of every service with the secrets in their persons and in all of their texts."""
    from gongzhi.kernel.context import follow_code, portal_actor

    operator, handler, grid, manager = (actor(login) for login in ("operator", "zjj", "grid", "manager"))
    form = {"detail": f"{WORDS}路灯不亮。", "title": f"找{PHONE}", "address": f"3 栋 {PHONE}", "asker_name": NAME,
            "asker_phone": PHONE, "asker_mail": MAIL, "place": grid.place, "point": "119.02,33.6"}  # fmt: skip
    done = act(portal_actor(), "request", "file", form=form)
    assigned = {"agency": ids[0]["zjj"], "category": "build", "note": WORDS}
    done = act(operator, "request", "assign", record=done.record, version=done.version, form=assigned)
    act(operator, "request", "note", record=done.record, form={"note": WORDS})
    act(handler, "request", "task", record=done.record, form={"task": f"打{PHONE}", "task_days": 3})
    upload = Upload(f"通话 {PHONE}.txt", WORDS.encode())
    act(handler, "request", "attach", record=done.record, form={"note": WORDS}, files=[upload])
    act(
        manager,
        "request",
        "hold",
        record=done.record,
        form={"reason": WORDS, "held_until": f"{timezone.localdate():%Y-%m-%d}"},
    )
    done = act(handler, "request", "accept", record=done.record, version=done.version)
    done = act(handler, "request", "pause", record=done.record, version=done.version, form={"reason": WORDS})
    done = act(handler, "request", "resume", record=done.record, version=done.version)
    done = act(handler, "request", "answer", record=done.record, version=done.version, form={"answer": WORDS})
    house = {"address": f"健康西路 1 号 {PHONE}", "use": "home", "place": grid.place, "owner_name": NAME, "owner_phone": PHONE,
             "remark": WORDS, "safety_grade": "A", "graded_on": "2026-05-01"}  # fmt: skip
    known = services()["house"]
    house = {name: value for name, value in house.items() if name in known.form(known.creating).fields}
    made = act(grid, "house", "enter", form=house)
    plan = {"theme": "fire", "planned_on": f"{timezone.localdate():%Y-%m-%d}", "scope": WORDS, "place": grid.place}
    tour = act(grid, "inspection", "plan", form=plan)
    act(grid, "inspection", "start", record=tour.record, version=tour.version)
    found = {"what": WORDS, "theme": "fire", "gravity": "grave", "spot": PHONE, "agency": ids[0]["zjj"],
             "place": grid.place, "whole": tour.number}  # fmt: skip
    finding = act(grid, "finding", "find", form=found)
    act(actor("zjj"), "finding", "mend", record=finding.record, version=finding.version, form={"measure": WORDS})
    tick()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM party WHERE name IS NOT NULL")
        assert cursor.fetchone()[0] >= 2
    numbers = [one.number for one in (done, made, tour, finding)]
    return {"numbers": numbers, "request": done, "follow": follow_code(done.record.bytes), "house": made.number}


def walk(client: Client, starts: list[str]) -> Iterator[tuple[str, Any, bytes]]:
    """Open every page that a link leads to, from these on, each once; of a page with other values in its query, one."""
    seen, waiting, kinds = set(starts), list(starts), set[Any]()
    while waiting:
        way = waiting.pop(0)
        answer = client.get(way)
        body = b"".join(answer.streaming_content) if getattr(answer, "streaming", False) else answer.content
        yield way, answer, body
        if not answer.get("Content-Type", "").startswith("text/html"):
            continue
        for link in re.findall(r'(?:href|action|hx-get|data-url)="([^"#]+)', body.decode()):
            there = urljoin(way, link.replace("&amp;", "&"))
            parts = urlsplit(there)
            kind = (parts.path, *sorted(dict(parse_qsl(parts.query)))) if parts.query else there
            if parts.netloc or not there.startswith("/work") or there in seen or kind in kinds:
                continue
            kinds.add(kind)
            seen.add(there)
            waiting.append(there)


def content(answer: Any, body: bytes | None = None) -> str:
    """Return what an answer says, also inside a workbook, and in its headers."""
    body = answer.content if body is None else body
    headers = " ".join(f"{name}: {value}" for name, value in answer.headers.items())
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            body = b"\n".join(packed.read(name) for name in packed.namelist())
    return unquote(headers) + body.decode("utf-8", "replace")


@pytest.mark.parametrize("login", LOGINS)
def test_every_page_that_a_link_leads_to(planted: Any, at_desk: Any, login: str) -> None:
    starts = [
        "/work/",
        "/work/search?q=路灯",
        "/work/map/points?bbox=100,20,130,50",
        "/work/notices",
        "/work/deadlines?group=late",
    ]
    starts += [f"/work/s/{code}/" for code in services()]
    starts += [f"/work/s/{code}/export/{kind}" for code in services() for kind in ("csv", "xlsx")]
    starts += [f"/work/r/{number}" for number in planted["numbers"]]
    visited, masks, wrong = 0, 0, {}
    for way, answer, body in walk(at_desk(login), starts):
        visited += 1
        assert visited < MOST, way
        assert answer.status_code in (200, 302, 404, 405, 422), way
        if "/file/" in way:
            continue  # an attachment is its own content, opened one by one
        said = content(answer, body)
        masks += "139****5679" in said
        if found := leaks(said):
            wrong[way] = found
    assert wrong == {}
    assert visited > 30
    assert masks > 5


def test_nothing_was_disclosed_meanwhile(planted: Any, actor: Any) -> None:
    with acting(actor("manager")):
        assert not Disclosure.objects.filter(record=planted["request"].record).exists()
        assert Party.objects.filter(record=planted["request"].record).exists()


@pytest.mark.parametrize("login", LOGINS)
def test_every_answer_of_the_api(planted: Any, login: str) -> None:
    machine = Machine(login)
    ways = ["/me", "/search?q=路灯", f"/search?q={planted['numbers'][0]}", "/openapi.json"]
    document = machine.get("/openapi.json").json()
    for path in document["paths"]:
        if "get" in document["paths"][path] and path.startswith("/api/"):
            ways += [path.removeprefix("/api").replace("{number}", number) for number in planted["numbers"]]
    wrong = {}
    for way in dict.fromkeys(ways):
        if "{" not in way and (found := leaks(content(machine.get(way)))):
            wrong[way] = found
    assert wrong == {}
    assert len(set(ways)) > 15


def test_the_portal_tells_strangers_nothing_and_the_holder_what_was_typed(planted: Any) -> None:
    house = planted["house"]
    for way in ("/", "/services", "/follow", "/ledger", f"/q/{house}.{plate_code(house)}", f"/q/{house}.WRONG"):
        assert leaks(content(Client().get(way))) == [], way
    number = planted["request"].number
    assert leaks(content(Client().get(f"/follow/{number}"))) == []
    client = follower(number, planted["follow"])
    page = content(client.get(f"/follow/{number}"))
    assert WORDS in page  # the holder's own words, and the answer to them
    assert NAME not in page
    assert MAIL in page
    for kind in ("", ".csv", ".json"):
        assert leaks(content(client.get(f"/follow/{number}/looks{kind}"))) == []


def test_the_calendar(planted: Any, actor: Any) -> None:
    from gongzhi.web.feed import renew, token_of

    for login in ("zjj", "grid", "operator"):
        answer = Client().get(f"/calendar/{token_of(renew(actor(login), 'zh-hans'))}.ics")
        assert answer.status_code == 200
        assert leaks(content(answer).replace("\r\n ", "")) == []


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the loggers of the settings write meanwhile, in their own format."""
    written = io.StringIO()
    for name in ("django", "gongzhi"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler.formatter, MaskedLines):  # not pytest's own
                monkeypatch.setattr(handler, "stream", written)
    return written


def test_a_failure_tells_neither_the_reader_nor_the_log(
    planted: Any, at_desk: Any, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses a row and quotes it, in a page and in the API."""

    def fall(*_: Any, **__: Any) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE request SET rating = 'no-such' WHERE record_id = %s", [planted["request"].record])
        raise AssertionError("the database took it")

    client, machine = at_desk("zjj"), Machine("zjj")
    client.raise_request_exception = machine.client.raise_request_exception = False
    for module in ("gongzhi.web.console.record", "gongzhi.web.api.routes"):
        monkeypatch.setattr(f"{module}.timeline", fall)
    number = planted["request"].number
    answers = [client.get(f"/work/r/{number}"), machine.get(f"/request/{number}/history")]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert all("Traceback" not in text(answer) and leaks(text(answer)) == [] for answer in answers)
    said = lines.getvalue()
    assert "Traceback" in said
    assert "violates check constraint" in said
    assert leaks(said) == []
    assert "请打" not in said


def test_the_database_server_logs_no_row(planted: Any, server: Any) -> None:
    log = Path(home()) / "postgres" / "server.log"
    if not log.exists():
        log = server.log
    assert leaks(log.read_text(encoding="utf-8", errors="replace")) == []


def test_the_words_are_shown_for_a_purpose(planted: Any, at_desk: Any) -> None:
    number = planted["request"].number
    client = at_desk("zjj")
    page = text(client.get(f"/work/r/{number}"))
    assert f'href="/work/r/{number}/words"' in page
    assert leaks(text(client.get(f"/work/r/{number}/words"))) == []
    refused = client.post(f"/work/r/{number}/words", {"purpose": "nothing"})
    assert (refused.status_code, leaks(text(refused))) == (422, [])
    shown = client.post(f"/work/r/{number}/words", {"purpose": "contact"})
    assert shown["Cache-Control"] == "no-store"
    assert text(shown).count(WORDS) >= 2
    assert at_desk("admin").get(f"/work/r/{number}/words").status_code == 404
    assert at_desk("cgj").get(f"/work/r/{number}/words").status_code == 404
    assert "查看了个人信息" in text(client.get(f"/work/r/{number}"))
