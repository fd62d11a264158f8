"""A file under a key of its own, written and read as a stream: pieces of AES-256-GCM.

Each piece's nonce holds its number and whether it is the last, so that no piece can be left out, doubled, moved or cut off
(the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). The key is used for one file only.
"""

from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PIECE = 1 << 20
_TAG = 16
_WHAT = b"gongzhi backup\0"


class Unreadable(ValueError):
    """The file was changed, cut off, or is under another key."""


def seal(source: IO[bytes], target: Path, key: bytes) -> None:
    """Write what the source gives to a new file, sealed. Raises OSError."""
    cipher, number = AESGCM(key), 0
    with target.open("xb") as file:
        piece = _read(source, PIECE)
        while True:
            following = _read(source, PIECE)
            file.write(cipher.encrypt(_nonce(number, last=not following), piece, _WHAT))
            if not following:
                return
            piece, number = following, number + 1


def unseal(source: Path, target: Path, key: bytes) -> None:
    """Write what a sealed file holds to a new one. Raises Unreadable, OSError."""
    cipher, number = AESGCM(key), 0
    with source.open("rb") as sealed, target.open("xb") as file:
        piece = sealed.read(PIECE + _TAG)
        while True:
            following = sealed.read(PIECE + _TAG)
            try:
                file.write(cipher.decrypt(_nonce(number, last=not following), piece, _WHAT))
            except (InvalidTag, ValueError) as error:
                raise Unreadable(str(source)) from error
            if not following:
                return
            piece, number = following, number + 1


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _read(source: IO[bytes], size: int) -> bytes:
    """Read a whole piece: a pipe gives what it has."""
    parts, missing = [], size
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
