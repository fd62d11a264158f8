"""The attachment store: whole or not at all, readable only with its record's key."""

import hashlib
import io
import os
import subprocess
import sys
import textwrap
import time
from uuid import UUID

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gongzhi.home import home
from gongzhi.kernel import keys, vault

RECORD, OTHER = UUID(int=1), UUID(int=2)
KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("GONGZHI_HOME", str(tmp_path / "共治 home"))
    monkeypatch.delenv("GONGZHI_MASTER_KEY_FILE", raising=False)
    keys.forget_keyring()
    yield
    keys.forget_keyring()


@pytest.fixture
def tight():
    with override_settings(ATTACHMENT_LIMITS={"file": 1000, "act": 2500, "files": 3}):
        yield


def files():
    return sorted(path for path in (home() / "files").rglob("*") if path.is_file())


def text(content="字" * 100, name="说明.txt"):
    return vault.Upload(name, content.encode())


def read(kept, key=KEY):
    return b"".join(vault.open_stored(kept, key))


def test_kept_and_read():
    [kept] = vault.store(RECORD, KEY, [text()])
    assert (kept.record_id, kept.name, kept.media_type, kept.size) == (RECORD, "说明.txt", "text/plain", 300)
    assert read(kept) == ("字" * 100).encode()
    [path] = files()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.name == kept.address
    assert kept.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "字".encode() not in path.read_bytes()


def test_an_open_file_is_read_from_its_beginning():
    file = io.BytesIO(b"hello")
    file.read()
    [kept] = vault.store(RECORD, KEY, [vault.Upload("a.txt", file)])
    assert read(kept) == b"hello"


@pytest.mark.parametrize("size", [1, vault.CHUNK - 1, vault.CHUNK, vault.CHUNK + 1, 3 * vault.CHUNK, 5_000_000])
def test_every_size(size):
    [kept] = vault.store(RECORD, KEY, [text("a" * size)])
    chunks = list(vault.open_stored(kept, KEY))
    assert b"".join(chunks) == b"a" * size
    assert max(map(len, chunks)) <= vault.CHUNK


def test_equal_files_have_addresses_of_their_own():
    one, two = vault.store(RECORD, KEY, [text(), text()])
    assert one.address != two.address
    assert one.digest != two.digest
    vault.discard([one])
    assert read(two)
    with pytest.raises(vault.Missing):
        vault.open_stored(one, KEY)
    vault.discard([one])


def test_another_key_record_or_address_opens_nothing():
    one, two = vault.store(RECORD, KEY, [text(), text("另一个")])
    with pytest.raises(keys.Tampered):
        vault.open_stored(one, keys.new_key())
    with pytest.raises(keys.Tampered):
        vault.open_stored(vault.Stored(OTHER, one.address, "", "", 0, ""), KEY)
    first, second = files()
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    for kept in (one, two):
        with pytest.raises(keys.Tampered):
            vault.open_stored(kept, KEY)


@pytest.mark.parametrize("address", ["", "../../keys/master", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_only_addresses_become_paths(address):
    with pytest.raises(ValueError, match="not an address"):
        vault.open_stored(vault.Stored(RECORD, address, "", "", 0, ""), KEY)


@given(st.data())
@examples(max_examples=60, deadline=None)
def test_no_change_goes_unseen(data):
    [kept] = vault.store(RECORD, KEY, [text("b" * (2 * vault.CHUNK + 10))])
    [path] = [path for path in files() if path.name == kept.address]
    content = path.read_bytes()
    sealed = vault.CHUNK + 16
    first, second, third = content[1 : 1 + sealed], content[1 + sealed : 1 + 2 * sealed], content[1 + 2 * sealed :]
    flip = data.draw(st.integers(0, len(content) - 1))
    changes = [
        content[:flip] + bytes([content[flip] ^ 1]) + content[flip + 1 :],
        content[: data.draw(st.integers(0, len(content) - 1))],
        content[: 1 + sealed],  # cut between chunks
        content[: 1 + 2 * sealed],
        content[:1] + second + first + third,
        content[:1] + first + second + second + third,
        content[:1] + first + third,
        content + b"x",
        content + third,
    ]
    path.write_bytes(data.draw(st.sampled_from(changes)))
    with pytest.raises(keys.Tampered):
        read(kept)
    path.unlink()


def test_all_or_none(tight):
    bad = vault.Upload("照片.jpg", b"MZ" + bytes(50))
    with pytest.raises(vault.Rejected, match="程序"):
        vault.store(RECORD, KEY, [text(), text(), bad])
    assert files() == []


def test_limits(tight):
    assert len(vault.store(RECORD, KEY, [text("a" * 1000)])) == 1
    before = files()
    with pytest.raises(vault.Rejected, match="“大.txt”超过 1 KB"):
        vault.store(RECORD, KEY, [text("a" * 1001, "/tmp/大.txt")])
    with pytest.raises(vault.Rejected, match="超过 1 KB"):
        vault.store(RECORD, KEY, [vault.Upload("大.txt", io.BytesIO(b"a" * 5000))])
    with pytest.raises(vault.Rejected, match="合起来超过 2 KB"):
        vault.store(RECORD, KEY, [text("a" * 900)] * 3)
    with pytest.raises(vault.Rejected, match="最多上传 3 个文件，这次有 4 个"):
        vault.store(RECORD, KEY, [text("a")] * 4)
    assert files() == before
    assert vault.store(RECORD, KEY, []) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    """The kernel's own file size limit stands in for the full disk: a real write that really fails half way."""
    program = textwrap.dedent("""
        import resource, signal, sys
        from uuid import UUID
        from django.conf import settings
        settings.configure()
        import django
        django.setup()
        from gongzhi.kernel import keys, vault
        keys.keyring()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        small, large = vault.Upload("a.txt", b"a"), vault.Upload("b.txt", b"b" * 200_000)
        try:
            vault.store(UUID(int=1), bytes(32), [small, large])
        except vault.NoRoom as error:
            print(error)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "磁盘已满" in done.stdout
    assert files() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_other_faults_of_the_disk_are_not_called_full(tmp_path):
    vault.store(RECORD, KEY, [text()])
    folder = files()[0].parent.parent
    folder.chmod(0o500)
    with pytest.raises(PermissionError):
        for _ in range(300):
            vault.store(RECORD, KEY, [text()])
    folder.chmod(0o700)


def test_speed_is_printed(record_property):
    upload = text("a" * 10_000_000)
    start = time.perf_counter()
    [kept] = vault.store(RECORD, KEY, [upload])
    stored = time.perf_counter() - start
    start = time.perf_counter()
    for _ in vault.open_stored(kept, KEY):
        pass
    opened = time.perf_counter() - start
    record_property("store_mb_s", 10 / stored)
    print(f"store {10 / stored:.0f} MB/s (fsync included), open {10 / opened:.0f} MB/s")
