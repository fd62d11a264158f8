"""kill -9 at random points during 10,000 acts: every acknowledged act is there, none is half there."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from gongzhi.home import home
from gongzhi.kernel import atlas, context
from gongzhi.kernel.act import act
from gongzhi.kernel.context import actor_of
from gongzhi.kernel.install import install
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from tests.conftest import point_at
from tests.kernel.people import people

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ACTS = 10_000
ACTORS = 2


@pytest.fixture
def durable() -> Iterator[tuple[Server, str, str]]:
    """A server that writes to the disk what it says it wrote, with a city of its own."""
    folder = Path(tempfile.mkdtemp(prefix="gz-killed"))
    folder.chmod(0o755)
    server = Server(folder)
    app, owner = prepare(server.start(), "killed")
    point_at(app, owner)
    install()
    atlas.forget()
    context.forget_system()
    people()
    for held in connections.all():
        held.close()
    yield server, app, owner
    for held in connections.all():
        held.close()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
    atlas.forget()
    context.forget_system()


def test_whatever_is_killed_every_acknowledged_act_is_there_and_none_is_half_there(
    durable: tuple[Server, str, str], tmp_path: Path
) -> None:
    server, app, owner = durable
    dice = random.Random(20261124)
    environment = {**os.environ, "DATABASE_URL": app, "DATABASE_OWNER_URL": owner}
    rounds = 0
    while sum(line[0] == "done" for line in journal(tmp_path)) < ACTS:
        rounds += 1
        assert rounds < 200
        actors = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.long.actor", str(tmp_path / f"{rounds}-{number}"), str(rounds * 10 + number)],
                env=environment, stderr=subprocess.DEVNULL,
            )
            for number in range(ACTORS)
        ]  # fmt: skip
        while not any(path.stat().st_size for path in tmp_path.glob(f"{rounds}-*")):
            time.sleep(0.02)
        time.sleep(dice.uniform(0.02, 0.8))
        if rounds % 3 == 0:
            postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            time.sleep(dice.uniform(0, 0.5))
            server.start()
            time.sleep(1)
        for process in actors:
            process.kill()
            process.wait()
    tried = {line[1]: line for line in journal(tmp_path) if line[0] == "try"}
    done = {line[1]: line for line in journal(tmp_path) if line[0] == "done"}
    assert len(done) >= ACTS
    for key, (_, _, action, record, version) in done.items():
        row = one("SELECT record_id, version, action FROM entry WHERE idem = %s", [key])
        assert row == (UUID(record), version, action), key
    whole()
    repeat([tried[key] for key in tried.keys() - done.keys()])
    whole()
    assert rows("SELECT idem FROM entry WHERE idem IS NOT NULL GROUP BY idem HAVING count(*) > 1") == []


def journal(folder: Path) -> list[list[Any]]:
    lines = []
    for path in sorted(folder.iterdir()):
        whole_lines = (text for text in path.read_text(encoding="utf-8").splitlines() if text.endswith("]"))
        lines.extend(json.loads(text) for text in whole_lines)
    return lines


def rows(sql: str, arguments: Any = None) -> list[Any]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql, arguments)
        return list(cursor.fetchall())


def one(sql: str, arguments: Any = None) -> Any:
    found = rows(sql, arguments)
    return found[0] if found else None


def whole() -> None:
    """Hold that every record is whole: chain, versions, facts, key, words, person, files."""
    entries: dict[UUID, list[Any]] = {}
    for record, seq, version, body, digest in rows(
        "SELECT e.record_id, e.seq, e.version, e.body, e.hash FROM entry e JOIN register r ON r.id = e.record_id "
        "WHERE r.service = 'request' ORDER BY e.record_id, e.seq"
    ):
        entries.setdefault(record, []).append((seq, version, body, bytes(digest)))
    registers = rows("SELECT id, number, version, entries, head FROM register WHERE service = 'request'")
    assert {row[0] for row in registers} == entries.keys()
    assert len({row[1] for row in registers}) == len(registers)
    for record, number, version, count, head in registers:
        chain = entries[record]
        assert [line[0] for line in chain] == list(range(1, count + 1))
        assert chain[-1][1] == version == count
        running = b""
        for _, _, body, digest in chain:
            running = hashlib.sha256(running + body.encode()).digest()
            assert running == digest
        assert running == bytes(head)
        assert json.loads(chain[0][2])["number"] == number
    for table in ("request", "record_key", "register_words"):
        assert one(
            f"SELECT count(*) FROM register r LEFT JOIN {table} t ON t.record_id = r.id WHERE r.service = 'request' AND t.record_id IS NULL"
        ) == (0,)
    assert one(
        "SELECT count(*) FROM register r WHERE service = 'request' AND NOT EXISTS (SELECT FROM party p WHERE p.record_id = r.id)"
    ) == (0,)
    for (address,) in rows("SELECT address FROM attachment"):
        assert (home() / "files" / address[:2] / address).is_file()


def repeat(unanswered: list[list[Any]]) -> None:
    """Send again what got no answer: it happens once, whether it had happened or not."""
    for _, key, action, record, version, form, post in unanswered:
        actor = actor_of(post)
        target = UUID(record) if record else None
        first = act(actor, "request", action, record=target, version=version, form=form, key=key)
        again = act(actor, "request", action, record=target, version=version, form=form, key=key)
        assert again.repeated
        assert (again.record, again.version) == (first.record, first.version)
    connection.close()
