"""Many records at once: what act() writes, what act() refuses, and nothing half there."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gongzhi.kernel import bulk
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.batches import Composer
from gongzhi.kernel.bulk import Row, act_many
from gongzhi.kernel.canonical import digest
from gongzhi.kernel.context import acting, follow_code, loader_actor, portal_actor
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.refusals import Absent, ClockWrong, Invalid, KeyReused, Refused
from gongzhi.kernel.service import service
from gongzhi.postgres.urls import url
from tests.kernel.conftest import category
from tests.kernel.people import People

TABLES = ("register", "record_key", "register_words", "entry", "party")
FRESH = {"id", "record_id", "number", "head", "hash", "body", "key", "wrapped", "sealed", "follow", "name", "phone", "xid",
         "recorded_at", "entry_id", "idem"}  # fmt: skip
"""Columns that differ between two acts of the same form; looked at one by one."""


def dump(admin: str, record: Any, code: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row that hangs from a record, read by a superuser."""
    with psycopg.connect(admin, row_factory=psycopg.rows.dict_row) as seen:
        return {
            table: seen.execute(f'SELECT * FROM "{table}" WHERE {"id" if table == "register" else "record_id"} = %s', [record]).fetchall()  # type: ignore[arg-type]
            for table in (*TABLES, service(code).model._meta.db_table)
        }  # fmt: skip


@pytest.fixture
def admin(server: Any, database: str) -> str:
    return str(server.url(database))


def same(admin: str, code: str, one: Done, other: Done, near: tuple[str, ...] = ()) -> None:
    """Hold the rows of two records equal, column by column; ``near`` are moments a few seconds apart."""
    left, right = dump(admin, one.record, code), dump(admin, other.record, code)
    for table, rows in left.items():
        assert len(rows) == len(right[table]), table
        for a, b in zip(rows, right[table], strict=True):
            for name in near:
                assert name not in a or abs(a[name] - b[name]) < timedelta(minutes=5), name
            for name in a.keys() - FRESH - set(near):
                assert a[name] == b[name], (table, name)
            for name in a.keys() & FRESH:
                assert (a[name] is None) == (b[name] is None), (table, name)
                if isinstance(a[name], bytes):
                    assert len(a[name]) == len(b[name]), (table, name)


def proven(admin: str, code: str, done: Done) -> None:
    """Hold that the entry's text says the record, that the hash is its, and that follow-up code and words open."""
    import orjson

    from gongzhi.kernel.context import follow_hash
    from gongzhi.kernel.keys import open_words, unwrap

    held = dump(admin, done.record, code)
    entry, record = held["entry"][0], held["register"][0]
    assert digest(entry["body"]) == entry["hash"] == record["head"]
    body = orjson.loads(entry["body"])
    assert (body["number"], body["record"], body["id"]) == (done.number, str(done.record), str(entry["id"]))
    assert record["number"] == done.number
    assert done.follow == follow_code(done.record.bytes)
    assert record["follow"] == follow_hash(done.follow)
    if entry["sealed"]:
        words = open_words(unwrap(held["record_key"][0]["wrapped"]), done.record, entry["id"], entry["sealed"])
        assert words.keys() == body["with"].keys()


def forms(crew: People) -> Any:
    text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=0, max_size=60)
    return st.fixed_dictionaries(
        {"detail": text},
        optional={
            "title": text, "nature": st.sampled_from(["", "help", "complaint", "none"]), "address": text,
            "place": st.sampled_from([None, *crew.places.values(), 99_999_999]), "channel": st.sampled_from(["", "visit"]),
            "point": st.sampled_from(["", "119.02,33.60", [119.0, 33.5], "x", "500,2"]), "asker_name": text,
            "asker_phone": st.sampled_from(["", "13800001234", "+86 138-0517-1234", "x"]), "other": st.just("1"),
        },
    )  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_comes_out_is_what_act_writes(data: Any, crew: People, admin: str) -> None:
    several = data.draw(st.lists(forms(crew), min_size=1, max_size=6))
    at = timezone.now() - timedelta(days=data.draw(st.integers(1, 900)))
    made = list(act_many(crew.operator, "request", (Row(form, at=at) for form in several), loader=loader_actor()))
    for form, outcome in zip(several, made, strict=True):
        try:
            alone = act(crew.operator, "request", "file", form=form, at=at, loader=loader_actor())
        except Refused as refusal:
            assert type(outcome) is type(refusal)
            assert getattr(outcome, "errors", None) == getattr(refusal, "errors", None)
        else:
            assert isinstance(outcome, Done)
            same(admin, "request", alone, outcome)
            proven(admin, "request", outcome)


def test_a_register_is_loaded_as_act_writes_it(crew: People, admin: str) -> None:
    form = {
        "address": "健康西路8号", "use": next(iter(titles_of("use"))), "place": crew.places["township"], "area": "86.5",
        "floors": "3", "rented": "yes",
        "owner_name": "周女士", "owner_phone": "13800001234",
    }  # fmt: skip
    (made,) = act_many(crew.grid, "house", [Row(form)])
    alone = act(crew.grid, "house", service("house").creating.code, form=form)
    assert isinstance(made, Done)
    same(admin, "house", alone, made, near=("opened_at", "stage_at", "at"))
    proven(admin, "house", made)


def test_parts_hang_from_their_open_whole(crew: People, admin: str) -> None:
    plan = {"theme": "fire", "planned_on": "2026-11-24", "scope": "沿街商铺", "place": crew.places["township"]}
    planned = act(crew.grid, "inspection", "plan", form=plan)
    walked = act(crew.grid, "inspection", "start", record=planned.record, version=1)
    form = {
        "what": "消防通道堆物",
        "theme": "fire",
        "gravity": "major",
        "agency": crew.agencies["a"],
        "whole": walked.number,
    }
    one, two, lost = act_many(crew.grid, "finding", [Row(form), Row(form), Row(form | {"whole": "XC0"})])
    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert isinstance(lost, Invalid)
    alone = act(crew.grid, "finding", "find", form=form)
    same(admin, "finding", alone, one, near=("opened_at", "stage_at", "at"))
    with psycopg.connect(admin) as seen:
        ties = seen.execute("SELECT b_id, kind FROM link WHERE a_id = %s", [walked.record]).fetchall()
    assert {(row[0], row[1]) for row in ties} == {(made.record, "part") for made in (one, two, alone)}
    # A whole that is settled after the rows were read: the function looks again.
    batch = Composer(crew.grid, service("finding"), None).compose([Row(form, "late")], timezone.now())
    with psycopg.connect(admin) as settled:
        settled.execute("UPDATE register SET closed_at = now() WHERE id = %s", [walked.record])
    assert outcomes("finding", batch) == ["absent"]


def outcomes(code: str, batch: Any) -> list[str]:
    """Return what the function of many answers for each row of a batch."""
    return [outcome.decode() for _row, outcome, _record, _number in bulk.write(service(code), batch)]


def titles_of(name: str) -> Any:
    """Return the titles of a house's code."""
    fact: Any = service("house").fact(name)
    return fact.titles()


def test_numbers_follow_the_rows_and_again_changes_nothing(crew: People) -> None:
    rows = [Row({"detail": f"第{n}件"}, f"again:{n}") for n in range(25)]
    first = [one for one in act_many(crew.operator, "request", rows) if isinstance(one, Done)]
    assert [one.number for one in first] == sorted(one.number for one in first)
    assert len({one.number for one in first}) == 25
    second = [one for one in act_many(crew.operator, "request", rows) if isinstance(one, Done)]
    assert all(one.repeated for one in second)
    assert [(one.record, one.number, one.follow) for one in second] == [(o.record, o.number, o.follow) for o in first]


def test_a_batch_does_not_read_what_the_post_did_before(crew: People) -> None:
    """One look at an index for each row's key, however many keys the post has used."""
    before = [Row({"detail": f"第{n}件"}, f"before:{n}") for n in range(400)]
    assert all(isinstance(one, Done) for one in act_many(crew.operator, "request", before))
    few = [Row({"detail": "甲"}, f"few:{n}") for n in range(5)]
    batch = Composer(crew.operator, service("request"), None).compose(few, timezone.now())
    with transaction.atomic(), connection.cursor() as cursor:
        assert outcomes("request", batch) == ["done"] * 5
        cursor.execute("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_all_tables WHERE relname = 'entry'")
        assert cursor.fetchone()[0] < 50


def test_a_key_twice_in_one_batch_makes_one_record(crew: People) -> None:
    one, two, three = act_many(
        crew.operator,
        "request",
        [Row({"detail": "甲"}, "twice"), Row({"detail": "甲"}, "twice"), Row({"detail": ""}, "twice")],
    )
    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert (two.record, two.repeated) == (one.record, True)
    assert isinstance(three, Invalid)


def test_a_key_of_another_act_is_told(crew: People, request_in: Any) -> None:
    done = request_in("filed")
    assign = {"agency": crew.agencies["a"], "category": category()}
    act(crew.operator, "request", "assign", record=done.record, version=done.version, form=assign, key="noted")
    (outcome,) = act_many(crew.operator, "request", [Row({"detail": "甲"}, "noted")])
    assert isinstance(outcome, KeyReused)


def test_who_may_not_create_gets_nothing_in(crew: People) -> None:
    before = count(crew)
    assert all(isinstance(one, Absent) for one in act_many(crew.handler, "request", [Row({"detail": "甲"})] * 3))
    assert count(crew) == before


def test_the_function_itself_refuses_a_post_that_may_not_create(crew: People) -> None:
    batch = Composer(crew.operator, service("request"), None).compose([Row({"detail": "甲"}, "forged")], timezone.now())
    batch.arguments[0] = crew.handler.post
    assert outcomes("request", batch) == ["absent"]
    with acting(crew.operator):
        assert not Entry.objects.filter(idem="forged").exists()


def test_the_past_needs_a_loader(crew: People) -> None:
    at = timezone.now() - timedelta(days=3)
    (outcome,) = act_many(crew.operator, "request", [Row({"detail": "甲"}, at=at)])
    assert isinstance(outcome, ClockWrong)


def test_a_place_that_ended_meanwhile_stops_its_own_row_alone(crew: People, owner: Any) -> None:
    from gongzhi.kernel import atlas

    gone = crew.places["township"]
    atlas.atlas()
    with owner.cursor() as cursor:
        cursor.execute("UPDATE place SET ended_on = '2026-01-01' WHERE id = %s", [gone])
    try:
        good, bad = act_many(crew.operator, "request", [Row({"detail": "甲"}), Row({"detail": "乙", "place": gone})])
    finally:
        with owner.cursor() as cursor:
            cursor.execute("UPDATE place SET ended_on = NULL WHERE id = %s", [gone])
        atlas.forget()
    assert isinstance(good, Done)
    assert isinstance(bad, Refused)


def test_the_application_cannot_write_the_tables_nor_switch_triggers_off(crew: People) -> None:
    for statement in (
        "COPY register FROM STDIN",
        "INSERT INTO entry (id) VALUES (NULL)",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


def test_portal_rows_carry_the_portal(crew: People) -> None:
    (outcome,) = act_many(portal_actor(), "request", [Row({"detail": "甲"})])
    assert isinstance(outcome, Done)


def test_a_loader_killed_leaves_whole_batches(crew: People, admin: str) -> None:
    code = f"""
import django; django.setup()
from gongzhi.kernel import bulk
from gongzhi.kernel.context import actor_of
bulk.BATCH = 50
rows = (bulk.Row({{"detail": f"第{{n}}件", "asker_name": "周"}}, f"killed:{{n}}") for n in range(100_000))
for outcome in bulk.act_many(actor_of({crew.operator.post}), "request", rows):
    print(outcome.record, flush=True)
"""
    known = connection.settings_dict
    address = url(
        user=known["USER"], database=known["NAME"], host=known["HOST"], port=str(known["PORT"] or 5432),
        password=known["PASSWORD"] or None,
    )  # fmt: skip
    loader = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "DATABASE_URL": address}
    )
    assert loader.stdout is not None
    told = [loader.stdout.readline().strip() for _ in range(120)]
    loader.send_signal(signal.SIGKILL)
    loader.wait()
    time.sleep(0.5)  # the server notices
    with psycopg.connect(admin) as seen:
        entries = seen.execute("SELECT count(*) FROM entry WHERE idem LIKE 'killed:%'").fetchone()
        whole = seen.execute(
            """SELECT count(*), count(f.record_id), count(k.record_id), count(w.record_id), count(p.id),
                      count(*) FILTER (WHERE r.id::text = ANY (%s))
               FROM register r JOIN entry e ON e.record_id = r.id AND e.idem LIKE 'killed:%%'
               LEFT JOIN request f ON f.record_id = r.id LEFT JOIN record_key k ON k.record_id = r.id
               LEFT JOIN register_words w ON w.record_id = r.id LEFT JOIN party p ON p.record_id = r.id""",
            [told],
        ).fetchone()
    assert entries is not None
    assert whole is not None
    assert entries[0] % 50 == 0
    assert set(whole[:5]) == {entries[0]}
    assert whole[5] == 120


def count(crew: People) -> int:
    with acting(crew.manager):
        return Register.objects.count()
