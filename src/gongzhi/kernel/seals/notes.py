"""Checkpoints as signed notes: the text that says how many entries there are and what their root is.

A note is a text, an empty line, and one line for each signature (C2SP signed-note); the text of a checkpoint is origin,
size and root (C2SP tlog-checkpoint). Ed25519 alone (type 0x01); a witness signs with the time (cosignature/v1, type 0x04).
A verifier key reads ``name+hash+key``: eight hexadecimal digits and base64 of the type byte and the 32 bytes of the key.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gongzhi.kernel.seals.merkle import HASH_BYTES

ED25519, COSIGNATURE = 1, 4
_MARK = "— "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9]\d{0,17}")
MOST = 64_000
"""Characters of the longest note that is read."""


class NoteError(ValueError):
    """A note cannot be read, or no signature of the key that counts is on it."""


@dataclass(frozen=True)
class Verifier:
    """A public key under a name; ``kind`` is ED25519 for a log and COSIGNATURE for a witness."""

    name: str
    public: bytes
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """Return the key as it is given to others."""
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a verifier key. Raises NoteError."""
        name, _plus, rest = text.strip().partition("+")
        said, _plus, key = rest.partition("+")
        data = _decoded(key)
        if not _NAME.fullmatch(name) or len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
            raise NoteError("this is no verifier key: name+hash+key is needed")
        made = cls(name, data[1:], data[0])
        if made.id.hex() != said:
            raise NoteError("the hash in the verifier key belongs to another key")
        return made

    def holds(self, text: str, signature: bytes) -> bool:
        """Return whether this key signed the text."""
        try:
            if self.kind == COSIGNATURE:
                _timed(self.public, text, signature)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def _timed(public: bytes, text: str, signature: bytes) -> None:
    if len(signature) != 72:
        raise ValueError("a cosignature is a time and 64 bytes")
    told = cosigned(text, int.from_bytes(signature[:8]))
    Ed25519PublicKey.from_public_bytes(public).verify(signature[8:], told.encode())


def cosigned(text: str, at: int) -> str:
    """Return what a witness signs at a moment (POSIX seconds): that it has seen this text (C2SP cosignature/v1)."""
    return f"cosignature/v1\ntime {at}\n{text}"


@dataclass(frozen=True)
class Signer:
    """A private key under a name."""

    name: str
    private: Ed25519PrivateKey
    kind: int = ED25519

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), self.kind)

    def line(self, text: str, at: int | None = None) -> str:
        """Return the signature line under a text; a witness says when."""
        if self.kind == COSIGNATURE:
            if at is None:
                raise ValueError("a witness says when")
            signature = at.to_bytes(8) + self.private.sign(cosigned(text, at).encode())
        else:
            signature = self.private.sign(text.encode())
        return f"{_MARK}{self.name} {_base64(self.verifier.id + signature)}\n"


@dataclass(frozen=True)
class Checkpoint:
    """So many entries, with this root, of this origin. ``note`` is the whole signed text where there is one."""

    origin: str
    size: int
    root: bytes
    note: str = ""

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    def signed(self, signer: Signer) -> str:
        """Return the checkpoint as a signed note."""
        return f"{self.text}\n{signer.line(self.text)}"


def parse(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Split a note into its text and its signatures as (name, key id, signature). Raises NoteError."""
    text, gap, signatures = note.rpartition("\n\n")
    if len(note) > MOST or not gap or not signatures.endswith("\n") or "\r" in note:
        raise NoteError("this is no signed note: a text, an empty line and signature lines are needed")
    found = []
    for line in signatures[:-1].split("\n"):
        name, _space, said = line.removeprefix(_MARK).partition(" ")
        data = _decoded(said)
        if not line.startswith(_MARK) or not _NAME.fullmatch(name) or len(data) < 5:
            raise NoteError("a signature line reads: — name base64")
        found.append((name, data[:4], data[4:]))
    return text + "\n", found


def opened(note: str, keys: Iterable[Verifier]) -> Checkpoint:
    """Return the checkpoint in a note that at least one of the keys signed. Raises NoteError.

    Signatures under other keys are passed over; a wrong one under a known key is an error (C2SP signed-note).
    """
    text, signatures = parse(note)
    known = {(key.name, key.id): key for key in keys}
    good = False
    for name, identity, signature in signatures:
        key = known.get((name, identity))
        if key is None:
            continue
        if not key.holds(text, signature):
            raise NoteError(f"the signature of {name} is false")
        good = True
    if not good:
        raise NoteError("no known key has signed this note")
    return read(text, note)


def read(text: str, note: str = "") -> Checkpoint:
    """Read a checkpoint's text, without asking who signed it; lines after the root are passed over. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint says origin, size and root")
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteError("the root of a checkpoint has 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root, note)


def proof_lines(proof: Sequence[bytes]) -> str:
    """Return the hashes of a proof, one in base64 on each line."""
    return "".join(f"{_base64(step)}\n" for step in proof)


def read_proof(lines: Iterable[str]) -> list[bytes]:
    """Read what ``proof_lines`` wrote. Raises NoteError."""
    return [_decoded(line) for line in lines]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("a line is not base64") from None
