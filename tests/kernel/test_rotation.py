"""The master key is changed while the city works; what was wrapped opens before, between and after."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gongzhi.channels.queue import Line, Said, store
from gongzhi.kernel import keys, rotation, second_factor
from gongzhi.kernel.act import Done
from gongzhi.kernel.context import acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Party, Register
from gongzhi.kernel.parties import ask, take
from tests.kernel.people import People

Make = Callable[..., Done]
SOURCE = Path(rotation.__file__).parents[1]


@pytest.fixture
def filled(crew: People, request_in: Make) -> Done:
    from datetime import timedelta

    done = request_in("working", asker_name="王女士", asker_phone="13800001111")
    second_factor.begin(crew.handler)
    store("mail", None, Said("题", (Line("话"),)), once=f"m:{done.number}", holds=timedelta(days=1), to="a@b.cn")
    return done


def readable(crew: People, done: Done) -> None:
    with acting(crew.handler):
        lines = timeline(Register.objects.get(pk=done.record), crew.handler)
        party = Party.objects.select_related("record").get(record=done.record)
    assert any("路灯不亮" in text for line in lines for _, text in line.words)
    purpose = next(iter(party.record.service.reasons))
    assert take(crew.handler, ask(crew.handler, party.pk, purpose))["name"] == "王女士"
    assert second_factor.begin(crew.handler)


def test_everything_is_wrapped_anew_and_opens(crew: People, filled: Done) -> None:
    before = rotation.masters()
    assert sum(one.current for one in before) == 1
    done = rotation.rotate(wait=0)
    assert set(done) == {"record_key", "party", "message", "second_factor"}
    after = rotation.masters()
    assert after[0].current
    assert after[0].id not in {one.id for one in before}
    assert after[0].wrapped == sum(done.values())
    assert all(one.wrapped == 0 for one in after[1:])
    readable(crew, filled)
    assert rotation.rewrap() == {}


def test_between_the_new_key_and_the_last_row_both_open(
    crew: People, filled: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "rewrap", lambda _progress: {})  # it falls here
    rotation.rotate(wait=0)
    monkeypatch.undo()
    readable(crew, filled)
    with pytest.raises(rotation.StillUsed, match="rewrap"):
        rotation.drop(next(one.id for one in rotation.masters() if not one.current and one.wrapped))
    assert sum(rotation.rewrap().values()) > 0
    readable(crew, filled)


def test_a_dropped_master_opens_no_old_copy(crew: People, filled: Done) -> None:
    old = keys.wrap(key := keys.new_key())  # as a backup holds it
    rotation.rotate(wait=0)
    assert keys.unwrap(old) == key
    first = next(one for one in rotation.masters() if one.id == old[1:5].hex())
    rotation.drop(first.id)
    with pytest.raises(keys.UnknownMasterKey):
        keys.unwrap(old)
    readable(crew, filled)
    for wrong in (first.id, "", "zz", rotation.masters()[0].id):
        with pytest.raises(rotation.StillUsed):
            rotation.drop(wrong)


def test_a_destroyed_key_stays_destroyed(filled: Done, owner: Any) -> None:
    with owner.cursor() as cursor:
        cursor.execute("UPDATE record_key SET wrapped = NULL WHERE record_id = %s", [filled.record])
        rotation.rotate(wait=0)
        cursor.execute("SELECT wrapped FROM record_key WHERE record_id = %s", [filled.record])
        assert cursor.fetchone() == (None,)


def test_it_stands_in_the_directorys_chain(filled: Done, owner: Any) -> None:
    rotation.rotate(wait=0)
    with owner.cursor() as cursor:
        cursor.execute("SELECT body FROM entry WHERE action = 'rotate_master' ORDER BY seq DESC LIMIT 1")
        assert keys.keyring().current.hex() in cursor.fetchone()[0]


def test_a_rotation_that_fell_before_its_line_gets_it_once(
    filled: Done, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def falls(_action: str, _said: Any) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_said", falls)
        with pytest.raises(OSError, match="cut off"):
            rotation.rotate(wait=0)
    master = keys.keyring().current.hex()
    for _twice in range(2):
        rotation.rewrap()
        with owner.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM entry WHERE action = 'rotate_master' AND strpos(body, %s) > 0", [master]
            )
            assert cursor.fetchone() == (1,)


def test_another_process_takes_the_new_key(filled: Done) -> None:
    """A process that runs since before the rotation opens what is wrapped under the new key, and wraps under it itself."""
    program = (
        "import sys; from gongzhi.kernel import keyring, keys; ring = keys.keyring(); print(ring.current.hex(), flush=True); "
        "keyring._LOOK_SECONDS = 3600; old = keys.keyring()\n"  # what it has in memory would last for an hour
        "for line in sys.stdin: print(keys.unwrap(bytes.fromhex(line)).hex(), keys.keyring().current.hex(), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:  # fmt: skip
        assert other.stdin
        assert other.stdout
        before = other.stdout.readline().strip()
        assert before == keys.keyring().current.hex()
        rotation.rotate(wait=0)
        fresh = keys.wrap(key := keys.new_key())
        other.stdin.write(fresh.hex() + "\n")
        other.stdin.close()
        opened, current = other.stdout.readline().split()
    assert opened == key.hex()
    assert current == keys.keyring().current.hex() != before


def test_nothing_that_wraps_is_forgotten() -> None:
    """Every file that wraps or seals under the master key is known here, with the table it writes to."""
    known = {
        "kernel/compose.py": "record_key party", "kernel/contacts.py": "contact", "channels/queue.py": "message",
        "kernel/second_factor.py": "second_factor", "kernel/rotation.py": "", "kernel/install/backup.py": "", "kernel/keys.py": "", "kernel/transit.py": "",
    }  # fmt: skip
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"(?<![\w.])(?:keys\.)?(?:wrap|seal_secret)\(", path.read_text(encoding="utf-8"))
    }
    assert found == set(known)
    assert {table for tables in known.values() for table in tables.split()} == {held.table for held in rotation.HELD}
