"""Records found by a person's telephone number: for a purpose, written down first, of what one sees, and an oracle for nobody."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, transaction

from gongzhi.kernel import directory, erasure, rotation, seeking
from gongzhi.kernel.act import Done
from gongzhi.kernel.canonical import salted
from gongzhi.kernel.chronicle import line
from gongzhi.kernel.context import Actor, ContextError, acting, following
from gongzhi.kernel.history import timeline
from gongzhi.kernel.keys import keyed_hash
from gongzhi.kernel.looked import looked
from gongzhi.kernel.models import Disclosure, Party, Register
from gongzhi.kernel.parties import take
from gongzhi.kernel.refusals import Absent, Invalid, TooOften
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.search import find, numbered
from gongzhi.kernel.seeking import seek
from gongzhi.kernel.service import service
from tests.kernel.people import People
from tests.services.lab import owner_rows
from tests.services.pinned import counted

Make = Callable[..., Done]
REQUEST = service("request")


@pytest.fixture
def number(request: Any) -> str:
    """A mobile number that nobody else has."""
    return f"137{uuid4().int % 10**8:08}"


def searched(actor: Actor, phone: str, purpose: str = "contact") -> list[Any]:
    return seek(actor, REQUEST, phone, purpose)


def lines(actor: Actor) -> list[dict[str, Any]]:
    """Return what the lines of this post's searches say."""
    rows = owner_rows(
        "SELECT body FROM entry WHERE action = 'seek_person' AND post_id = %s ORDER BY record_id, seq", actor.post
    )
    return [orjson.loads(body) for (body,) in rows]


def whole_ledger() -> str:
    """Return everything that is kept of searches: entries, looks, counters."""
    return str(
        owner_rows("SELECT * FROM entry WHERE action IN ('seek_person', 'disclose')")
        + owner_rows("SELECT * FROM disclosure")
        + owner_rows("SELECT * FROM rate")
    )


@pytest.mark.parametrize("written", ["{}", "+86 {}", "0086{}", " {} ", "{:.3}-{:.0}", "wide"])
def test_who_answers_a_call_finds_the_callers_matters_however_the_number_is_written(
    crew: People, request_in: Make, number: str, written: str
) -> None:
    first, second = request_in("working", asker_phone=number), request_in("closed", asker_phone=f"+86 {number}")
    request_in("filed", asker_phone=f"{number[:-1]}{(int(number[-1]) + 1) % 10}")
    match written:
        case "wide":
            typed = number.translate({48 + digit: 0xFF10 + digit for digit in range(10)})
        case "{:.3}-{:.0}":
            typed = f"{number[:3]}-{number[3:7]}-{number[7:]}"
        case _:
            typed = written.format(number)
    assert searched(crew.operator, typed) == [second.record, first.record]


def test_it_is_written_down_first_and_the_person_reads_of_it(crew: People, request_in: Make, number: str) -> None:
    made = request_in("working", asker_name="周一", asker_phone=number)
    before = len(lines(crew.handler))
    assert searched(crew.handler, number, "verify") == [made.record]
    *_others, told = lines(crew.handler)
    assert len(lines(crew.handler)) == before + 1
    assert {name: told["set"][name] for name in ("service", "purpose", "by")} == {
        "service": "request", "purpose": "verify", "by": "phone",
    }  # fmt: skip
    [look] = looked(REQUEST, made.number, made.follow)
    assert (look.fields, look.role, look.code) == (["按电话查到这件事"], "承办人", "verify")
    assert look.purpose == str(REQUEST.reasons["verify"].title)
    with acting(crew.handler):
        shown = next(
            one for one in timeline(Register.objects.get(pk=made.record), crew.handler) if one.action == "disclose"
        )
        assert shown.title == "按电话查到了这件事"
        assert Disclosure.objects.filter(record=made.record).count() == 1
    with following(made.number, made.follow) as record:
        assert record is not None
        assert [one.who for one in timeline(record, None) if one.action == "disclose"] == [""]
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert report.findings == []


def test_a_search_that_finds_nothing_is_written_down_too(crew: People, number: str) -> None:
    before = len(lines(crew.operator))
    assert searched(crew.operator, number) == []
    assert len(lines(crew.operator)) == before + 1


def test_the_number_stands_nowhere_and_cannot_be_tried_against_what_is_kept(
    crew: People, request_in: Make, number: str, caplog: Any
) -> None:
    request_in("working", asker_phone=number)
    with caplog.at_level(logging.DEBUG):
        searched(crew.operator, number)
    index = keyed_hash("phone", number)
    kept = whole_ledger() + caplog.text
    assert not [secret for secret in (number, index.hex(), str(index)) if secret in kept]
    assert salted(index.hex(), b"\0" * 16) not in kept
    searched(crew.operator, number)
    *_others, one, two = lines(crew.operator)
    assert one["set"]["sought"] != two["set"]["sought"]  # two searches for one person are not known to be


def test_only_what_one_sees_is_found_and_a_hidden_matter_is_as_none(
    crew: People, request_in: Make, number: str
) -> None:
    made = request_in("working", asker_phone=number)
    assert searched(crew.handler, number) == [made.record]
    absent = f"136{number[3:]}"
    told = []
    for phone in (number, absent):
        with counted() as sent:
            assert searched(crew.other, phone) == []
        told.append(sent)
    assert told[0] == told[1]
    assert looked(REQUEST, made.number, made.follow)[0].agency  # the handler's, not the other's
    assert len(looked(REQUEST, made.number, made.follow)) == 1


@pytest.mark.parametrize("role", ["admin", "far_centre", "grid"])
def test_others_find_nothing_or_may_not_ask(crew: People, request_in: Make, number: str, role: str) -> None:
    request_in("working", asker_phone=number, place=crew.places["county"])
    actor = getattr(crew, role)
    if role == "admin":
        with pytest.raises(Absent):
            searched(actor, number)
    else:
        assert searched(actor, number) == []


@pytest.mark.parametrize(
    ("phone", "purpose", "wrong"),
    [
        ("", "contact", {"phone"}), ("12", "contact", {"phone"}), ("电话", "contact", {"phone"}), ("1" * 50, "contact", {"phone"}),
        ("138%", "contact", {"phone"}), ("13800001111", "", {"purpose"}), ("13800001111", "told", {"purpose"}),
        ("13800001111", "inquire", {"purpose"}), ("'; --", "curiosity", {"phone", "purpose"}), ("\ud800", "contact", {"phone"}),
    ],
)  # fmt: skip
def test_without_a_number_or_a_purpose_of_the_list_nothing_is_searched(
    crew: People, phone: str, purpose: str, wrong: set[str]
) -> None:
    before = len(lines(crew.manager))
    with pytest.raises(Invalid) as refused:
        searched(crew.manager, phone, purpose)
    assert refused.value.errors.keys() == wrong
    assert len(lines(crew.manager)) == before


def test_whoever_tries_numbers_out_is_slowed_down(crew: People, monkeypatch: Any) -> None:
    monkeypatch.setattr(seeking, "_TIMES", 0)
    before = len(lines(crew.centre))
    with pytest.raises(TooOften):
        searched(crew.centre, "13800001111")
    assert len(lines(crew.centre)) == before


def test_a_line_that_is_rolled_back_finds_nothing_and_one_line_finds_one_number(
    crew: People, request_in: Make, number: str
) -> None:
    made = request_in("working", asker_phone=number)
    actor, index, salt = crew.handler, keyed_hash("phone", number), b"s" * 16
    said = {"service": "request", "purpose": "contact", "by": "phone", "sought": salted(index.hex(), salt)}
    entry, now, body = line(actor.post, "seek_person", said)

    def ask(cursor: Any, post: int = actor.post) -> bool:
        cursor.execute("SELECT kernel.seek_person(%s, %s, %s, %s, 'request', 'contact')", [post, entry, now, body])
        return cursor.fetchone()[0] is not None

    def found(cursor: Any, index: bytes = index, post: int = actor.post, salt: bytes = salt) -> int:
        cursor.execute(
            "SELECT * FROM kernel.sought(%s, %s, %s, %s, now(), '{}', %s::uuid[], %s::uuid[])",
            [post, entry, index, salt, [uuid4()], [uuid4()]],
        )
        return len(cursor.fetchall())

    with transaction.atomic(), connection.cursor() as cursor:
        assert ask(cursor)
        assert found(cursor) == 0  # not committed
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        assert found(cursor) == 0  # never was
        assert not ask(cursor, crew.admin.post)
        assert ask(cursor)
        assert found(cursor, keyed_hash("phone", "13800001111")) == 0  # another number
        assert found(cursor, salt=b"t" * 16) == 0
        assert found(cursor, post=crew.operator.post) == 0  # another's line
    with transaction.atomic(), connection.cursor() as cursor:
        assert found(cursor) == 1
        transaction.set_rollback(True)
    assert looked(REQUEST, made.number, made.follow) == []  # that look is lost, the line of the search is not
    assert lines(actor)[-1]["id"] == str(entry)
    with transaction.atomic(), pytest.raises(ContextError):
        searched(actor, number)


def test_a_look_by_a_search_opens_no_field(crew: People, request_in: Make, number: str) -> None:
    made = request_in("working", asker_name="周一", asker_phone=number)
    searched(crew.handler, number)
    with acting(crew.handler):
        look = Disclosure.objects.get(record=made.record)
        assert look.party_id == Party.objects.get(record=made.record).pk
    assert take(crew.handler, look.pk) == {}


def test_after_the_masters_are_rotated_it_still_finds_and_after_erasure_no_more(
    crew: People, request_in: Make, number: str
) -> None:
    made = request_in("closed", asker_phone=number)
    rotation.rotate(wait=0)
    later = request_in("working", asker_phone=number)
    assert searched(crew.operator, number) == [later.record, made.record]
    for master in rotation.masters():
        if not master.current:
            rotation.drop(master.id)
    assert searched(crew.operator, number) == [later.record, made.record]
    erasure.erase(made.number, "person")
    assert searched(crew.operator, number) == [later.record]
    assert owner_rows("SELECT phone_index FROM party WHERE record_id = %s", made.record) == [(None,)]


def test_several_persons_with_one_number_make_one_look_at_the_one_who_asked(
    crew: People, request_in: Make, number: str, owner: Any
) -> None:
    made = request_in("working", asker_phone=number)
    with owner.cursor() as cursor:
        cursor.execute(
            "INSERT INTO party (id, record_id, role, known, key, phone, phone_index) SELECT %s, record_id, 'neighbour', known, "
            "key, phone, phone_index FROM party WHERE record_id = %s", ["00000000-0000-7000-8000-000000000001", made.record],
        )  # fmt: skip
    assert searched(crew.operator, number) == [made.record]
    assert len(looked(REQUEST, made.number, made.follow)) == 1


def test_the_newest_are_found_and_not_more_than_the_most(
    crew: People, request_in: Make, number: str, monkeypatch: Any
) -> None:
    made = [request_in("filed", asker_phone=number).record for _ in range(4)]
    monkeypatch.setattr(seeking, "MOST", 3)
    assert searched(crew.operator, number) == made[:0:-1]


def test_numbers_in_free_text_are_found_by_no_words(crew: People, request_in: Make, number: str) -> None:
    made = request_in("working", detail=f"电话 {number} 的井盖丢了，靠近金鸡饭店")
    with acting(crew.operator):
        assert [record.pk for record in find(crew.operator, "金鸡饭店")] == [made.record]
        assert find(crew.operator, number) == []
        assert find(crew.operator, f"金鸡饭店 {number}") == []
        assert numbered(f"请打{number}")
        assert not numbered(made.number)


def test_administrators_do_not_read_of_it_among_the_changes(crew: People, number: str) -> None:
    searched(crew.operator, number)
    assert "seek" not in str(directory.changes(crew.admin, 20))
