"""Proofs for others: that the lines of one record stand in the sealed ledger, and the whole ledger as a file.

Both can be checked without this installation, with the public key alone. They hold what an entry's body holds: ids, codes,
dates and salted digests, and no word of anybody. A look whose seal has not ended is withheld: its place in the ledger is proven,
by the hash of its leaf, and who looked when and what for is not told. Whoever is told before the end asks for it by name
(``sealed``): an auditor of the looks themselves, whom the seal binds as it binds who looked.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections

from gongzhi.kernel.canonical import UnknownAlgorithm, digest
from gongzhi.kernel.seals import merkle
from gongzhi.kernel.seals.leaf import HEAD_BEFORE, leaf_fields, leaf_sql
from gongzhi.kernel.seals.notes import Checkpoint, NoteError, Verifier, opened
from gongzhi.kernel.seals.sealing import kept_node, latest

FORMAT = "gongzhi proof 1"
EXPORT = "gongzhi ledger 1"
_LONGEST = 1 << 22  # characters of a line: a packed file can unfold into any length

_ENTRIES = f"""
SELECT l.pos, {leaf_sql("e")}, e.body, p.hash, e.action = 'disclose' AND EXISTS (
    SELECT FROM disclosure d WHERE d.record_id = e.record_id AND d.at = e.at AND d.sealed_until > now())
FROM entry e LEFT JOIN leaf l ON l.entry_id = e.id {HEAD_BEFORE}
"""


class NothingToProve(LookupError):
    """There is no such record, or nothing of it is sealed yet."""


@dataclass(frozen=True)
class Proven:
    """What a proof shows: the record, its lines as their leaves say, and the checkpoint that covers them.

    ``withheld`` counts lines that stand between them and are not told: looks under a seal of their own that has not ended.
    """

    record: str
    lines: list[dict[str, str]]
    checkpoint: Checkpoint
    withheld: int = 0


def prove(number: str, *, sealed: bool = False) -> dict[str, Any]:
    """Return the proof of every line of the record that the ledger covers, as plain values for JSON. Raises NothingToProve.

    ``sealed``: with the looks whose seal has not ended.
    """
    held = latest()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            f"{_ENTRIES} JOIN register r ON r.id = e.record_id WHERE r.number = %s ORDER BY e.seq",
            [number.strip().upper()],
        )
        rows = [row for row in cursor.fetchall() if row[0] is not None and held and row[0] < held.size]
    if not rows or held is None:
        raise NothingToProve(number)
    node = kept_node()
    return {
        "format": FORMAT, "number": number.strip().upper(), "checkpoint": held.note,
        "entries": [
            {**_line(*row, told=sealed), "proof": [_text(step) for step in merkle.inclusion(row[0], held.size, node)]}
            for row in rows
        ],
    }  # fmt: skip


def _line(pos: int, leaf: bytes, body: str, before: bytes | None, hidden: bool, *, told: bool) -> dict[str, Any]:
    if hidden and not told:
        return {"pos": pos, "withheld": merkle.leaf_hash(bytes(leaf)).hex()}
    return {"pos": pos, "leaf": bytes(leaf).decode(), "body": body, "before": bytes(before or b"").hex()}


def check(proof: Mapping[str, Any], keys: Iterable[Verifier]) -> Proven:
    """Check a proof with public keys alone. Raises merkle.ProofError, NoteError; ValueError where it is no proof at all."""
    try:
        if proof["format"] != FORMAT:
            raise ValueError(f"a proof of another kind: {proof['format']}")
        held = opened(proof["checkpoint"], keys)
        lines: list[dict[str, str] | None] = []
        for line in proof["entries"]:
            steps = [base64.b64decode(step, validate=True) for step in line["proof"]]
            merkle.check_inclusion(held.root, held.size, line["pos"], _leaf_hash(line), steps)
            lines.append(None if "withheld" in line else leaf_fields(line["leaf"].encode()))
        shown = [line for line in lines if line is not None]
        records = {line["record"] for line in shown}
        _chain(proof["entries"], lines)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no proof: {error}") from error
    if len(records) != 1:
        raise merkle.ProofError("the lines belong to different records")
    return Proven(records.pop(), shown, held, len(lines) - len(shown))


def _leaf_hash(line: Mapping[str, Any]) -> bytes:
    """Return the hash of a line's leaf; of one that is withheld there is nothing else. Raises ProofError."""
    if "withheld" not in line:
        return merkle.leaf_hash(_held(line))
    made = bytes.fromhex(line["withheld"])
    if len(made) != merkle.HASH_BYTES:
        raise merkle.ProofError("a line is withheld, and its hash is none")
    return made


def _held(line: Mapping[str, Any]) -> bytes:
    """Return the leaf of a line whose body is what its hash covers. Raises ProofError."""
    leaf: bytes = line["leaf"].encode()
    said = leaf_fields(leaf)
    before = bytes.fromhex(line["before"])
    try:
        if (
            len(before) not in (0, merkle.HASH_BYTES)
            or digest(before + line["body"].encode(), said["alg"]).hex() != said["hash"]
        ):
            raise merkle.ProofError(f"the body of line {said['seq']} is not what its hash covers")
    except UnknownAlgorithm as error:
        raise merkle.ProofError(str(error)) from error
    return leaf


def _chain(entries: Iterable[Mapping[str, Any]], lines: Iterable[dict[str, str] | None]) -> None:
    """Each line goes on from the one before it, and what is withheld fills the gap that it leaves. Raises ProofError."""
    held, last, gap = "", 0, 0
    for count, (entry, line) in enumerate(zip(entries, lines, strict=True), start=1):
        if line is None:
            gap += 1
            continue
        seq = int(line["seq"])
        goes_on = seq == last + gap + 1 if gap else entry["before"] == held or not (held or seq == count)
        if not goes_on:
            raise merkle.ProofError(f"line {line['seq']} does not go on from the one before it")
        held, last, gap = line["hash"], seq, 0


def export(target: Path, *, sealed: bool = False) -> Checkpoint:
    """Write every entry that the ledger covers as a line of JSON (gzip), then the checkpoint.

    ``sealed``: with the looks whose seal has not ended. Raises NothingToProve, FileExistsError, OSError.
    """
    newest = latest()
    if newest is None:
        raise NothingToProve("")
    connection = connections["owner"]
    connection.ensure_connection()
    raw: Any = connection.connection
    draft = target.with_name(f".{target.name}.part")
    if target.exists():
        raise FileExistsError(str(target))
    try:
        with gzip.open(draft, "wt", encoding="utf-8", compresslevel=6) as file:
            file.write(json.dumps({"format": EXPORT}) + "\n")
            with raw.transaction(), raw.cursor("gongzhi_export") as cursor:
                cursor.execute(f"{_ENTRIES} WHERE l.pos < %s ORDER BY l.pos", [newest.size])
                for row in cursor:
                    file.write(json.dumps(_line(*row, told=sealed), ensure_ascii=False) + "\n")
            file.write(json.dumps({"checkpoint": newest.note}, ensure_ascii=False) + "\n")
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    return newest


def check_export(source: Path, keys: Iterable[Verifier]) -> Checkpoint:
    """Check an exported ledger with public keys alone, in bounded memory. Raises ProofError, NoteError; ValueError, OSError."""
    tree, keys = merkle.Range(), list(keys)
    try:
        lines = _lines(source)
        if next(lines, {}).get("format") != EXPORT:
            raise ValueError("this is no exported ledger")
        for line in lines:
            if "checkpoint" in line:
                held = opened(line["checkpoint"], keys)
                if (held.size, held.root) != (tree.size, tree.root()):
                    raise merkle.ProofError("the entries do not lead to the root of the checkpoint")
                return held
            if line["pos"] != tree.size:
                raise merkle.ProofError(f"position {tree.size} is missing")
            tree.append(_leaf_hash(line))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no exported ledger: {error}") from error
    raise merkle.ProofError("the file ends before its checkpoint")


def _lines(source: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(source, "rt", encoding="utf-8") as file:
            while text := file.readline(_LONGEST):
                if len(text) == _LONGEST:
                    raise merkle.ProofError("a line is longer than any entry")
                yield json.loads(text)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise merkle.ProofError("the file is damaged or cut off") from error


def _text(step: bytes) -> str:
    return base64.b64encode(step).decode()


__all__ = ["NoteError", "NothingToProve", "Proven", "check", "check_export", "export", "prove"]
