"""The key that signs checkpoints: a file of its own, apart from the master key, with the public keys that it followed.

Whoever has it can sign another history; whoever holds an older checkpoint finds out. So it proves nothing by itself, and
checkpoints are published (``gongzhi.channels.checkpoints``).
"""

import base64
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils.translation import gettext as _

from gongzhi.home import home, put
from gongzhi.kernel.keys import KeyFileError
from gongzhi.kernel.seals.notes import NoteError, Signer, Verifier

_HEADER = """\
# Signs the checkpoints of this installation's ledger. "sign" is in use; "was" are public keys that signed before.
# Keep a copy apart from the database's backups. Give the line of `gongzhi ledger key` to whoever checks the ledger.
"""


@dataclass(frozen=True)
class SealKeys:
    """The key in use, and every public key whose signature on an old checkpoint is good."""

    signer: Signer
    verifiers: tuple[Verifier, ...]


def seal_key_file() -> Path:
    """Return the file's path: ``GONGZHI_SEAL_KEY_FILE``, else ``keys/seal`` in GONGZHI_HOME."""
    named = os.environ.get("GONGZHI_SEAL_KEY_FILE")
    return Path(named).absolute() if named else home() / "keys" / "seal"


def origin() -> str:
    """Return the name of this ledger: ``GONGZHI_LEDGER_ORIGIN``, else one of the city's."""
    return os.environ.get("GONGZHI_LEDGER_ORIGIN", "").strip() or f"gongzhi.{settings.CITY}/ledger"


def seal_keys() -> SealKeys:
    """Return the keys, made on first use. Raises KeyFileError."""
    path = seal_key_file()
    if not path.exists():
        if os.environ.get("GONGZHI_SEAL_KEY_FILE"):
            raise KeyFileError(
                _("封条密钥文件 {path} 不存在。请检查 GONGZHI_SEAL_KEY_FILE，或放回原来的文件。").format(path=path)
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        put(path, _HEADER + _signing_line(origin(), secrets.token_bytes(32)), fresh=True)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            _("封条密钥文件 {path} 可以被其他用户读取，已拒绝使用。请运行：chmod 600 '{path}'").format(path=path)
        )
    try:
        return _parsed(path.read_text(encoding="ascii"))
    except (OSError, ValueError, NoteError) as error:
        raise KeyFileError(_("封条密钥文件 {path} 已损坏，请从备份中恢复它。").format(path=path)) from error


def rotate() -> Verifier:
    """Sign with a fresh key from now on; the old public key stays known. Returns the new one. Raises KeyFileError."""
    held = seal_keys()
    lines = _signing_line(origin(), secrets.token_bytes(32)) + "".join(f"was {key}\n" for key in held.verifiers)
    put(seal_key_file(), _HEADER + lines)
    return seal_keys().signer.verifier


def _signing_line(name: str, seed: bytes) -> str:
    return f"sign {name} {base64.b64encode(seed).decode()}\n"


def _parsed(text: str) -> SealKeys:
    signers, were = [], []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        kind, _space, rest = line.partition(" ")
        if kind == "sign":
            name, seed = rest.split()
            signers.append(Signer(name, Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True))))
        elif kind == "was":
            were.append(Verifier.parse(rest))
        else:
            raise ValueError(f"unknown line {kind}")
    if len(signers) != 1:
        raise ValueError("one key signs")
    return SealKeys(signers[0], (signers[0].verifier, *were))
