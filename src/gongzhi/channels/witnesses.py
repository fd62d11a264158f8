"""Witnesses: programs of others that sign a checkpoint once they have seen that it goes on from the one before.

The protocol is C2SP tlog-witness: we post the size that the witness signed last, the proof of consistency from there, and
the note; it answers with its signature, or says which size it holds. A witness that refuses a history that does not go on
from what it signed is how a history signed anew comes to light.
"""

import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.channels.config import SettingsWrong, authority
from gongzhi.kernel.context import clock_actor
from gongzhi.kernel.models import Cosignature
from gongzhi.kernel.seals import merkle, sealing
from gongzhi.kernel.seals.notes import COSIGNATURE, Checkpoint, NoteError, Verifier, parse, proof_lines

log = logging.getLogger("gongzhi.witnesses")
TIMEOUT = 10.0  # seconds
MOST = 16_000  # bytes of an answer


class WitnessRefused(Exception):
    """A witness does not sign; the sentence says why. ``forked``: it holds a history that ours does not go on from."""

    def __init__(self, text: str, *, forked: bool = False) -> None:
        super().__init__(text)
        self.forked = forked


@dataclass(frozen=True)
class Witness:
    """A witness: where it answers, and the public key of its signatures."""

    url: str
    key: Verifier


def witnesses() -> list[Witness]:
    """Return the witnesses of ``GONGZHI_WITNESSES``: address and verifier key, one pair after another. Raises SettingsWrong."""
    said = os.environ.get("GONGZHI_WITNESSES", "").split()
    wrong = SettingsWrong(_("GONGZHI_WITNESSES 应写成“网址 公钥”，多个之间用空格分开。"))
    if len(said) % 2:
        raise wrong
    made = []
    for url, text in zip(said[::2], said[1::2], strict=True):
        try:
            key = Verifier.parse(text)
        except NoteError as error:
            raise wrong from error
        if urlsplit(url).scheme not in ("http", "https") or key.kind != COSIGNATURE:
            raise wrong
        made.append(Witness(url.rstrip("/"), key))
    return made


def ask(witness: Witness, held: Checkpoint) -> bool:
    """Have the checkpoint signed by the witness, unless it was; return whether it is new. Raises WitnessRefused."""
    signed = (
        Cosignature.objects.filter(witness=str(witness.key))
        .order_by("-checkpoint")
        .values_list("checkpoint", flat=True)
    )
    old = next(iter(signed[:1]), 0)
    if old >= held.size:
        return False
    status, answer = _post(witness, held, old)
    if status == 409:  # it holds another size than we know of: its answer was lost, or it was told by another process
        text = answer.strip()
        if not text.isdecimal() or int(text) > held.size:
            raise WitnessRefused(_("见证方保存的账本比这里长（{size} 笔）。").format(size=text[:20]), forked=True)
        old = int(text)
        status, answer = _post(witness, held, old)
    if status in (409, 422):
        raise WitnessRefused(_("见证方说这里的账本同它见过的（{size} 笔）不一致。").format(size=old), forked=True)
    if status != 200:
        raise WitnessRefused(_("见证方没有签名：{status} {answer}").format(status=status, answer=answer.strip()[:100]))
    return _keep(witness, held, answer)


def _keep(witness: Witness, held: Checkpoint, answer: str) -> bool:
    try:
        text, signatures = parse(f"{held.text}\n{answer}")
    except NoteError as error:
        raise WitnessRefused(_("见证方的回答读不懂：{error}").format(error=error)) from error
    good = [
        signature
        for name, key, signature in signatures
        if (name, key) == (witness.key.name, witness.key.id) and witness.key.holds(text, signature)
    ]
    if not good:
        raise WitnessRefused(_("见证方的签名不是用登记的公钥签的。"))
    line = next(part for part in answer.splitlines(keepends=True) if part.startswith(f"— {witness.key.name} "))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kernel.put_cosignature(%s, %s, %s, %s, %s)",
            [clock_actor().post, held.size, str(witness.key), line, timezone.now()],
        )
        return bool(cursor.fetchone()[0])


def _post(witness: Witness, held: Checkpoint, old: int) -> tuple[int, str]:
    proof: Sequence[bytes] = merkle.consistency(old, held.size, sealing.kept_node()) if old else []
    text, _gap, lines = held.note.rpartition("\n\n")
    note = f"{text}\n\n{lines.splitlines(keepends=True)[0]}"  # our own signature, without those of witnesses
    parts = urlsplit(witness.url)
    made = HTTPConnection if parts.scheme == "http" else _secure
    line = made(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        line.request("POST", f"{parts.path}/add-checkpoint", f"old {old}\n{proof_lines(proof)}\n{note}".encode())
        answer = line.getresponse()
        return answer.status, answer.read(MOST).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError) as error:
        raise WitnessRefused(_("见证方 {url} 没有应答：{error}").format(url=witness.url, error=error)) from error
    finally:
        line.close()


def _secure(host: str, port: int | None, timeout: float) -> HTTPSConnection:
    context = ssl.create_default_context()
    if authority():
        context.load_verify_locations(authority())
    return HTTPSConnection(host, port, timeout=timeout, context=context)
