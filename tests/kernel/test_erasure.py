"""What is erased cannot be read again by anyone, in any file of the database; counts stay, and the ledger still verifies."""

import gzip
import re
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from gongzhi.cli import worker
from gongzhi.home import home
from gongzhi.kernel import compose, erasure
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.buttons import possible
from gongzhi.kernel.canonical import canonical
from gongzhi.kernel.context import acting, follow_code, following, portal_actor
from gongzhi.kernel.dates import day
from gongzhi.kernel.history import FORGOTTEN, timeline
from gongzhi.kernel.models import Attachment, Entry, Party, Register
from gongzhi.kernel.parties import ask
from gongzhi.kernel.refusals import Absent, Conflict, Invalid
from gongzhi.kernel.seals.proofs import export
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.search import find
from gongzhi.kernel.vault import Upload, _path
from gongzhi.kernel.worker import tell_outbox
from gongzhi.postgres.server import Server
from gongzhi.postgres.wheel import binary
from tests.conftest import Foreign
from tests.kernel.people import People

Make = Callable[..., Done]
LON, LAT = "119.023457", "33.612346"
NAME, PHONE, PHRASE, REMARK, FILE = (
    "欧阳翡翠",
    "13912345679",
    "紫水晶色的井盖在月光下嗡嗡作响",
    "蓝鲸七号备注",
    "翡翠照片.txt",
)
SECRETS = (NAME, PHONE, PHRASE, REMARK, FILE, LON, LAT)


@pytest.fixture
def told(crew: People, request_in: Make) -> Done:
    """A closed matter with a rare name, rare phrases, a file, a task and a notice."""
    done = request_in(
        "working", detail=PHRASE, asker_name=NAME, asker_phone=PHONE, address=f"{NAME}家门口", point=f"{LON},{LAT}"
    )
    upload = Upload(FILE, f"{PHRASE} in a file".encode())
    act(crew.handler, "request", "note", record=done.record, form={"note": REMARK})
    act(crew.handler, "request", "attach", record=done.record, form={"note": FILE}, files=[upload])
    act(crew.handler, "request", "task", record=done.record, form={"task": f"找{NAME}", "task_days": 3})
    form = {"answer": f"{PHRASE}，已修好"}
    done = act(crew.handler, "request", "answer", record=done.record, version=done.version, form=form)
    follow = follow_code(done.record.bytes)
    act(
        portal_actor(), "request", "rate", record=done.record, version=done.version, form={"rating": "5"}, follow=follow
    )
    while tell_outbox():
        pass
    return Done(done.record, done.number, done.version, "closed", False, follow)


def test_erased_for_everyone_and_the_ledger_verifies(crew: People, told: Done) -> None:
    seal()
    with acting(crew.handler):
        before = Register.objects.filter(closed_at__isnull=False).count()
        held = Attachment.objects.get(record=told.record)
    assert _path(held.address).is_file()
    erasure.erase(told.number, "person")
    with acting(crew.handler):
        row = Register.objects.get(pk=told.record)
        assert Register.objects.filter(closed_at__isnull=False).count() == before
        assert (row.title, row.lon, row.stage_code) == (str(erasure.GONE), None, "closed")
        assert (row.facts.detail, row.facts.answer, row.facts.rating) == (str(erasure.GONE), "", "5")
        lines = timeline(row, crew.handler)
        party = Party.objects.get(record=told.record)
        assert lines[0].title == "销毁了内容和个人信息"
        assert "第四十七条" in lines[0].facts[0][1]
        assert {text for line in lines for _, text in line.words} == {str(FORGOTTEN)}
        assert find(crew.handler, "紫水晶") == []
        assert (held.name, Attachment.objects.get(pk=held.pk).name) == (FILE, "")
    assert not _path(held.address).exists()
    with pytest.raises((Invalid, Absent)):
        ask(crew.handler, party.pk, next(iter(row.service.reasons)))
    with following(told.number, told.follow) as record:
        assert record is None
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert report.findings == []
    with pytest.raises(Absent):
        erasure.erase(told.number, "person")


def test_rare_words_are_in_no_file_of_the_database(told: Done, owner: Any, server: Server, tmp_path: Path) -> None:
    assert _found(owner, server, tmp_path / "before")
    erasure.erase(told.number, "court")
    seal()
    export(tmp_path / "ledger.gz")
    assert not _found(owner, server, tmp_path / "after")
    text = gzip.decompress((tmp_path / "ledger.gz").read_bytes()).decode()
    assert not any(secret in text for secret in SECRETS)
    for path in home().rglob("*"):
        if path.is_file() and (
            "postgres" not in path.parts or path.suffix == ".log"
        ):  # its own files have a test of their own
            assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


def test_rare_words_are_in_no_raw_file_once_the_database_has_cleaned_up(
    crew: People, told: Done, request_in: Make, owner: Any, server: Server
) -> None:
    """Heap, indexes, statistics and write-ahead log: what ``docs/operations.md`` says to do at once is enough."""
    if isinstance(server, Foreign):
        pytest.skip("its files are another machine's")
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
    with psycopg.connect(server.url(name), autocommit=True) as root:
        other = request_in("working")
        root.execute("ANALYZE")  # words of columns stand in the planner's statistics too
        root.execute("CHECKPOINT")
        data = Path(_one(root, "SHOW data_directory"))
        mine = data / "base" / str(_one(root, "SELECT oid FROM pg_database WHERE datname = current_database()"))
        assert {PHRASE, REMARK} - _in_files(mine) == {REMARK}  # the remark is sealed, the phrase stands in its column
        assert PHRASE in _in_files(data / "pg_wal")
        held = root.execute(
            "SELECT concat_ws(' ', most_common_vals, histogram_bounds) FROM pg_stats WHERE attname = 'detail'"
        )
        found = held.fetchall()
        assert any(PHRASE in str(row) for row in found), found
        erasure.erase(told.number, "court")
        act(crew.handler, "request", "note", record=other.record, form={"note": "工作照常"})
        for statement in CLEANING:
            root.execute(statement)
        assert _in_files(mine) == set()
        assert _in_files(data / "pg_wal") == set()
        assert _in_files(data / "global") == set()
        root.execute("ALTER SYSTEM RESET wal_recycle")
        root.execute("SELECT pg_reload_conf()")


CLEANING = [
    line.strip().removesuffix(";")
    for line in re.findall(
        r"```sql\n-- What was erased.*?\n(.*?)```",
        (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )[0].splitlines()
]
"""What the operations docs say a database's master runs to clean up at once."""


def _one(root: Any, sql: str) -> Any:
    return root.execute(sql).fetchone()[0]


def _in_files(folder: Path) -> set[str]:
    """Return which of the secrets stand in a folder's files, byte for byte."""
    found = set()
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        found |= {secret for secret in SECRETS if secret.encode() in content}
    return found


def _found(owner: Any, server: Server, target: Path) -> list[str]:
    """Return which of the secrets a dump of everything holds."""
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
    subprocess.run([str(binary("pg_dump")), "-f", str(target), "-d", server.url(name)], check=True, capture_output=True)
    text = target.read_text(encoding="utf-8")
    return [secret for secret in (*SECRETS, "紫水晶") if secret in text]


def test_what_may_not_be_erased(request_in: Make, told: Done) -> None:
    open_one = request_in("working")
    with pytest.raises(Invalid, match="还没有办结"):
        erasure.erase(open_one.number, "person")
    with pytest.raises(Invalid, match="还没有满"):
        erasure.erase(told.number, "period")
    with pytest.raises(Invalid, match="原因"):
        erasure.erase(told.number, "because")
    for number in ("", "SQ0", "目录"):
        with pytest.raises(Absent):
            erasure.erase(number, "court")


def test_what_ends_is_listed_and_erased_for_its_period(told: Done, owner: Any) -> None:
    assert told.number not in {one.number for one in erasure.ending(timezone.now() + timedelta(days=31))}
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = closed_at - interval '10 years' WHERE id = %s", [told.record])
    found = next(one for one in erasure.ending(timezone.now() + timedelta(days=1)) if one.number == told.number)
    assert (found.service, found.ends_at > found.closed_at) == ("request", True)
    erasure.erase(told.number, "period")
    assert told.number not in {one.number for one in erasure.ending(timezone.now() + timedelta(days=1))}


def hold(crew: People, record: Any, until: date, actor: Any = None) -> Done:
    form = {"reason": "案件在审", "held_until": until.isoformat()}
    return act(actor or crew.manager, "request", "hold", record=record, form=form)


def over(owner: Any, record: Any) -> None:
    """Let the record's period be over."""
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = closed_at - interval '11 years' WHERE id = %s", [record])


def test_what_is_held_is_not_erased_for_any_reason_until_the_hold_ends(crew: People, told: Done, owner: Any) -> None:
    today = timezone.localdate()
    hold(crew, told.record, today + timedelta(days=30))
    over(owner, told.record)
    for because in erasure.BECAUSE:
        with pytest.raises(Invalid, match="已暂缓销毁，保留到"):
            erasure.erase(told.number, because)
    with owner.cursor() as cursor:
        cursor.execute("SELECT kernel.system_post('clock')")
        clock = cursor.fetchone()[0]
        cursor.execute(
            "SELECT kernel.erase(%s, r.id, r.version, gen_random_uuid(), now(), '{}', 'x') FROM register r WHERE r.id = %s",
            [clock, told.record],
        )
        assert cursor.fetchone() == (None,)
    found = next(one for one in erasure.ending(timezone.now()) if one.number == told.number)
    assert found.held_until == today + timedelta(days=30)
    assert told.number not in {one.number for one in erasure.ending(timezone.now(), free=True)}
    erasure.erase_ended()
    with acting(crew.handler):
        row = Register.objects.get(pk=told.record)
        assert (row.held, row.erased) == (True, False)
        line = timeline(row, crew.handler)[0]
        assert (line.action, line.words) == ("hold", [("理由", "案件在审")])
        assert ("保留到", day(found.held_until)) in line.facts
    with owner.cursor() as cursor:  # the day has passed
        cursor.execute("UPDATE register SET held_until = %s WHERE id = %s", [today - timedelta(days=1), told.record])
    assert erasure.erase_ended() >= 1
    with acting(crew.handler):
        assert Register.objects.get(pk=told.record).erased


def test_a_hold_is_released_by_who_may_set_it(crew: People, told: Done, owner: Any) -> None:
    today = timezone.localdate()
    for actor in (crew.operator, crew.handler, crew.admin, crew.grid):
        with pytest.raises(Absent):
            hold(crew, told.record, today, actor)
    for wrong in (today - timedelta(days=1), date.max, today + timedelta(days=2000)):
        with pytest.raises(Invalid) as refused:
            hold(crew, told.record, wrong)
        assert list(refused.value.errors) == ["held_until"]
    with pytest.raises(Conflict):
        act(crew.manager, "request", "release", record=told.record, form={"reason": "没有暂缓"})
    hold(crew, told.record, today)
    hold(crew, told.record, today + timedelta(days=3))
    act(crew.manager, "request", "release", record=told.record, form={"reason": "案件已结"})
    over(owner, told.record)
    assert erasure.erase_ended() >= 1
    with acting(crew.handler):
        assert Register.objects.get(pk=told.record).erased
    with pytest.raises(Invalid, match="内容已经销毁"):
        hold(crew, told.record, today)
    with acting(crew.manager):
        assert possible(crew.manager, Register.objects.get(pk=told.record)) == []
    with following(told.number, told.follow) as record:
        assert record is None


def test_a_hold_that_was_changed_behind_its_entry_is_found(crew: People, request_in: Make, owner: Any) -> None:
    held = request_in("working")
    hold(crew, held.record, timezone.localdate() + timedelta(days=30))
    seal()
    report = verify(seal_keys().verifiers)
    replay(report)
    assert not [one for one in report.findings if one.number == held.number]
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET held_until = NULL WHERE id = %s", [held.record])
    report = verify(seal_keys().verifiers)
    replay(report)
    assert [one.detail for one in report.findings if one.number == held.number] == ["held_until"]
    with owner.cursor() as cursor:
        cursor.execute(
            "UPDATE register SET held_until = %s WHERE id = %s",
            [timezone.localdate() + timedelta(days=30), held.record],
        )


def test_the_worker_erases_in_steps_that_may_be_broken_off(
    crew: People, request_in: Make, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure.erase_ended()
    made = [request_in("closed") for _ in range(5)]
    for one in made:
        over(owner, one.record)
    assert erasure.erase_ended(limit=2) == 2
    real = erasure.erase
    with monkeypatch.context() as patch:
        calls = iter([None, OSError("cut off")])

        def cut(number: str, because: str) -> None:
            if (error := next(calls)) is not None:
                raise error
            real(number, because)

        patch.setattr(erasure, "erase", cut)
        with pytest.raises(OSError, match="cut off"):
            erasure.erase_ended()
    assert erasure.erase_ended() == 2
    assert erasure.erase_ended() == 0
    with acting(crew.handler):
        rows = Register.objects.filter(pk__in=[one.record for one in made])
        assert {row.erased for row in rows} == {True}
        assert {timeline(row, crew.handler)[0].facts[0][1] for row in rows} == {"保存期限已满"}


def test_a_city_may_erase_by_hand_alone(request_in: Make, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = request_in("closed")
    over(owner, made.record)
    monkeypatch.setenv("GONGZHI_ERASURE", "by-hand")
    worker._erase()
    assert made.number in {one.number for one in erasure.ending(timezone.now(), free=True)}
    monkeypatch.delenv("GONGZHI_ERASURE")
    worker._erase()
    assert made.number not in {one.number for one in erasure.ending(timezone.now(), free=True)}


def test_the_application_erases_nothing_by_itself(crew: People, told: Done) -> None:
    from django.db import connection
    from django.db.utils import ProgrammingError

    with pytest.raises(ProgrammingError, match="only the clock"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT kernel.erase(%s, %s, 1, gen_random_uuid(), now(), '{}', 'x')", [crew.handler.post, told.record]
        )


def test_a_position_is_a_word_and_is_forgotten_with_the_others(crew: People, told: Done, owner: Any) -> None:
    with acting(crew.handler):
        bodies = " ".join(Entry.objects.filter(record=told.record).values_list("body", flat=True))
        assert "point" in bodies
        assert LON not in bodies
        row = Register.objects.get(pk=told.record)
        assert f"{row.lon:.6f},{row.lat:.6f}" == f"{LON},{LAT}"
        assert not [line for line in timeline(row, crew.handler) if any(label == "point" for label, _ in line.words)]
    assert _wrong(told.number) == []
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET lat = lat + 0.001 WHERE id = %s", [told.record])
    assert _wrong(told.number) == ["point"]
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET lat = NULL, lon = NULL WHERE id = %s", [told.record])
    assert _wrong(told.number) == ["point"]
    erasure.erase(told.number, "person")
    assert _wrong(told.number) == []


def test_positions_in_the_entries_of_a_release_before_still_replay(
    crew: People, request_in: Make, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_before(body: Any) -> str:
        body["with"] = {name: digest for name, digest in body["with"].items() if name != "point"}
        body["set"] = {**body["set"], "point": f"{LON},{LAT}"}
        return canonical(body)

    with monkeypatch.context() as patch:
        patch.setattr(compose, "canonical", as_before)
        made = request_in("filed", point=f"{LON},{LAT}")
    with acting(crew.operator):
        assert f'"point":"{LON},{LAT}"' in Entry.objects.get(record=made.record).body
    assert _wrong(made.number) == []
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET lon = lon + 0.001 WHERE id = %s", [made.record])
    assert _wrong(made.number) == ["lon"]
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET lon = %s WHERE id = %s", [float(LON), made.record])


def _wrong(number: str) -> list[str]:
    """Return what a replay finds in this record."""
    seal()
    report = verify(seal_keys().verifiers)
    replay(report)
    return [found.detail for found in report.findings if found.number == number]
