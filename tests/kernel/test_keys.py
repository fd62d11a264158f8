"""Keys: made once, kept from others, and ciphertexts that open only where they belong."""

import hmac
import os
import subprocess
import sys
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gongzhi.kernel import keys
from gongzhi.kernel.normal import normal


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("GONGZHI_HOME", str(tmp_path / "共治 home"))
    monkeypatch.delenv("GONGZHI_MASTER_KEY_FILE", raising=False)
    keys.forget_keyring()
    yield
    keys.forget_keyring()


RECORD, OTHER = UUID(int=1), UUID(int=2)
WORDS = {"detail": {"old": None, "new": "路灯不亮, 晚上看不见", "salt": "00" * 16}, "remark": {"new": "😀𠮷"}}


def test_key_file_is_made_once_and_private():
    wrapped = keys.wrap(key := keys.new_key())
    path = keys.key_file()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["master"]
    keys.forget_keyring()
    assert keys.unwrap(wrapped) == key
    assert len(wrapped) == keys.WRAPPED_BYTES


def test_many_processes_make_one_key():
    code = "from gongzhi.kernel import keys; print(keys.wrap(bytes(range(32))).hex())"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    wrapped = [process.communicate(timeout=60)[0].strip() for process in started]
    assert all(process.returncode == 0 for process in started)
    assert {keys.unwrap(bytes.fromhex(text)) for text in wrapped} == {bytes(range(32))}
    assert [entry.name for entry in keys.key_file().parent.iterdir()] == ["master"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o601])
def test_a_key_file_open_to_others_is_refused(mode):
    keys.wrap(keys.new_key())
    keys.key_file().chmod(mode)
    keys.forget_keyring()
    with pytest.raises(keys.KeyFileError, match="chmod 600"):
        keys.wrap(keys.new_key())


def test_named_key_file(tmp_path, monkeypatch):
    wrapped = keys.wrap(key := keys.new_key())
    moved = tmp_path / "elsewhere"
    keys.key_file().rename(moved)
    monkeypatch.setenv("GONGZHI_MASTER_KEY_FILE", str(moved))
    keys.forget_keyring()
    assert keys.unwrap(wrapped) == key
    monkeypatch.setenv("GONGZHI_MASTER_KEY_FILE", str(tmp_path / "typo"))
    keys.forget_keyring()
    with pytest.raises(keys.KeyFileError, match="不存在"):
        keys.unwrap(wrapped)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "content", ["", "master abc\n", "master\n", "nonsense", "\xff", "index {key}\n", "master {key}\n"]
)
def test_a_damaged_key_file_is_refused_and_left_alone(content):
    keys.wrap(keys.new_key())
    path = keys.key_file()
    content = content.format(key="A" * 43 + "=")
    path.write_text(content)
    keys.forget_keyring()
    with pytest.raises(keys.KeyFileError, match="备份"):
        keys.wrap(keys.new_key())
    assert path.read_text() == content


def test_a_folder_instead_of_the_key_file_is_refused():
    keys.key_file().mkdir(parents=True)
    with pytest.raises(keys.KeyFileError):
        keys.wrap(keys.new_key())


def test_an_older_master_key_still_opens_and_the_first_one_wraps():
    old = keys.wrap(key := keys.new_key())
    path = keys.key_file()
    lines = path.read_text().splitlines()
    hash_before = keys.keyed_hash("phone", "13805171234")
    path.write_text("\n".join(["master " + "A" * 43 + "=", *lines]))
    keys.forget_keyring()
    assert keys.unwrap(old) == key
    new = keys.wrap(key)
    assert new[1:5] != old[1:5]
    assert keys.keyed_hash("phone", "13805171234") == hash_before  # search outlives a change of master key
    path.write_text("\n".join(lines))
    keys.forget_keyring()
    with pytest.raises(keys.UnknownMasterKey, match=new[1:5].hex()):
        keys.unwrap(new)


def test_destroyed_and_tampered_keys():
    for gone in (None, b""):
        with pytest.raises(keys.KeyDestroyed):
            keys.unwrap(gone)
    wrapped = keys.wrap(keys.new_key())
    for place in (0, 5, 20, 64):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        with pytest.raises(keys.Tampered):
            keys.unwrap(bytes(changed))
    with pytest.raises(keys.Tampered):
        keys.unwrap(wrapped[:-1])
    with pytest.raises(ValueError, match="32 bytes"):
        keys.wrap(b"short")


def test_words_open_only_in_their_own_entry():
    key = keys.new_key()
    entry = uuid4()
    sealed = keys.seal_words(key, RECORD, entry, WORDS)
    assert keys.open_words(key, RECORD, entry, sealed) == WORDS
    assert keys.open_words(key, RECORD, entry, memoryview(sealed)) == WORDS
    numbered = keys.seal_words(key, RECORD, 3, WORDS)
    assert keys.open_words(key, RECORD, 3, numbered) == WORDS
    assert "路灯".encode() not in sealed
    for args in [(key, OTHER, entry), (key, RECORD, uuid4()), (keys.new_key(), RECORD, entry), (key, RECORD, 1)]:
        with pytest.raises(keys.Tampered):
            keys.open_words(*args, sealed)
    for args in [(key, RECORD, 4), (key, RECORD, UUID(int=3))]:
        with pytest.raises(keys.Tampered):
            keys.open_words(*args, numbered)


def test_fields_open_only_for_their_person_and_column():
    key = keys.new_key()
    sealed = keys.seal_field(key, RECORD, "name", "张三")
    assert keys.open_field(key, RECORD, "name", sealed) == "张三"
    for args in [(key, OTHER, "name"), (key, RECORD, "phone"), (keys.new_key(), RECORD, "name")]:
        with pytest.raises(keys.Tampered):
            keys.open_field(*args, sealed)
    words = keys.seal_words(key, RECORD, 1, WORDS)
    with pytest.raises(keys.Tampered):
        keys.open_field(key, RECORD, "name", words)
    for short in (b"", b"\1", sealed[:-1], sealed[:28]):
        with pytest.raises(keys.Tampered):
            keys.open_field(key, RECORD, "name", short)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.integers(0))
def test_every_bit_counts(text, position):
    key = bytes(32)
    sealed = bytearray(keys.seal_field(key, RECORD, "name", text))
    assert keys.open_field(key, RECORD, "name", bytes(sealed)) == text
    sealed[position % len(sealed)] ^= 1 << position % 8
    with pytest.raises(keys.Tampered):
        keys.open_field(key, RECORD, "name", bytes(sealed))


@pytest.mark.parametrize(
    "written",
    ["13805171234", "１３８０５１７１２３４", "138 0517 1234", "138-0517-1234", "+86 138 0517 1234", "+８６１３８０５１７１２３４",
     "86 13805171234", "0086-138-0517-1234", "(+86)13805171234", " 13805171234\u202c", "138\u30000517\u30001234"],
)  # fmt: skip
def test_one_phone_written_in_many_ways(written):
    assert normal("phone", written) == "13805171234"
    assert keys.keyed_hash("phone", written) == keys.keyed_hash("phone", "13805171234")


@pytest.mark.parametrize(
    ("written", "plain"),
    [("0517-8366 1234", "051783661234"), ("+86 517 8366 1234", "051783661234"), ("+86 0517 83661234", "051783661234"),
     ("+86 10 6552 9988", "01065529988"), ("400-810-1234", "4008101234"), ("+86 400 810 1234", "4008101234"),
     ("12345", "12345"), ("8612345", "8612345"), ("0517–83661234转8001", "051783661234转8001")],
)  # fmt: skip
def test_other_phones(written, plain):
    assert normal("phone", written) == plain


def test_chance_is_given_once():
    chance = keys.drawn()
    given = [chance(count) for count in (12, 32, 16_380, 40_000, 16, 16)]
    assert [len(one) for one in given] == [12, 32, 16_380, 40_000, 16, 16]
    pieces = [one[start : start + 12] for one in given for start in range(0, len(one) - 11, 12)]
    assert len(set(pieces)) == len(pieces)


def test_hashes_by_purpose_and_installation(monkeypatch, tmp_path):
    assert keys.keyed_hash("name", "张 三") == keys.keyed_hash("name", "张三")
    assert keys.keyed_hash("identity", "32080119900101123ｘ") == keys.keyed_hash("identity", "32080119900101123X")
    assert keys.keyed_hash("name", "1") != keys.keyed_hash("phone", "1")
    assert keys.keyed_hash("file", b" a") != keys.keyed_hash("file", b"a")
    assert keys.keyed_hash("file", b"a") == hmac.digest(keys.keyring().index, b"file\0a", "sha256")
    here = keys.keyed_hash("name", "张三")
    monkeypatch.setenv("GONGZHI_HOME", str(tmp_path / "another"))
    assert keys.keyed_hash("name", "张三") != here


def test_speeds_are_printed(record_property):
    key, entry = keys.new_key(), uuid4()
    wrapped, field = keys.wrap(key), keys.seal_field(key, RECORD, "name", "张三")
    sealed = keys.seal_words(key, RECORD, entry, WORDS)
    for name, call in {
        "wrap": lambda: keys.wrap(key),
        "unwrap": lambda: keys.unwrap(wrapped),
        "seal_field": lambda: keys.seal_field(key, RECORD, "name", "张三"),
        "open_field": lambda: keys.open_field(key, RECORD, "name", field),
        "seal_words": lambda: keys.seal_words(key, RECORD, entry, WORDS),
        "open_words": lambda: keys.open_words(key, RECORD, entry, sealed),
        "keyed_hash": lambda: keys.keyed_hash("phone", "+86 138-0517-1234"),
    }.items():
        start = time.perf_counter()
        for _ in range(2000):
            call()
        spent = (time.perf_counter() - start) / 2000 * 1e6
        record_property(f"{name}_us", spent)
        print(f"{name}: {spent:.1f} µs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_key_file_is_one_sentence():
    keys.wrap(keys.new_key())
    keys.key_file().chmod(0)
    keys.forget_keyring()
    with pytest.raises(keys.KeyFileError, match="读不到"):
        keys.wrap(keys.new_key())
