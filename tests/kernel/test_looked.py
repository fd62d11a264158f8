"""Purposes of a list with their rule, looks under a seal that ends, and the log of them that the person reads."""

import gzip
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from time import sleep
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.utils import timezone, translation

from gongzhi.kernel import purposes
from gongzhi.kernel.act import Done
from gongzhi.kernel.context import Actor, acting, clock_actor, following
from gongzhi.kernel.history import timeline
from gongzhi.kernel.looked import looked, plain, table
from gongzhi.kernel.models import Agency, Disclosure, Entry, Party
from gongzhi.kernel.pack import PackError
from gongzhi.kernel.parties import ask, choices, take
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.seals import merkle, proofs
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.service import service
from tests.kernel.people import People

Make = Callable[..., Done]
NOTE = "电话里没听清门牌号"


@pytest.fixture
def matter(crew: People, request_in: Make) -> tuple[Done, Any]:
    """A matter in work, and the party in it."""
    made = request_in("working", asker_name="周一", asker_phone="13800001111")
    with acting(crew.handler):
        return made, Party.objects.get(record_id=made.record).pk


def read(made: Done) -> list[Any]:
    return looked(service("request"), made.number, made.follow)


def agency(pk: int) -> str:
    return str(Agency.objects.get(pk=pk).title)


def days(count: int) -> date:
    return timezone.localdate() + timedelta(days=count)


def longest() -> int:
    return service("request").reasons["inquire"].sealed


def by_hand(actor: Actor, party: Any, purpose: str, fields: str = "name", until: Any = None) -> bool:
    """Ask the database itself, past the checks of the code."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kernel.ask(%s, %s, %s, %s, now(), %s, %s, '{}', NULL, %s)",
            [actor.post, party, uuid4(), uuid4(), purpose, fields, until],
        )
        return bool(cursor.fetchone()[0])


def test_the_person_reads_who_looked_at_what_when_why_and_by_which_rule(crew: People, matter: Any) -> None:
    made, party = matter
    assert read(made) == []
    before = timezone.now()
    assert take(crew.handler, ask(crew.handler, party, "contact", ["phone"], note=NOTE)) == {"phone": "13800001111"}
    ask(crew.manager, party, "verify")
    second, first = read(made)
    assert before < first.at < second.at
    assert (first.agency, first.role, first.fields) == (agency(crew.handler.agency), "承办人", ["电话"])
    assert first.purpose == str(service("request").reasons["contact"].title)
    assert first.basis == service("request").reasons["contact"].basis.cited
    assert (second.role, second.fields, second.sealed_until) == ("督办员", ["姓名", "电话"], None)
    whole = str((plain([first, second]), list(table([first, second]))))
    assert not any(secret in whole for secret in ("t-handler", "t-manager", NOTE, "周一", "13800001111"))


def test_it_answers_to_the_code_of_the_matter_and_to_no_other(crew: People, matter: Any, request_in: Make) -> None:
    made, party = matter
    ask(crew.handler, party, "contact")
    other = request_in("filed", asker_name="别人")
    assert len(read(made)) == 1
    for number, code in (
        (made.number, other.follow), (made.number, ""), (made.number, "AAAA-AAAA-AAAA"), (other.number, made.follow),
        ("SQ2026999999", made.follow), ("", ""), ("目录", made.follow),
    ):  # fmt: skip
        assert looked(service("request"), number, code) == []


def test_looks_at_somebody_else_in_the_matter_are_not_the_holders(crew: People, matter: Any, owner: Any) -> None:
    made, party = matter
    with owner.cursor() as cursor:
        cursor.execute(
            "INSERT INTO party (id, record_id, role, known, key, name) "
            "SELECT %s, record_id, 'neighbour', 'name', key, name FROM party WHERE id = %s RETURNING id",
            [uuid4(), party],
        )
        neighbour = cursor.fetchone()[0]
    ask(crew.handler, neighbour, "contact")
    assert read(made) == []
    with following(made.number, made.follow) as record:
        assert record is not None
        assert not Disclosure.objects.exists()
        assert [line for line in timeline(record, None) if line.action == "disclose"] == []


def test_a_proof_withholds_a_look_under_a_seal(crew: People, matter: Any, tmp_path: Any) -> None:
    """Neither proof nor export tells of it, both are checked all the same; who asks by name gets it, and so does everybody later."""
    made, party = matter
    look = ask(crew.manager, party, "inquire", ["name"], until=days(3))
    ask(crew.handler, party, "contact", ["phone"])
    seal()
    keys = seal_keys().verifiers
    proof = proofs.prove(made.number)
    shown = proofs.check(proof, keys)
    assert (shown.withheld, [line["seq"] for line in shown.lines]) == (1, ["1", "2", "3", "5"])
    path = tmp_path / "ledger.gz"
    assert proofs.export(path).size == proofs.check_export(path, keys).size
    with acting(crew.manager):
        entry = Entry.objects.get(record_id=made.record, seq=4)
    told = str(proof) + gzip.decompress(path.read_bytes()).decode()
    for secret in ("inquire", str(look), str(entry.pk), f'"post":{crew.manager.post},"purpose"', entry.hash.hex()):
        assert (secret in told) == (secret == entry.hash.hex()), (
            secret
        )  # the hash of it is where the next line goes on from
    whole = proofs.prove(made.number, sealed=True)
    assert str(look) in str(whole)
    assert (proofs.check(whole, keys).withheld, len(proofs.check(whole, keys).lines)) == (0, 5)
    other = tmp_path / "sealed.gz"
    assert proofs.export(other, sealed=True).size == proofs.check_export(other, keys).size
    assert str(look) in gzip.decompress(other.read_bytes()).decode()
    for wrong in (
        {**proof, "entries": [one for one in proof["entries"] if "withheld" not in one]},
        {
            **proof,
            "entries": [{**one, "withheld": "00" * 32} if "withheld" in one else one for one in proof["entries"]],
        },
        {**proof, "entries": [{**one, "withheld": "00"} if "withheld" in one else one for one in proof["entries"]]},
        {**proof, "entries": [proof["entries"][0], *proof["entries"][3:]]},
        {**proof, "entries": proof["entries"][3:]},  # its beginning left out, behind what is withheld
    ):
        with pytest.raises(merkle.ProofError):
            proofs.check(wrong, keys)


def test_a_look_under_a_seal_is_told_when_the_seal_ends(crew: People, matter: Any) -> None:
    made, party = matter
    assert take(crew.manager, ask(crew.manager, party, "inquire", ["name"], until=days(longest()))) == {"name": "周一"}
    assert read(made) == []
    with following(made.number, made.follow) as record:
        assert record is not None
        assert not Disclosure.objects.exists()
        assert not Entry.objects.filter(action="disclose").exists()
        assert [line for line in timeline(record, None) if line.action == "disclose"] == []
    with acting(crew.handler):
        record = Party.objects.select_related("record").get(pk=party).record
        line = next(line for line in timeline(record, crew.handler) if line.action == "disclose")
        assert line.who == "t-manager"
        assert any(label == "告知本人" for label, _ in line.facts)
    assert by_hand(crew.manager, party, "inquire", until=timezone.now() + timedelta(seconds=1))
    assert read(made) == []
    sleep(1.2)
    told = read(made)
    assert [look.code for look in told] == ["inquire"]
    assert told[0].sealed_until is not None
    with following(made.number, made.follow) as record:
        assert record is not None
        assert [line.action for line in timeline(record, None)].count("disclose") == 1


def test_a_seal_has_an_end_that_its_purpose_allows(crew: People, matter: Any) -> None:
    _made, party = matter
    for until in (None, days(0), days(-1), date.min, date.max, days(longest() + 1)):
        with pytest.raises(Invalid) as refused:
            ask(crew.manager, party, "inquire", until=until)
        assert list(refused.value.errors) == ["until"]
    with pytest.raises(Invalid):
        ask(crew.manager, party, "contact", until=days(3))
    with pytest.raises(Invalid):
        ask(crew.handler, party, "inquire", until=days(3))
    now = timezone.now()
    for actor, purpose, until in (
        (crew.manager, "inquire", None), (crew.manager, "inquire", now), (crew.manager, "inquire", now + timedelta(days=400)),
        (crew.manager, "contact", now + timedelta(days=3)), (crew.handler, "inquire", now + timedelta(days=3)),
    ):  # fmt: skip
        assert not by_hand(actor, party, purpose, until=until)
    assert by_hand(crew.manager, party, "inquire", until=now + timedelta(days=longest()))


def test_the_database_refuses_a_purpose_that_the_service_does_not_declare(crew: People, matter: Any) -> None:
    _made, party = matter
    for purpose in ("curiosity", "", "danger", "told", "CONTACT", "contact "):
        assert not by_hand(crew.handler, party, purpose)
        with pytest.raises(Invalid):
            ask(crew.handler, party, purpose, note="因为我想看")
    assert not by_hand(crew.admin, party, "contact")
    assert not by_hand(clock_actor(), party, "contact", "mail")
    assert not by_hand(crew.handler, party, "contact", "mail")
    assert by_hand(crew.handler, party, "contact")


def test_words_of_ones_own_are_for_colleagues_and_stand_sealed(crew: People, matter: Any) -> None:
    made, party = matter
    ask(crew.handler, party, "contact", note=f"  {NOTE} ")
    with acting(crew.handler):
        entry = Entry.objects.get(record_id=made.record, action="disclose")
        assert NOTE not in entry.body
        line = timeline(Party.objects.select_related("record").get(pk=party).record, crew.handler)[0]
    assert line.words == [("补充说明", NOTE)]
    with following(made.number, made.follow) as record:
        assert record is not None
        line = next(line for line in timeline(record, None) if line.action == "disclose")
        assert (line.words, line.who) == ([], "")
    for note in ("长" * 201, "a\x00b", "\ud800"):
        with pytest.raises(Invalid) as refused:
            ask(crew.handler, party, "contact", note=note)
        assert list(refused.value.errors) == ["note"]
    assert len(read(made)) == 1


def test_the_ledger_verifies_with_looks_in_it(crew: People, matter: Any) -> None:
    made, party = matter
    ask(crew.handler, party, "contact", note=NOTE)
    ask(crew.manager, party, "inquire", until=days(2))
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert [found for found in report.findings if found.number == made.number] == []


def test_looks_of_a_release_before_are_read_on(crew: People, matter: Any, owner: Any) -> None:
    made, party = matter
    ask(crew.handler, party, "contact")
    with owner.cursor() as cursor:
        cursor.execute(
            "INSERT INTO disclosure (id, party_id, record_id, post_id, account_id, agency_id, purpose, fields, at) "
            "SELECT %s, party_id, record_id, post_id, account_id, agency_id, 'once_declared', fields, at - interval '1 day' "
            "FROM disclosure WHERE party_id = %s",
            [uuid4(), party],
        )
    look = read(made)[1]
    assert (look.purpose, look.basis, look.sealed_until) == ("once_declared", "", None)


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that gives the city's pack another purposes.toml."""

    def forget() -> None:
        for remembered in (purposes._said, purposes.of_city):
            remembered.cache_clear()
        for declared in (service("request"), service("house")):
            vars(declared).pop("reasons", None)

    def say(text: str) -> None:
        monkeypatch.setattr(purposes, "pack_text", lambda _city, _name: text)
        forget()

    yield say
    monkeypatch.undo()
    forget()


def test_the_city_adds_purposes_and_says_another_rule(crew: People, pack: Callable[[str], None]) -> None:
    pack(
        '[[request]]\ncode = "census"\ntitle = "人口普查"\nen = "Census"\nlaw = "全国人口普查条例"\narticle = 4\n'
        'by = ["grid"]\n[[request]]\ncode = "contact"\ntitle = "联系"\n'
    )
    declared = service("request")
    assert "census" in {one.code for one in choices(declared, crew.grid)}
    assert "census" not in {one.code for one in choices(declared, crew.handler)}
    assert (str(declared.reasons["contact"].title), declared.reasons["contact"].basis.cited) == ("联系", "本市规定")
    assert str(declared.reasons["census"].basis) == "《全国人口普查条例》第4条"
    with translation.override("en"):
        assert str(declared.reasons["census"].title) == "Census"
    assert "('request', 'census', 'grid', 0, '《全国人口普查条例》第4条')" in purposes.purpose_rows(
        {"request": declared}
    )
    assert "reply" in declared.reasons


@pytest.mark.parametrize(
    "text",
    [
        "[[request]", '[[request]]\ntitle = "没有代码"', '[[request]]\ncode = "a"', '[[request]]\ncode = "told"\ntitle = "一"',
        '[[request]]\ncode = "a"\ntitle = "一"\nby = ["admin"]', '[[request]]\ncode = "a"\ntitle = "一"\nby = ["nobody"]',
        '[[request]]\ncode = "a"\ntitle = "一"\nsealed = 30', '[[request]]\ncode = "a b"\ntitle = "一"',
        '[[request]]\ncode = "a"\ntitle = "一"\nlaw = "某法"', '[[request]]\ncode = "a"\ntitle = "一"\nby=["manager"]\nsealed = 999',
        "request = 3", 'request = ["a"]',
    ],
)  # fmt: skip
def test_a_purpose_that_is_none_stops_the_start(pack: Callable[[str], None], text: str) -> None:
    pack(text)
    with pytest.raises(PackError, match=r"purposes\.toml"):
        purposes.of_city("request")


def test_a_look_is_of_now(crew: People, matter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes his own code dates no look: before the day somebody asks about, or so that it never ends."""
    made, party = matter
    now = timezone.now()
    for off in (timedelta(days=-9), timedelta(days=9)):
        with monkeypatch.context() as clock:
            clock.setattr("gongzhi.kernel.parties.timezone.now", lambda off=off: now + off)
            with pytest.raises(Absent):
                ask(crew.handler, party, "contact")
    assert read(made) == []


def test_a_look_in_a_transaction_that_ends_otherwise_leaves_nothing(crew: People, matter: Any) -> None:
    made, party = matter
    with pytest.raises(Absent):
        ask(crew.other, party, "contact", note=NOTE)
    assert read(made) == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM disclosure WHERE party_id = %s", "UPDATE disclosure SET sealed_until = 'infinity' WHERE party_id = %s",
        "UPDATE disclosure SET purpose = 'reply' WHERE party_id = %s", "UPDATE disclosure SET fields = 'phone' WHERE party_id = %s",
        "UPDATE disclosure SET agency_id = agency_id + 1 WHERE party_id = %s", "UPDATE disclosure SET post_id = post_id + 1 WHERE party_id = %s",
        "UPDATE disclosure SET account_id = account_id + 1 WHERE party_id = %s", "UPDATE disclosure SET at = at - interval '9 days' WHERE party_id = %s",
    ],
)  # fmt: skip
def test_a_look_that_was_hidden_behind_its_entry_is_found(
    crew: People, matter: Any, owner: Any, server: Any, change: str
) -> None:
    """By whoever has the database's master rights: nobody else changes a row of the list."""
    made, party = matter
    ask(crew.handler, party, "contact", ["name"])
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
    with psycopg.connect(server.url(name)) as root:
        root.execute("ALTER TABLE disclosure DISABLE TRIGGER ALL")
        root.execute(change.replace("'infinity'", "now() + interval '9 years'"), [party])
        root.execute("ALTER TABLE disclosure ENABLE TRIGGER ALL")
    seal()
    report = verify(seal_keys().verifiers)
    replay(report)
    assert [found.detail for found in report.findings if found.number == made.number] == ["disclosures"]
