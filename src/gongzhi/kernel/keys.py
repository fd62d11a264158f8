"""Keys: what makes a record's words and a person's fields readable, and unreadable for ever.

One key file holds the installation's two secrets: the **master** key, which wraps every other key, and the **index**
key of the keyed hashes (equality search, attachment addresses), which stays when the master key is changed. Each record
and each person has a key of its own, kept in the database only in wrapped form. Destroying that wrapped key erases the
words; nothing here caches an unwrapped key, so a destroyed one is gone at once.

Every ciphertext is AES-256-GCM and begins with a version byte. A wrapped key also names its master key, so that several
master keys can live side by side while keys are wrapped again. The associated data binds a ciphertext to the place it
belongs to (record and entry, person and column): moved elsewhere it does not open.

Limits. Nonces are 96 random bits, so one key may seal at most 2**32 texts (NIST SP 800-38D, 8.3): the master key wraps
no more than 4 billion keys, and a record or a person is far below. Whoever holds the key file and the database reads
everything; a backup of the database keeps the wrapped keys of its day.
"""

import base64
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext as _

from gongzhi.home import home, put
from gongzhi.kernel.normal import normal

KEY_BYTES = 32
WRAPPED_BYTES = 65  # version 1, master key id 4, nonce 12, key 32, tag 16

_VERSION = b"\x01"
_NONCE = 12
_TAG = 16
_ID = 4

Words = Mapping[str, Mapping[str, object]]


class KeysError(Exception):
    """The base of what can go wrong with keys and ciphertexts."""


class KeyFileError(KeysError):
    """The key file is missing where it was promised, damaged, or readable by others. The sentence names the way out."""


class KeyDestroyed(KeysError):
    """The key of a record or person is gone; its words can never be read again."""


class UnknownMasterKey(KeysError):
    """A key was wrapped by a master key that the key file does not hold."""


class Tampered(KeysError):
    """A ciphertext does not open: it was changed, moved from another place, or belongs to another key."""


@dataclass(frozen=True, repr=False)
class KeyRing:
    """The secrets of one key file: master keys by their id, the id in use, and the index key."""

    masters: Mapping[bytes, AESGCM]
    current: bytes
    index: bytes


# --- the key file ---------------------------------------------------------------------------------------------------

_HEADER = """\
# Key file of this gongzhi installation. Without it no personal data and no history can be read, by anyone, ever.
# Keep a copy apart from the database's backups. The first "master" line is the one in use.
"""


def key_file() -> Path:
    """Return the key file's path: ``GONGZHI_MASTER_KEY_FILE``, else ``keys/master`` in GONGZHI_HOME."""
    named = os.environ.get("GONGZHI_MASTER_KEY_FILE")
    return Path(named).absolute() if named else home() / "keys" / "master"


def keyring() -> KeyRing:
    """Return the installation's keys, made on first use. Raises KeyFileError.

    A running process takes a changed file within a second; one that has vanished it goes on without, until it ends.
    """
    where = os.environ.get("GONGZHI_MASTER_KEY_FILE"), os.environ.get("GONGZHI_HOME")
    again, stamp = _looked.get(where, (0.0, None))
    if time.monotonic() >= again:
        try:
            seen = key_file().stat()
            stamp = (seen.st_ino, seen.st_mtime_ns)
        except FileNotFoundError:
            pass
        _looked[where] = time.monotonic() + _LOOK_SECONDS, stamp
    return _load(*where, stamp)


_LOOK_SECONDS = 1.0
_looked: dict[tuple[str | None, str | None], tuple[float, Any]] = {}


def forget_keyring() -> None:
    """Read the key file again at the next use: for tests, and after the file was changed."""
    _looked.clear()
    _load.cache_clear()


@lru_cache(maxsize=4)
def _load(named: str | None, _home: str | None, _stamp: Any) -> KeyRing:
    path = key_file()  # what is remembered hangs on the two variables: making a path costs more than wrapping a key
    if not path.exists():
        if named:  # a file someone named is never invented: that would hide a typo
            raise KeyFileError(
                _("密钥文件 {path} 不存在。请检查 GONGZHI_MASTER_KEY_FILE，或放回原来的密钥文件。").format(path=path)
            )
        _make(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(64_000)
    except OSError as error:
        raise KeyFileError(
            _("读不到密钥文件 {path}：{strerror}。").format(path=path, strerror=error.strerror)
        ) from error
    if not stat.S_ISREG(mode):
        raise KeyFileError(_("{path} 不是普通文件，不能作为密钥文件。").format(path=path))
    if mode & 0o077:
        raise KeyFileError(
            _("密钥文件 {path} 可以被其他用户读取，已拒绝使用。请运行：chmod 600 '{path}'").format(path=path)
        )
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> KeyRing:
    masters: list[bytes] = []
    index: list[bytes] = []
    try:
        for line in content.decode("ascii").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            name, text = line.split()[:2]  # a master may say since when it is there
            key = base64.b64decode(text, validate=True)
            if len(key) != KEY_BYTES:
                raise ValueError("a key has 32 bytes")
            {"master": masters, "index": index}[name].append(key)
        if not masters or len(index) != 1:
            raise ValueError("one index key and at least one master key are needed")
    except (ValueError, KeyError) as error:
        raise KeyFileError(
            _("密钥文件 {path} 已损坏。请从备份中恢复它；不要删除或新建，否则旧数据再也读不出。").format(path=path)
        ) from error
    return KeyRing({_key_id(key): AESGCM(key) for key in masters}, _key_id(masters[0]), index[0])


def master_id(line: str) -> bytes | None:
    """Return the id of the master key in a line of the key file, None where the line holds none."""
    name, _space, rest = line.partition(" ")
    return _key_id(base64.b64decode(rest.split()[0])) if name == "master" and rest.strip() else None


def master_dates() -> dict[bytes, date]:
    """Return since when each master key is in the file, by its id, as far as the file says."""
    dates = {}
    for line in key_file().read_text(encoding="ascii").splitlines():
        name, parts = master_id(line), line.split()
        if name is not None and len(parts) == 3:
            with suppress(ValueError):
                dates[name] = date.fromisoformat(parts[2])
    return dates


def put_masters(change: Callable[[list[str]], list[str]]) -> None:
    """Write the key file anew, whole and durable, with its lines changed. Raises KeyFileError: nothing was changed then."""
    keyring()
    path = key_file()
    lines = [
        line for line in path.read_text(encoding="ascii").splitlines() if line.strip() and not line.startswith("#")
    ]
    content = _HEADER + "".join(f"{line}\n" for line in change(lines))
    _parse(path, content.encode())
    try:
        put(path, content)
    except OSError as error:
        raise KeyFileError(
            _("写不了密钥文件 {path}：{strerror}。").format(path=path, strerror=error.strerror)
        ) from error
    forget_keyring()


def _key_id(master: bytes) -> bytes:
    return hashlib.sha256(b"gongzhi master key id\0" + master).digest()[:_ID]


def _make(path: Path) -> None:
    """Write a fresh key file, or leave the one that another process made first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{name} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n" for name in ("master", "index")]
    put(path, _HEADER + "".join(lines), fresh=True)


# --- keys of records and persons ------------------------------------------------------------------------------------


def new_key() -> bytes:
    """Return a fresh 32-byte key for one record or one person."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(key: bytes, ring: KeyRing | None = None) -> bytes:
    """Return a key in the form the database keeps: 65 bytes, readable only with the master key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, this one has {len(key)}")
    ring = ring or keyring()
    head = _VERSION + ring.current
    nonce = os.urandom(_NONCE)
    return head + nonce + ring.masters[ring.current].encrypt(nonce, key, b"key" + head)


def unwrap(wrapped: bytes | memoryview | None) -> bytes:
    """Return the key. Raises KeyDestroyed where none is left, UnknownMasterKey, Tampered."""
    if not wrapped:
        raise KeyDestroyed(_("密钥已销毁，内容不可恢复。"))
    data = bytes(wrapped)
    head = data[: 1 + _ID]
    if len(data) != WRAPPED_BYTES or head[:1] != _VERSION:
        raise Tampered(_("封装的密钥格式不对，可能被改动过。"))
    master = _master(head[1:])
    if master is None:
        raise UnknownMasterKey(
            _("密钥文件里没有编号 {value} 的主密钥，无法解开。请放回写入这些数据时的密钥文件。").format(
                value=head[1:].hex()
            )
        )
    try:
        return master.decrypt(data[1 + _ID : 1 + _ID + _NONCE], data[1 + _ID + _NONCE :], b"key" + head)
    except InvalidTag:
        raise Tampered(_("封装的密钥解不开，可能被改动过。")) from None


def _master(name: bytes) -> AESGCM | None:
    """Return the master key of this id; the file is read again for one that another process may just have begun to use."""
    held = keyring().masters.get(name)
    if held is None:
        _looked.clear()
        held = keyring().masters.get(name)
    return held


# --- what is sealed with them ---------------------------------------------------------------------------------------


def seal_words(record_key: bytes, record_id: UUID, entry: UUID | int, words: Words) -> bytes:
    """Return the encrypted words of one entry.

    ``words`` are plain JSON values by field name (old and new text, and the salt of each digest as a hexadecimal
    string); ``entry`` is the entry's id or its number within the record. The same pair is needed to open them.
    """
    return _seal(record_key, orjson.dumps(words), _words_place(record_id, entry))


def open_words(
    record_key: bytes, record_id: UUID, entry: UUID | int, sealed: bytes | memoryview
) -> dict[str, dict[str, object]]:
    """Return the words of one entry. Raises Tampered."""
    result: dict[str, dict[str, object]] = orjson.loads(_open(record_key, sealed, _words_place(record_id, entry)))
    return result


def seal_field(person_key: bytes, party_id: UUID, column: str, text: str) -> bytes:
    """Return one encrypted field of a person."""
    return seal_fields(person_key, party_id, {column: text})[column]


def seal_fields(person_key: bytes, party_id: UUID, texts: Mapping[str, str]) -> dict[str, bytes]:
    """Return the encrypted fields of a person, by column."""
    cipher, place, fresh = AESGCM(person_key), b"field\0" + party_id.bytes, os.urandom(_NONCE * len(texts))
    sealed = {}
    for start, (column, text) in zip(range(0, len(fresh), _NONCE), texts.items(), strict=True):
        nonce = fresh[start : start + _NONCE]
        sealed[column] = _VERSION + nonce + cipher.encrypt(nonce, text.encode(), place + column.encode())
    return sealed


def open_field(person_key: bytes, party_id: UUID, column: str, sealed: bytes | memoryview) -> str:
    """Return the text of a person's field. Raises Tampered."""
    return _open(person_key, sealed, b"field\0" + party_id.bytes + column.encode()).decode()


def _words_place(record_id: UUID, entry: UUID | int) -> bytes:
    if isinstance(entry, int):
        return b"words\0" + record_id.bytes + b"n" + entry.to_bytes(8)
    return b"words\0" + record_id.bytes + b"i" + entry.bytes


def _seal(key: bytes, content: bytes, place: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, content, place)


def _open(key: bytes, sealed: bytes | memoryview, place: bytes) -> bytes:
    data = bytes(sealed)
    if len(data) < 1 + _NONCE + _TAG or data[:1] != _VERSION:
        raise Tampered(_("密文格式不对，可能被改动过。"))
    try:
        return AESGCM(key).decrypt(data[1 : 1 + _NONCE], data[1 + _NONCE :], place)
    except InvalidTag:
        raise Tampered(_("密文解不开：内容被改动、被挪用，或密钥不符。")) from None


# --- what no record or person has a key for --------------------------------------------------------------------------


def seal_secret(purpose: str, secret: bytes) -> bytes:
    """Return a secret of the installation's own, sealed under the master key; ``purpose`` binds it to where it belongs."""
    ring = keyring()
    head = _VERSION + ring.current
    nonce = os.urandom(_NONCE)
    return head + nonce + ring.masters[ring.current].encrypt(nonce, secret, b"secret" + head + purpose.encode())


def open_secret(purpose: str, sealed: bytes | memoryview) -> bytes:
    """Return the secret. Raises UnknownMasterKey, Tampered."""
    data = bytes(sealed)
    head = data[: 1 + _ID]
    if len(data) < 1 + _ID + _NONCE + _TAG or head[:1] != _VERSION:
        raise Tampered(_("封装的密钥格式不对，可能被改动过。"))
    master = _master(head[1:])
    if master is None:
        raise UnknownMasterKey(_("密钥文件里没有封装这个密钥的主密钥，无法解开。请放回写入这些数据时的密钥文件。"))
    nonce = data[1 + _ID : 1 + _ID + _NONCE]
    try:
        return master.decrypt(nonce, data[1 + _ID + _NONCE :], b"secret" + head + purpose.encode())
    except InvalidTag:
        raise Tampered(_("封装的密钥解不开，可能被改动过。")) from None


# --- keyed hashes ---------------------------------------------------------------------------------------------------


def keyed_hash(purpose: str, content: str | bytes, ring: KeyRing | None = None) -> bytes:
    """Return the 32-byte keyed hash by which equal values are found without reading them.

    Text is brought to its usual form first (``normal``), so that the same phone written in two ways is found; bytes are
    taken as they are. Hashes of different purposes cannot be compared with each other.
    """
    data = normal(purpose, content).encode() if isinstance(content, str) else content
    inner, outer = (begun.copy() for begun in _begun((ring or keyring()).index))
    inner.update(purpose.encode() + b"\0" + data)
    outer.update(inner.digest())
    made: bytes = outer.digest()
    return made


@lru_cache(maxsize=4)
def _begun(key: bytes) -> tuple[Any, Any]:
    """Return the two hashes of HMAC-SHA256 (RFC 2104) after the key: begun once, a hash costs a third of ``hmac.digest``."""
    block = key.ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
