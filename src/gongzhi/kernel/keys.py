"""Keys: what makes a record's words and a person's fields readable, and unreadable for ever.

The installation has two secrets (``kernel.keyring`` says where they come from): the **master** key, which wraps every other key, and the **index**
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

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext as _

from gongzhi.kernel.keyring import (
    ID_BYTES,
    KEY_BYTES,
    KeyFileError,
    KeyRing,
    KeysError,
    forget_keyring,
    in_environment,
    key_file,
    keyring,
    look_again,
)
from gongzhi.kernel.normal import normal

__all__ = [
    "KEY_BYTES", "WRAPPED_BYTES", "KeyDestroyed", "KeyFileError", "KeyRing", "KeysError", "Tampered", "UnknownMasterKey",
    "Words", "forget_keyring", "in_environment", "key_file", "keyed_hash", "keyring", "new_key", "open_field", "open_secret",
    "open_words", "seal_field", "seal_fields", "seal_secret", "seal_words", "unwrap", "wrap",
]  # fmt: skip
WRAPPED_BYTES = 65  # version 1, master key id 4, nonce 12, key 32, tag 16

_VERSION = b"\x01"
_NONCE = 12
_TAG = 16

Words = Mapping[str, Mapping[str, object]]


class KeyDestroyed(KeysError):
    """The key of a record or person is gone; its words can never be read again."""


class UnknownMasterKey(KeysError):
    """A key was wrapped by a master key that the key file does not hold."""


class Tampered(KeysError):
    """A ciphertext does not open: it was changed, moved from another place, or belongs to another key."""


# --- keys of records and persons ------------------------------------------------------------------------------------


Chance = Callable[[int], bytes]
"""Gives so many random bytes of the system's, each of them once."""
_DRAWN = 2**14


def drawn() -> Chance:
    """Return chance that asks the system for 16 KiB at a time: for one thread, and a batch at most."""
    held, used = b"", 0

    def chance(count: int) -> bytes:
        nonlocal held, used
        if used + count > len(held):
            held, used = os.urandom(max(_DRAWN, count)), 0
        used += count
        return held[used - count : used]

    return chance


def new_key(chance: Chance = os.urandom) -> bytes:
    """Return a fresh 32-byte key for one record or one person."""
    return chance(KEY_BYTES)


def wrap(key: bytes, ring: KeyRing | None = None, chance: Chance = os.urandom) -> bytes:
    """Return a key in the form the database keeps: 65 bytes, readable only with the master key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, this one has {len(key)}")
    ring = ring or keyring()
    head = _VERSION + ring.current
    nonce = chance(_NONCE)
    return head + nonce + ring.masters[ring.current].encrypt(nonce, key, b"key" + head)


def unwrap(wrapped: bytes | memoryview | None) -> bytes:
    """Return the key. Raises KeyDestroyed where none is left, UnknownMasterKey, Tampered."""
    if not wrapped:
        raise KeyDestroyed(_("密钥已销毁，内容不可恢复。"))
    data = bytes(wrapped)
    head = data[: 1 + ID_BYTES]
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
        return master.decrypt(data[1 + ID_BYTES : 1 + ID_BYTES + _NONCE], data[1 + ID_BYTES + _NONCE :], b"key" + head)
    except InvalidTag:
        raise Tampered(_("封装的密钥解不开，可能被改动过。")) from None


def _master(name: bytes) -> AESGCM | None:
    """Return the master key of this id; the file is read again for one that another process may just have begun to use."""
    held = keyring().masters.get(name)
    if held is None:
        look_again()
        held = keyring().masters.get(name)
    return held


# --- what is sealed with them ---------------------------------------------------------------------------------------


def seal_words(
    record_key: bytes, record_id: UUID, entry: UUID | int, words: Words, chance: Chance = os.urandom
) -> bytes:
    """Return the encrypted words of one entry.

    ``words`` are plain JSON values by field name (old and new text, and the salt of each digest as a hexadecimal
    string); ``entry`` is the entry's id or its number within the record. The same pair is needed to open them.
    """
    return _seal(record_key, orjson.dumps(words), _words_place(record_id, entry), chance)


def open_words(
    record_key: bytes, record_id: UUID, entry: UUID | int, sealed: bytes | memoryview
) -> dict[str, dict[str, object]]:
    """Return the words of one entry. Raises Tampered."""
    result: dict[str, dict[str, object]] = orjson.loads(_open(record_key, sealed, _words_place(record_id, entry)))
    return result


def seal_field(person_key: bytes, party_id: UUID, column: str, text: str) -> bytes:
    """Return one encrypted field of a person."""
    return seal_fields(person_key, party_id, {column: text})[column]


def seal_fields(
    person_key: bytes, party_id: UUID, texts: Mapping[str, str], chance: Chance = os.urandom
) -> dict[str, bytes]:
    """Return the encrypted fields of a person, by column."""
    cipher, place, fresh = AESGCM(person_key), b"field\0" + party_id.bytes, chance(_NONCE * len(texts))
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


def _seal(key: bytes, content: bytes, place: bytes, chance: Chance) -> bytes:
    nonce = chance(_NONCE)
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
    head = data[: 1 + ID_BYTES]
    if len(data) < 1 + ID_BYTES + _NONCE + _TAG or head[:1] != _VERSION:
        raise Tampered(_("封装的密钥格式不对，可能被改动过。"))
    master = _master(head[1:])
    if master is None:
        raise UnknownMasterKey(_("密钥文件里没有封装这个密钥的主密钥，无法解开。请放回写入这些数据时的密钥文件。"))
    nonce = data[1 + ID_BYTES : 1 + ID_BYTES + _NONCE]
    try:
        return master.decrypt(nonce, data[1 + ID_BYTES + _NONCE :], b"secret" + head + purpose.encode())
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
