"""Where attachments are kept: encrypted with their record's key, as files beside the database.

A file is written whole before the act that cites it. If the act fails, the caller discards what it stored; every
upload has an address of its own, so discarding one can never take away another's file, and nobody can see that two
files are equal. Destroying the record's key makes its files unreadable, wherever copies lie.

Form of a file: a version byte, then chunks of 64 KiB, each sealed with AES-256-GCM under a key made for this file alone
(HMAC-SHA256 of the record's key over record and address). The nonce counts the chunks and marks the last one, so chunks
cannot be changed, moved, repeated or cut off unseen (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
Vizár, 2015).
"""

import errno
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils.translation import gettext as _

from gongzhi.home import home
from gongzhi.kernel.admission import Rejected, admit, clean_name
from gongzhi.kernel.keys import Tampered, keyed_hash

__all__ = [
    "Kept",
    "Limits",
    "Missing",
    "NoRoom",
    "Rejected",
    "Stored",
    "Upload",
    "discard",
    "limits",
    "open_stored",
    "store",
]

CHUNK = 64 * 1024
_VERSION = b"\x01"
_TAG = 16
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NoRoom(Exception):
    """The server's disk cannot take the file; nothing of it is left behind. The sentence is for the person."""


class Missing(Exception):
    """The record cites a file that is not in the store: a backup without ``files/``, or a disk that lost it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came: the sender's name for it, and its bytes or an open binary file."""

    name: str
    content: bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept file. ``size`` counts its readable bytes; ``digest`` is the SHA-256, in hexadecimal, of the sealed bytes.

    The digest is of what lies on the disk: it proves the file for ever and tells nothing about its content.
    """

    record_id: UUID
    address: str
    name: str
    media_type: str
    size: int
    digest: str


class Kept(Protocol):
    """What is needed to find a file again: the model Attachment has it, and so has Stored."""

    @property
    def record_id(self) -> UUID:
        """The record whose key opens the file."""

    @property
    def address(self) -> str:
        """Where the file lies."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be attached: bytes for one file, bytes and files for one act."""

    file: int = 20 * 2**20
    act: int = 50 * 2**20
    files: int = 9


def limits() -> Limits:
    """Return the installation's limits (setting ``ATTACHMENT_LIMITS``: a mapping with ``file``, ``act``, ``files``)."""
    return Limits(**getattr(settings, "ATTACHMENT_LIMITS", {}))


def store(record_id: UUID, record_key: bytes, uploads: Iterable[Upload]) -> list[Stored]:
    """Keep the files of one act, all or none, and return them in their order.

    Raises Rejected (a file that may not be attached, or too much of it) and NoRoom; then nothing of any is left.
    """
    uploads, allowed = list(uploads), limits()
    if len(uploads) > allowed.files:
        raise Rejected(
            _("一次最多上传 {files} 个文件，这次有 {count} 个。请分几次上传。").format(
                files=allowed.files, count=len(uploads)
            )
        )
    kept: list[Stored] = []
    room = allowed.act
    try:
        for upload in uploads:
            content = _read(upload, allowed)
            room -= len(content)
            if room < 0:
                raise Rejected(
                    _("这些文件合起来超过 {megabytes}。请分几次上传，或压缩后再上传。").format(
                        megabytes=_megabytes(allowed.act)
                    )
                )
            admitted = admit(upload.name, content)
            address = _address(record_id, admitted.content)
            digest = _write(_path(address), _sealed(_file_key(record_key, record_id, address), admitted.content))
            size = len(admitted.content)
            kept.append(Stored(record_id, address, admitted.name, admitted.media_type, size, digest))
    except BaseException:
        discard(kept)
        raise
    return kept


def open_stored(kept: Kept, record_key: bytes) -> Iterator[bytes]:
    """Return the file's content in chunks of 64 KiB.

    The first chunk is read at once, so that Missing and Tampered come before an answer has begun; a fault further on
    raises Tampered between chunks, and whoever sends the answer must break it off.
    """
    chunks = _chunks(_path(kept.address), _file_key(record_key, kept.record_id, kept.address))
    first = next(chunks)
    return _after(first, chunks)


def discard(kept: Iterable[Kept]) -> None:
    """Remove stored files whose act did not happen. Files already gone are passed over."""
    remove(file.address for file in kept)


def remove(addresses: Iterable[str]) -> None:
    """Remove the files at these addresses. Files already gone are passed over."""
    for address in addresses:
        _path(address).unlink(missing_ok=True)


# --- limits and addresses -------------------------------------------------------------------------------------------


def _read(upload: Upload, allowed: Limits) -> bytes:
    if isinstance(upload.content, bytes):
        content = upload.content
    else:
        upload.content.seek(0)  # a form may have looked at it already
        content = upload.content.read(allowed.file + 1)
    if len(content) > allowed.file:
        raise Rejected(
            _("“{clean_name}”超过 {megabytes}。请压缩或截取后再上传。").format(
                clean_name=clean_name(upload.name), megabytes=_megabytes(allowed.file)
            )
        )
    return content


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.0f} MB" if size >= 2**20 else f"{size / 2**10:.0f} KB"


def _address(record_id: UUID, content: bytes) -> str:
    return keyed_hash("file", record_id.bytes + secrets.token_bytes(16) + hashlib.sha256(content).digest()).hex()


def _path(address: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{64}", address):  # it comes from the database, and becomes a path
        raise ValueError("not an address of the store")
    return home() / "files" / address[:2] / address


def _file_key(record_key: bytes, record_id: UUID, address: str) -> bytes:
    return hmac.digest(record_key, b"file\0" + record_id.bytes + bytes.fromhex(address), "sha256")


# --- the form on the disk -------------------------------------------------------------------------------------------


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + (b"\1" if last else b"\0")


def _sealed(key: bytes, content: bytes) -> Iterator[bytes]:
    cipher = AESGCM(key)
    yield _VERSION
    count = max(1, -(-len(content) // CHUNK))
    view = memoryview(content)
    for number in range(count):
        chunk = view[number * CHUNK : (number + 1) * CHUNK]
        yield cipher.encrypt(_nonce(number, number == count - 1), chunk, _VERSION)


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    """Write a file whole and durable, or not at all, and return its SHA-256. Raises NoRoom."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            _sync_folder(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoom(_("服务器的磁盘已满，附件没有保存。请稍后再试，或先不带附件提交。")) from error
        raise
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _chunks(path: Path, key: bytes) -> Iterator[bytes]:
    cipher = AESGCM(key)
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Missing(_("附件的文件不在服务器上，请联系管理员从备份恢复。")) from error
    with file:
        if file.read(1) != _VERSION:
            raise Tampered(_("附件的格式不对，可能被改动过。"))
        sealed, number = file.read(CHUNK + _TAG), 0
        while True:
            following = file.read(CHUNK + _TAG)
            try:
                yield cipher.decrypt(_nonce(number, not following), sealed, _VERSION)
            except (InvalidTag, ValueError):
                raise Tampered(_("附件打不开：内容被改动、被截断，或密钥不符。")) from None
            if not following:
                return
            sealed, number = following, number + 1


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
