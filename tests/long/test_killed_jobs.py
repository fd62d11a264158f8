"""kill -9 of the sealer, the eraser and a rotation of the master key, each at several points: run again, all is whole."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from gongzhi.home import home
from gongzhi.kernel import erasure, rotation
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.keyring import forget_keyring
from gongzhi.kernel.keys import keyring
from gongzhi.kernel.models import Attachment, Entry, Party, Register
from gongzhi.kernel.parties import ask, take
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.vault import Upload, _path
from tests.kernel.conftest import request_in
from tests.kernel.people import People, people
from tests.long.test_killed import durable

__all__ = ["durable", "request_in"]
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
Make = Callable[..., Done]
_DYING = """
import os, signal, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")
import django
django.setup()
from django.db.backends.utils import CursorWrapper
from gongzhi.kernel import act, erasure, keyring, rotation
from gongzhi.kernel.seals import sealing
count = 0
def dying(real, at, after):
    def run(*given, **named):
        global count
        if not after and (count := count + 1) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(*given, **named)
        if after and (count := count + 1) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return run
def at_statement(part, at, after=False):
    real = CursorWrapper.execute
    hit = dying(real, at, after)
    CursorWrapper.execute = lambda self, sql, *rest: (hit if part in str(sql) else real)(self, sql, *rest)
sealing.BATCH = 10
rotation.BATCH = 4
"""
_SEAL = "sealing.seal()"
_ERASE = "erasure.erase_ended()"
_ROTATE = "rotation.rotate(wait=0)"


@pytest.fixture
def town(durable: Any) -> tuple[dict[str, str], People]:
    _server, app, owner = durable
    return {**os.environ, "DATABASE_URL": app, "DATABASE_OWNER_URL": owner}, people()


@pytest.fixture
def crew(town: Any) -> People:
    """The people of this city, for whoever makes matters in it."""
    made: People = town[1]
    return made


def dies(town: Any, where: str, what: str) -> None:
    """Run this in a process of its own, which is killed at that point."""
    connections.close_all()
    done = subprocess.run([sys.executable, "-c", f"{_DYING}\n{where}\n{what}"], env=town[0], capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == -9, (where, done.returncode, done.stderr[-2000:])
    forget_keyring()


def holds() -> None:
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert (report.findings, report.sealed) == ([], report.entries)
    assert report.entries == Entry.objects.using("owner").count()


def test_a_killed_sealer(town: Any, request_in: Make) -> None:
    points = (
        'at_statement("kernel.seal_entries", 1)', 'at_statement("kernel.seal_entries", 1, True)',
        'at_statement("kernel.put_checkpoint", 1)', 'at_statement("kernel.put_checkpoint", 1, True)',
        'at_statement("kernel.put_checkpoint", 2, True)', 'at_statement("kernel.seal_entries", 3, True)',
        "sealing.seal_batch = dying(sealing.seal_batch, 2, True)",
    )  # fmt: skip
    for point in points:
        for _ in range(6):
            request_in("closed")
        dies(town, point, _SEAL)
        report = verify(seal_keys().verifiers)
        assert report.ok  # what it left is a ledger already
    holds()


def keyed(record: Any) -> bool:
    """Whether a person of the record, or its words, can be opened; fails where one can and the other cannot."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT k.wrapped IS NOT NULL, p.key IS NOT NULL FROM record_key k JOIN party p USING (record_id) WHERE k.record_id = %s",
            [record],
        )
        words, person = cursor.fetchone()
    assert words == person
    return bool(words)


def test_a_killed_eraser(town: Any, request_in: Make) -> None:
    crew = town[1]
    points = (
        "act.execute = erasure.execute = dying(erasure.execute, 1, False)",
        "act.execute = erasure.execute = dying(erasure.execute, 2, True)",
        "erasure.remove = dying(erasure.remove, 2, False)",
        "erasure.remove = dying(erasure.remove, 1, True)",
    )
    made = []
    for point in points:
        for number in range(4):
            done = request_in("working", asker_name="王女士", asker_phone="13800001111")
            act(crew.handler, "request", "attach", record=done.record, form={"note": "图"}, files=[Upload("a.txt", f"{point}{number}".encode())])  # fmt: skip
            form = {"answer": "已经修好"}
            act(crew.handler, "request", "answer", record=done.record, version=done.version, form=form)
            made.append(done)
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE register SET closed_at = coalesce(closed_at, now()) - interval '11 years' WHERE NOT erased AND service = 'request'")  # fmt: skip
        dies(town, point, _ERASE)
        with acting(crew.handler):
            for row in Register.objects.filter(pk__in=[one.record for one in made]):
                assert row.erased != keyed(row.pk)  # never by half
                if not row.erased:
                    assert all(_path(one.address).is_file() for one in Attachment.objects.filter(record=row))
    while erasure.erase_ended():
        pass
    erasure.sweep_files()
    with acting(crew.handler):
        rows = Register.objects.filter(pk__in=[one.record for one in made])
        assert {row.erased for row in rows} == {True}
        addresses = list(Attachment.objects.filter(record__in=rows).values_list("address", flat=True))
    assert len(addresses) == len(made)
    assert not [address for address in addresses if _path(address).exists()]
    assert set(Entry.objects.using("owner").filter(record__in=[one.record for one in made], action="erase").values_list("record_id", flat=True)) == {one.record for one in made}  # fmt: skip
    assert Entry.objects.using("owner").filter(action="erase").count() == len(made)
    seal()
    assert verify(seal_keys().verifiers).ok


def look(crew: People, done: Done) -> str:
    with acting(crew.handler):
        party = Party.objects.select_related("record").get(record=done.record)
        assert any("路灯" in text for line in timeline(party.record, crew.handler) for _, text in line.words)
    return str(take(crew.handler, ask(crew.handler, party.pk, next(iter(party.record.service.reasons))))["name"])


def test_a_killed_rotation(town: Any, request_in: Make) -> None:
    crew = town[1]
    made = [request_in("working", asker_name=f"王女士{number}") for number in range(12)]
    points = (
        "keyring.put = dying(keyring.put, 1, False)",
        "keyring.put = dying(keyring.put, 1, True)",
        "rotation._said = dying(rotation._said, 1, True)",
        'at_statement("UPDATE record_key", 6, True)',
        'at_statement("UPDATE party", 1)',
        'at_statement("UPDATE party", 9, True)',
    )
    for point in points:
        dies(town, point, _ROTATE)
        assert [look(crew, done) for done in made] == [f"王女士{number}" for number in range(12)]
        made_now = request_in("working", asker_name="李先生")
        assert look(crew, made_now) == "李先生"
    rotation.rotate(wait=0)
    held = rotation.masters()
    lines = " ".join(Entry.objects.using("owner").filter(action="rotate_master").values_list("body", flat=True))
    assert [one.id for one in held[:-1] if one.id not in lines] == []  # also where the line was still to be written
    assert [one.wrapped for one in held[1:]] == [0] * (len(held) - 1)
    for old in held[1:]:
        rotation.drop(old.id)
    assert len(keyring().masters) == 1
    assert [look(crew, done) for done in made] == [f"王女士{number}" for number in range(12)]
    assert not list((home() / "keys").glob("*.tmp*"))
    holds()


def test_people_work_and_look_while_the_command_rotates(town: Any, request_in: Make) -> None:
    crew = town[1]
    made = [request_in("working", asker_name=f"王女士{number}") for number in range(40)]
    ending, faults, done = threading.Event(), list[str](), list[Done]()

    def work(number: int) -> None:
        turn = number
        try:
            while not ending.is_set():
                turn += 1
                assert look(crew, made[turn % len(made)]) == f"王女士{turn % len(made)}"
                done.append(request_in("working", asker_name="李先生"))
        except Exception as error:
            faults.append(repr(error))
        finally:
            connection.close()

    people_at_work = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for one in people_at_work:
        one.start()
    try:
        for _again in range(3):
            run = subprocess.run([sys.executable, "-m", "gongzhi.cli.main", "keys", "rotate"], env=town[0], capture_output=True, text=True, timeout=120)  # fmt: skip
            assert run.returncode == 0, run.stderr
    finally:
        ending.set()
        for one in people_at_work:
            one.join()
    assert faults == []
    assert len(done) > 20
    forget_keyring()
    assert [one.wrapped for one in rotation.masters()[1:]] == [0] * (len(rotation.masters()) - 1)
    for old in rotation.masters()[1:]:
        rotation.drop(old.id)
    assert {look(crew, one) for one in done} == {"李先生"}
    holds()
