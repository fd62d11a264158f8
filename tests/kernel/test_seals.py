"""The ledger is sealed, and whoever goes behind it with the server's own rights is found, and the place named."""

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gongzhi.kernel.act import Done
from gongzhi.kernel.models import Checkpoint as Kept
from gongzhi.kernel.models import Entry
from gongzhi.kernel.seals import merkle, proofs, sealing
from gongzhi.kernel.seals.findings import Report
from gongzhi.kernel.seals.notes import Checkpoint, opened
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.postgres.server import Server

Make = Callable[..., Done]
Sql = Callable[..., Any]
_APPEND = ("entry", "leaf", "checkpoint", "subtree", "cosignature")


def check(*outside: Checkpoint) -> Report:
    return verify(seal_keys().verifiers, outside)


def kinds(report: Report) -> list[str]:
    return sorted({found.kind for found in report.findings})


def sealed_now() -> Checkpoint:
    made = sealing.seal().checkpoint
    assert made is not None
    return made


@pytest.fixture
def sealed(request_in: Make) -> Done:
    """A matter that was closed, and everything sealed."""
    done = request_in("closed")
    sealing.seal()
    assert check().ok
    return done


@pytest.fixture
def root(server: Server, database: str) -> Iterator[Sql]:
    """What a superuser can do: no trigger fires, and it is undone after the test."""
    with psycopg.connect(server.url(database)) as held:
        held.execute("SET session_replication_role = replica")
        for table in _APPEND:
            held.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
        tables = (*_APPEND, "register", "request", "outbox_position", "record_key", "register_words", "deadline_kept")
        for table in tables:
            held.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        held.commit()

        def run(text: str, *given: Any) -> Any:
            cursor = held.execute(text, given)
            rows = cursor.fetchall() if cursor.description else cursor.rowcount
            held.commit()
            return rows

        yield run
        held.rollback()
        for table in tables:
            held.execute(f"DELETE FROM {table}")
            held.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")
            held.execute(f"DROP TABLE kept_{table}")
        for table in _APPEND:
            held.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")
        held.commit()


def test_seal_covers_what_was_committed(request_in: Make) -> None:
    request_in("closed")
    made = sealing.seal()
    assert made.entries > 0
    assert made.checkpoint is not None
    assert Entry.objects.using("owner").count() == made.checkpoint.size
    assert opened(made.checkpoint.note, seal_keys().verifiers).size == made.checkpoint.size
    assert sealing.seal() == sealing.Sealed(0, made.checkpoint)


def test_verify_reads_sealed_and_unsealed(sealed: Done, request_in: Make) -> None:
    request_in("working")
    report = check()
    assert report.ok
    assert report.entries == Entry.objects.using("owner").count() == report.sealed + 3
    told = report.told()
    assert (told["ok"], told["first_bad"]) == (True, None)


def test_changed_body(sealed: Done, root: Sql) -> None:
    root(
        'UPDATE entry SET body = replace(body, \'"action":"accept"\', \'"action":"refuse"\') WHERE record_id = %s AND seq = 3',
        sealed.record,
    )
    report = check()
    assert kinds(report) == ["body"]
    assert (report.findings[0].number, report.findings[0].seq) == (sealed.number, 3)
    assert "内容" in report.findings[0].text


def test_changed_body_with_hash_recomputed_along_the_chain(sealed: Done, root: Sql) -> None:
    root(
        'UPDATE entry SET body = replace(body, \'"action":"accept"\', \'"action":"refuse"\') WHERE record_id = %s AND seq = 3',
        sealed.record,
    )
    root(
        """
        DO $$ DECLARE e record; h bytea := ''; BEGIN
            FOR e IN SELECT * FROM entry WHERE record_id = '%s' ORDER BY seq LOOP
                h := sha256(h || convert_to(e.body, 'UTF8'));
                UPDATE entry SET hash = h WHERE id = e.id;
            END LOOP;
            UPDATE register SET head = h WHERE id = '%s';
        END $$""".replace("%s", str(sealed.record))
    )
    report = check()
    assert kinds(report) == ["changed", "root"]
    assert (report.findings[0].number, report.findings[0].seq) == (sealed.number, 3)


@pytest.mark.parametrize(
    "column", ["action = 'refuse'", "at = at - interval '1 day'", "post_id = post_id + 1", "stage_to = 'closed'"]
)
def test_changed_column(sealed: Done, root: Sql, column: str) -> None:
    root(f"UPDATE entry SET {column} WHERE record_id = %s AND seq = 3", sealed.record)
    report = check()
    assert kinds(report) == ["changed", "root"]
    assert (report.findings[0].number, report.findings[0].seq) == (sealed.number, 3)


def test_deleted_entry(sealed: Done, root: Sql) -> None:
    root("DELETE FROM entry WHERE record_id = %s AND seq = 3", sealed.record)
    report = check()
    assert kinds(report) == ["deleted", "gap"]
    assert {found.number for found in report.findings if found.kind == "gap"} == {sealed.number}


def test_deleted_last_entry_with_the_head_set_back(sealed: Done, root: Sql) -> None:
    root("DELETE FROM entry WHERE record_id = %s AND seq = 5", sealed.record)
    root(
        "UPDATE register r SET entries = 4, version = 4, stage = 'answered', head = e.hash FROM entry e "
        "WHERE r.id = %s AND e.record_id = r.id AND e.seq = 4", sealed.record,
    )  # fmt: skip
    assert kinds(check()) == ["deleted"]


def test_deleted_unsealed_tail(sealed: Done, request_in: Make, root: Sql) -> None:
    fresh = request_in("working")
    root("DELETE FROM entry WHERE record_id = %s AND seq = 3", fresh.record)
    report = check()
    assert kinds(report) == ["head"]
    assert report.findings[0].number == fresh.number


def test_entry_put_into_sealed_time(sealed: Done, root: Sql) -> None:
    root(
        """
        INSERT INTO entry (id, record_id, seq, at, recorded_at, post_id, account_id, agency_id, action, stage_from, stage_to,
                           version, alg, body, hash, xid)
        SELECT gen_random_uuid(), record_id, 6, at, recorded_at, post_id, account_id, agency_id, 'note', stage_to, stage_to,
               version, alg, body, sha256(hash || convert_to(body, 'UTF8')), xid - 1
        FROM entry WHERE record_id = %s AND seq = 5""", sealed.record,
    )  # fmt: skip
    root(
        "UPDATE register SET entries = 6, head = e.hash FROM entry e WHERE register.id = %s AND e.record_id = register.id AND e.seq = 6",
        sealed.record,
    )
    report = check()
    assert kinds(report) == ["added"]
    assert (report.findings[0].number, report.findings[0].seq) == (sealed.number, 6)


def test_cut_tail_shows_against_a_checkpoint_outside(sealed: Done, request_in: Make, root: Sql) -> None:
    fresh = request_in("working")
    outside = sealed_now()
    cut(root, fresh, outside.size - 3)
    assert check().ok  # by itself it is a shorter, good history: that is why checkpoints are given away
    report = check(outside)
    assert kinds(report) == ["cut"]
    assert report.findings[0].pos == outside.size


def cut(root: Sql, fresh: Done, size: int) -> None:
    for text in ("leaf WHERE pos >= %s", "checkpoint WHERE size > %s", "subtree WHERE (index + 1) << level > %s"):
        root(f"DELETE FROM {text}", size)
    for table in ("request", "record_key", "register_words", "deadline_kept"):
        root(f"DELETE FROM {table} WHERE record_id = %s", fresh.record)
    root("DELETE FROM entry WHERE record_id = %s", fresh.record)
    root("DELETE FROM register WHERE id = %s", fresh.record)
    root(
        "UPDATE outbox_position o SET (xid, entry) = (SELECT e.xid, e.id FROM leaf l JOIN entry e ON e.id = l.entry_id ORDER BY l.pos DESC LIMIT 1) WHERE o.reader = 'seals'"
    )


def test_history_signed_anew_with_the_key(sealed: Done, root: Sql) -> None:
    outside = sealed_now()
    root("UPDATE entry SET at = at - interval '9 days' WHERE record_id = %s AND seq = 5", sealed.record)
    for table in ("leaf", "checkpoint", "subtree"):
        root(f"DELETE FROM {table}")
    root("DELETE FROM outbox_position WHERE reader = 'seals'")
    sealing.seal()
    assert check().ok
    assert kinds(check(outside)) == ["forked"]


def test_replaced_checkpoint(sealed: Done, request_in: Make, root: Sql) -> None:
    newest = Kept.objects.using("owner").order_by("-size").first()
    assert newest
    forged = Checkpoint(newest.note.partition("\n")[0], newest.size, bytes(32))
    root(
        "UPDATE checkpoint SET root = %s, note = %s WHERE size = %s",
        bytes(32),
        forged.text + "\n— x AAAAAAAA\n",
        newest.size,
    )
    assert kinds(check()) == ["root", "signature"]
    request_in("filed")
    with pytest.raises(sealing.SealError, match="ledger verify"):  # nothing is built on what is wrong
        sealing.seal()


def test_leaf_and_subtree_changed(sealed: Done, request_in: Make, root: Sql) -> None:
    while Entry.objects.using("owner").count() < 260:
        request_in("closed")
    sealing.seal()
    assert check().ok
    root("UPDATE subtree SET hash = sha256(hash) WHERE level = 8 AND index = 0")
    assert kinds(check()) == ["subtree"]
    root("UPDATE leaf SET hash = sha256(hash) WHERE pos = 3")
    report = check()
    assert kinds(report) == ["changed", "subtree"]
    assert report.findings[0].pos == 3


def test_leaf_deleted(sealed: Done, root: Sql) -> None:
    root("DELETE FROM leaf WHERE pos = 2")
    assert {"position", "added"} <= set(kinds(check()))


def replayed() -> Report:
    report = check()
    replay(report)
    return report


def test_state_holds_over_every_step(request_in: Make, crew: Any) -> None:
    for stage in ("filed", "assigned", "working", "answered", "closed"):
        request_in(stage, asker_name="王女士", asker_phone="13800001111", point="119.02,33.6", address="淮海路")
    report = Report()
    assert replay(report) == 0
    assert not report.findings


@pytest.mark.parametrize(
    "column",
    [
        "stage = 'working'", "agency_id = (SELECT min(id) FROM agency)", "closed_at = NULL", "opened_at = opened_at - interval '9 days'",
        "due_at = now()", "title = '另一件事'", "lon = 118", "version = version + 1, entries = entries + 1",
    ],
)  # fmt: skip
def test_edited_register_row(sealed: Done, root: Sql, column: str) -> None:
    root(f"UPDATE register SET {column} WHERE id = %s", sealed.record)
    report = replayed()
    assert sealed.number in {found.number for found in report.findings if found.kind == "state"}


@pytest.mark.parametrize(
    "column",
    ["detail = '别的话'", "answer = ''", "rating = '1'", "refusals = 3", "category = 'x'", "more = '{\"a\": 1}'"],
)
def test_edited_facts_row(sealed: Done, root: Sql, column: str) -> None:
    root(f"UPDATE request SET {column} WHERE record_id = %s", sealed.record)
    report = replayed()
    found = next(found for found in report.findings if found.kind == "state")
    assert found.number == sealed.number
    assert column.split(maxsplit=1)[0] in found.detail


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE request SET detail = '别的话' WHERE record_id = %s; UPDATE entry SET sealed = NULL WHERE record_id = %s",
        "UPDATE request SET answer = '' WHERE record_id = %s; UPDATE record_key SET wrapped = NULL WHERE record_id = %s",
        "UPDATE register SET service = 'x' WHERE id = %s",
        "UPDATE register SET service = 'house' WHERE id = %s",
        "UPDATE party SET key = NULL, name = NULL, phone = NULL WHERE record_id = %s",
    ],
)
def test_edited_where_nobody_could_compare(request_in: Make, root: Sql, change: str) -> None:
    """The words' proof, the key, a person or the service's name taken away: no edit hides behind what is missing."""
    made = request_in("closed", asker_name="周一", asker_phone="13900000000")
    sealing.seal()
    assert made.number not in {found.number for found in replayed().findings}
    for one in change.split("; "):
        root(one, made.record)
    report = replayed()
    assert made.number in {found.number for found in report.findings if found.kind == "state"}


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"format": "gongzhi proof 1"},
        {"format": "other"},
        {"format": "gongzhi proof 1", "checkpoint": "", "entries": []},
    ],
)
def test_what_is_no_proof(wrong: Any) -> None:
    with pytest.raises(ValueError, match="proof|note"):
        proofs.check(wrong, seal_keys().verifiers)


def test_a_proof_of_another_record_or_a_changed_one_does_not_hold(sealed: Done, request_in: Make) -> None:
    other = request_in("closed")
    sealing.seal()
    proof, keys = proofs.prove(sealed.number), seal_keys().verifiers
    assert len(proofs.check(proof, keys).lines) == 5
    second = proofs.prove(other.number)
    mixed = {**proof, "entries": [*proof["entries"], *second["entries"]]}
    changed = {**proof, "entries": [{**proof["entries"][0], "body": "{}"}, *proof["entries"][1:]]}
    moved = {**proof, "entries": [{**proof["entries"][0], "pos": 1}, *proof["entries"][1:]]}
    for wrong in (mixed, changed, moved):
        with pytest.raises(merkle.ProofError):
            proofs.check(wrong, keys)
    with pytest.raises(proofs.NothingToProve):
        proofs.prove("SQ0")


def test_shortened_tree_below_its_own_checkpoint(sealed: Done, root: Sql) -> None:
    size = sealed_now().size
    root("DELETE FROM leaf WHERE pos >= %s", size - 2)
    assert {"short"} <= set(kinds(check()))


def test_many_seal_at_once_while_others_act(request_in: Make) -> None:
    """Every entry gets one place, whoever comes first; nobody fails."""
    for _ in range(8):
        request_in("working")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: _sealed_in_thread(), range(8)))
    request_in("filed")
    sealing.seal()
    report = check()
    assert (report.findings, report.sealed) == ([], report.entries)
    assert sum(made) > 0


def _sealed_in_thread() -> int:
    from django.db import connection

    try:
        return sealing.seal().entries
    finally:
        connection.close()


def test_a_damaged_export_is_told_and_a_foreign_file_is_none(sealed: Done, tmp_path: Path) -> None:
    path, keys = tmp_path / "ledger.gz", seal_keys().verifiers
    sealing.seal()
    assert proofs.export(path).size == proofs.check_export(path, keys).size
    whole = path.read_bytes()
    for where in (len(whole) // 3, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:where] + bytes([whole[where] ^ 0x55]) + whole[where + 1 :])
        with pytest.raises(ValueError, match="."):
            proofs.check_export(path, keys)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(merkle.ProofError):
        proofs.check_export(path, keys)
    for text in (
        "",
        "[]",
        "{}",
        "1",
        '{"format": "gongzhi ledger 1"}',
        '{"format": "gongzhi ledger 1"}\n{"pos": 0}',
        "x" * (1 << 23),
    ):
        path.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(ValueError, match="."):
            proofs.check_export(path, keys)
