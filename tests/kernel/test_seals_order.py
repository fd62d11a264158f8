"""What a seal waits for, what it takes in, and in which order; chains of several algorithms."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connections

from gongzhi.cli import worker
from gongzhi.kernel import canonical
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.models import Entry
from gongzhi.kernel.seals import sealing
from gongzhi.kernel.seals.findings import Report
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.postgres.server import Server
from tests.kernel.people import People

Make = Callable[..., Done]


@pytest.fixture
def superuser(server: Server, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url(database)) as held:
        yield held
        held.rollback()


def check() -> Report:
    return verify(seal_keys().verifiers)


def kinds(report: Report) -> list[str]:
    return sorted({found.kind for found in report.findings})


def order() -> list[Any]:
    """The entries in the order of their positions."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT entry_id FROM leaf ORDER BY pos")
        return [row[0] for row in cursor.fetchall()]


def entries_of(done: Done) -> list[Any]:
    return list(Entry.objects.using("owner").filter(record_id=done.record).order_by("seq").values_list("pk", flat=True))


def test_a_seal_waits_for_who_began_before_and_loses_nothing(
    crew: People, request_in: Make, superuser: psycopg.Connection
) -> None:
    """An act that began first and ends last: what was committed meanwhile waits, then comes behind it."""
    slow = request_in("working")
    sealing.seal()
    before = order()
    superuser.execute("SELECT FROM register WHERE id = %s FOR UPDATE", [slow.record])
    with ThreadPoolExecutor(1) as office:
        late = office.submit(_note, crew, slow)
        _until_somebody_waits(superuser)
        quick = request_in("filed")
        worker._seal()
        assert order() == before
        superuser.commit()
        late.result()
    worker._seal()
    after = order()
    assert after[: len(before)] == before
    assert after[len(before) :] == [entries_of(slow)[-1], *entries_of(quick)]
    request_in("filed")
    sealing.seal()
    assert order()[: len(after)] == after
    report = check()
    assert (report.findings, report.sealed) == ([], report.entries)


def _note(crew: People, done: Done) -> None:
    try:
        act(crew.handler, "request", "note", record=done.record, form={"note": "来得晚"})
    finally:
        connections.close_all()


def _until_somebody_waits(held: psycopg.Connection) -> None:
    for _ in range(200):
        row = held.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        if row.fetchone() != (0,):
            return
        held.execute("SELECT pg_sleep(0.05)")
    pytest.fail("nobody waits for the row")


def _added(held: psycopg.Connection, done: Done) -> None:
    """What a superuser can put in today: an entry that goes on from the last one, under a transaction of now."""
    held.execute("SET session_replication_role = replica")
    held.execute(
        """
        INSERT INTO entry (id, record_id, seq, at, recorded_at, post_id, account_id, agency_id, action, stage_from, stage_to,
                           version, alg, body, hash, xid)
        SELECT gen_random_uuid(), record_id, seq + 1, at, recorded_at, post_id, account_id, agency_id, 'note', stage_to,
               stage_to, version + 1, alg, body, sha256(hash || convert_to(body, 'UTF8')), pg_current_xact_id()::text::bigint
        FROM entry WHERE record_id = %s ORDER BY seq DESC LIMIT 1""",
        [done.record],
    )


def _taken_back(held: psycopg.Connection, done: Done, entries: int, head: bytes) -> None:
    held.execute("SET session_replication_role = replica")
    held.execute("ALTER TABLE entry DISABLE TRIGGER entry_append_only")
    held.execute("DELETE FROM entry WHERE record_id = %s AND seq > %s", [done.record, entries])
    held.execute(
        "UPDATE register SET entries = %s, version = %s, head = %s WHERE id = %s", [entries, entries, head, done.record]
    )
    held.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_append_only")
    held.commit()


def test_an_entry_added_today_behind_the_door(request_in: Make, superuser: psycopg.Connection) -> None:
    """No seal is broken, it is newer than all: the record's head tells it, and where that was set too, the replay."""
    done = request_in("closed")
    sealing.seal()
    row = superuser.execute("SELECT entries, head FROM register WHERE id = %s", [done.record]).fetchone()
    assert row is not None
    try:
        _added(superuser, done)
        superuser.commit()
        report = check()
        assert kinds(report) == ["head"]
        assert report.findings[0].number == done.number
        superuser.execute(
            "UPDATE register r SET entries = e.seq, version = e.version, head = e.hash FROM entry e "
            "WHERE r.id = %s AND e.record_id = r.id AND e.seq = r.entries + 1",
            [done.record],
        )
        superuser.commit()
        report = check()
        assert report.ok
        replay(report)
        assert [(found.kind, found.number) for found in report.findings] == [("state", done.number)]
    finally:
        _taken_back(superuser, done, *row)


def test_no_seal_is_needed_to_tell_a_name_that_only_ends_like_an_algorithm(
    request_in: Make, superuser: psycopg.Connection
) -> None:
    done = request_in("closed")
    superuser.execute("ALTER TABLE entry DISABLE TRIGGER entry_append_only")
    superuser.execute("UPDATE entry SET alg = 'xsha256' WHERE record_id = %s AND seq = 3", [done.record])
    superuser.commit()
    report = check()
    superuser.execute("UPDATE entry SET alg = 'sha256' WHERE record_id = %s AND seq = 3", [done.record])
    superuser.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_append_only")
    superuser.commit()
    assert kinds(report) == ["body"]
    assert (report.findings[0].number, report.findings[0].seq) == (done.number, 3)


@pytest.mark.parametrize("altered", ["sha256", "sha512", "xsha3-256", ""])
def test_a_chain_of_several_algorithms(
    request_in: Make, superuser: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, altered: str
) -> None:
    """An entry says by which algorithm it was hashed: the next may use another one; another name over it does not hold."""
    monkeypatch.setitem(canonical._ALGORITHMS, "sha3-256", hashlib.sha3_256)
    done = request_in("closed")
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("ALTER TABLE entry DISABLE TRIGGER entry_append_only")
    head = b""
    rows = superuser.execute(
        "SELECT id, seq, body FROM entry WHERE record_id = %s ORDER BY seq", [done.record]
    ).fetchall()
    for ident, seq, body in rows:
        alg = "sha3-256" if seq in (2, 4) else "sha256"
        head = hashlib.new(alg, head + body.encode()).digest()
        superuser.execute("UPDATE entry SET alg = %s, hash = %s WHERE id = %s", [alg, head, ident])
    superuser.execute("UPDATE register SET head = %s WHERE id = %s", [head, done.record])
    superuser.commit()
    assert check().ok
    sealing.seal()
    assert check().ok
    superuser.execute("UPDATE entry SET alg = %s WHERE record_id = %s AND seq = 2", [altered, done.record])
    superuser.commit()
    report = check()
    assert {"body", "changed"} <= set(kinds(report))
    assert (report.findings[0].number, report.findings[0].seq) == (done.number, 2)
    superuser.execute("UPDATE entry SET alg = 'sha3-256' WHERE record_id = %s AND seq = 2", [done.record])
    superuser.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_append_only")
    superuser.commit()
    assert check().ok
