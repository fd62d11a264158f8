"""A backup opened elsewhere is the same city: records, words, files, numbers, the outbox; and what stands in its way is said."""

import base64
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.kernel import atlas, context, keys, rotation
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import acting, portal_actor
from gongzhi.kernel.history import timeline
from gongzhi.kernel.install import backup, sealed
from gongzhi.kernel.install.backup import BackupError, restore, save
from gongzhi.kernel.keys import forget_keyring, key_file
from gongzhi.kernel.models import Attachment, Entry, Register
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.vault import Upload
from gongzhi.kernel.worker import tell_outbox
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from tests.conftest import Foreign, point_at
from tests.kernel.people import People

Make = Callable[..., Done]


@pytest.fixture
def elsewhere(
    crew: People, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Return a function that turns to another, empty installation, whose roles have other names; it gives the owner's address."""
    before = {alias: dict(connections[alias].settings_dict) for alias in ("default", "owner")}

    def turn(*, keys: bool = True) -> str:
        home = tmp_path / "home"
        (home / "keys").mkdir(parents=True)
        if keys:
            shutil.copy(key_file(), home / "keys" / "master")
        monkeypatch.setenv("GONGZHI_HOME", str(home))
        forget_keyring()
        addresses = prepare(server.url(), "restored", "secret" if isinstance(server, Foreign) else "")
        point_at(*addresses)
        atlas.forget()
        context.forget_system()
        return addresses[1]

    yield turn
    monkeypatch.undo()
    forget_keyring()
    for alias, settings in before.items():
        connections[alias].close()
        connections[alias].settings_dict.update(settings)
        connections.settings[alias].update(settings)
    atlas.forget()
    context.forget_system()
    import psycopg

    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute('DROP DATABASE IF EXISTS "restored" WITH (FORCE)')


def _count() -> tuple[int, int]:
    return Register.objects.using("owner").count(), Entry.objects.using("owner").count()


def test_a_backup_opened_elsewhere_is_the_same_city(
    crew: People, request_in: Make, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    made = request_in("assigned", detail="井盖坏了，请修")
    act(crew.operator, "request", "note", record=made.record, form={"note": "已电话核实"})
    act(crew.operator, "request", "attach", record=made.record, files=[Upload("现场.txt", "照片说明".encode())])
    tell_outbox()
    before, target = _count(), tmp_path / "whole.tar"
    manifest = save(target, backup._address())
    assert (manifest["records"], manifest["entries"]) == before
    assert target.stat().st_mode & 0o077 == 0
    raw = target.read_bytes()
    assert not [word for word in ("井盖坏了，请修", "已电话核实", made.number) if word.encode() in raw]

    owner = elsewhere()
    restore(target, owner)
    assert _count() == before
    with acting(crew.operator):
        record = Register.objects.get(number=made.number)
        assert record.facts.detail == "井盖坏了，请修"
        assert "已电话核实" in str([line.words for line in timeline(record, crew.operator)])
        assert Attachment.objects.get(record=record).name == "现场.txt"
    done = act(crew.handler, "request", "accept", record=made.record, version=made.version)
    assert done.stage == "working"
    fresh = act(portal_actor(), "request", "file", form={"detail": "新的一条", "place": crew.places["city"]})
    assert fresh.number > made.number  # numbers go on where they were
    assert tell_outbox() == 2  # what came after the backup, and nothing of before it a second time
    seal()
    report = verify(seal_keys().verifiers)  # the restored city is the one that its own ledger tells of
    assert replay(report) == 0
    assert report.findings == []
    with pytest.raises(BackupError, match="已有"):
        restore(target, owner)


def test_an_old_backup_is_told_from_the_city_by_a_checkpoint_of_outside(
    crew: People, request_in: Make, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    request_in("working")
    seal()
    target = tmp_path / "old.tar"
    save(target, backup._address())
    request_in("answered")
    published, keys = seal().checkpoint, seal_keys().verifiers
    assert published is not None
    restore(target, elsewhere())
    assert verify(keys).ok  # by itself it is a shorter, good history
    report = verify(keys, [published])
    assert [found.kind for found in report.findings] == ["cut"]


def test_without_its_key_nothing_is_restored(crew: People, elsewhere: Callable[..., str], tmp_path: Path) -> None:
    target = tmp_path / "whole.tar"
    save(target, backup._address())
    owner = elsewhere(keys=False)
    with pytest.raises(BackupError, match="密钥文件"):
        restore(target, owner)
    assert not key_file().exists()  # a new one would hide that the right one is missing
    backup.fingerprint()  # makes a key, as any first use does: not the backup's
    with pytest.raises(BackupError, match="不是这个备份"):
        restore(target, owner)


def test_a_backup_that_was_changed_or_cut_off_is_refused_and_leaves_nothing(
    crew: People, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    target, cut, other = tmp_path / "whole.tar", tmp_path / "cut.tar", tmp_path / "other.tar"
    save(target, backup._address())
    cut.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    other.write_text("no backup")
    with tarfile.open(target) as whole, tarfile.open(tmp_path / "swapped.tar", "w") as swapped:
        said = whole.extractfile("manifest.json")
        assert said is not None
        text = said.read()
        for name in ("manifest.json", "database.dump"):  # in the dump's place stands something else
            member = tarfile.TarInfo(name)
            member.size = len(text)
            swapped.addfile(member, BytesIO(text))
    owner = elsewhere()
    for wrong in (cut, other, tmp_path / "swapped.tar", tmp_path / "nowhere.tar"):
        with pytest.raises(BackupError):
            restore(wrong, owner)
    restore(target, owner)  # nothing of the attempts stands in the way
    assert _count()[1] > 0


def test_a_backup_whose_attachments_are_missing_or_changed_is_refused(
    crew: People, request_in: Make, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    made = request_in("assigned", detail="井盖坏了，请修")
    act(crew.operator, "request", "attach", record=made.record, files=[Upload("现场.txt", "照片说明".encode())])
    target = tmp_path / "whole.tar"
    save(target, backup._address())
    with tarfile.open(target) as whole:
        members = [(member, whole.extractfile(member)) for member in whole.getmembers()]
        held = [(member, file.read() if file else b"") for member, file in members]
    first = next(place for place, (member, _) in enumerate(held) if member.name.startswith("files/"))
    member, stored = held[first]
    wrong = {
        "cut between two members": held[:first],
        "one taken out": held[:first] + held[first + 1 :],
        "one changed": [*held[:first], (member, bytes([stored[0] ^ 1]) + stored[1:]), *held[first + 1 :]],
        "without the list": held[:-1],
    }
    owner = elsewhere()
    for name, kept in wrong.items():
        with tarfile.open(tmp_path / name, "w") as tar:
            for member, stored in kept:
                tar.addfile(member, BytesIO(stored))
        with pytest.raises(BackupError, match="已经损坏"):
            restore(tmp_path / name, owner)
    restore(target, owner)
    assert _count()[1] > 0


def test_a_backup_overwrites_nothing_and_needs_its_folder(crew: People, tmp_path: Path) -> None:
    held = tmp_path / "held.tar"
    held.write_text("mine")
    for target in (held, tmp_path / "no folder" / "b.tar"):
        with pytest.raises(BackupError):
            save(target, backup._address())
    assert held.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["held.tar"]


def test_a_restore_that_fails_half_way_leaves_an_empty_database(
    crew: People, elsewhere: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "whole.tar"
    save(target, backup._address())
    owner = elsewhere()
    real = backup._into_the_past

    def broken(held: Any) -> None:
        real(held)
        raise KeyboardInterrupt

    monkeypatch.setattr(backup, "_into_the_past", broken)
    with pytest.raises(KeyboardInterrupt):
        restore(target, owner)
    monkeypatch.setattr(backup, "_into_the_past", real)
    restore(target, owner)
    assert _count()[1] > 0


def test_a_dropped_master_key_ends_what_a_backup_reveals(
    crew: People, request_in: Make, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    request_in("assigned", detail="井盖坏了，请修")
    target = tmp_path / "whole.tar"
    save(target, backup._address())
    old = rotation.masters()[0].id
    rotation.rotate(wait=0)
    rotation.drop(old)
    owner = elsewhere()
    with pytest.raises(BackupError, match="已经销毁"):
        restore(target, owner)
    assert not (tmp_path / "home" / "restoring").exists()


def test_a_backup_of_the_release_before_is_restored(
    crew: People, request_in: Make, elsewhere: Callable[..., str], tmp_path: Path
) -> None:
    """Its dump was not sealed."""
    request_in("assigned", detail="井盖坏了，请修")
    target, before, held = tmp_path / "whole.tar", tmp_path / "before.tar", tmp_path / "held"
    manifest = save(target, backup._address())
    with tarfile.open(target) as tar:
        tar.extractall(held, filter="data")
    sealed.unseal(held / "database.dump", held / "plain", keys.unwrap(base64.b64decode(manifest.pop("sealed"))))
    (held / "plain").replace(held / "database.dump")
    manifest |= {"format": 2, "dump": backup._digest(held / "database.dump")}
    (held / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(before, "w") as tar:
        for name in ("manifest.json", "database.dump", "files", "files.sha256"):
            if (held / name).exists():
                tar.add(held / name, name)
    count = _count()
    restore(before, elsewhere())
    assert _count() == count


@given(content=st.binary(max_size=200), piece=st.integers(1, 40))
def test_a_sealed_file_opens_whole_or_not_at_all(content: bytes, piece: int) -> None:
    key, other = keys.new_key(), keys.new_key()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "PIECE", piece)
        folder = Path(name)
        sealed.seal(BytesIO(content), folder / "a", key)
        sealed.unseal(folder / "a", folder / "b", key)
        assert (folder / "b").read_bytes() == content
        whole = (folder / "a").read_bytes()
        step = piece + 16
        wrong = [whole[:-1], whole + b"x", whole[step:], whole[:step] + whole, bytes([whole[0] ^ 1]) + whole[1:], b""]
        wrong += [whole[:step]] if len(whole) > step else []
        for number, damaged in enumerate(wrong):
            (folder / f"c{number}").write_bytes(damaged)
            with pytest.raises(sealed.Unreadable):
                sealed.unseal(folder / f"c{number}", folder / f"d{number}", key)
        with pytest.raises(sealed.Unreadable):
            sealed.unseal(folder / "a", folder / "e", other)
