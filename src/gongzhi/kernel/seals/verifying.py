"""Checking the ledger against its seals, by who believes nobody: read once, in bounded memory, nothing written.

Each entry is hashed anew (its body with the head before it, its leaf as RFC 6962 says), the tree is grown beside, and at
every checkpoint's size its root is compared. Checkpoints that outsiders kept are compared in the same pass: a cut tail and
a history signed anew with the key show only there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gongzhi.kernel.canonical import UnknownAlgorithm, digest
from gongzhi.kernel.seals import merkle
from gongzhi.kernel.seals.findings import Finding, Numbers, Report
from gongzhi.kernel.seals.leaf import HEAD_BEFORE, leaf_fields, leaf_sql
from gongzhi.kernel.seals.notes import Checkpoint, NoteError, Verifier, opened
from gongzhi.kernel.seals.sealing import TILE

# One value for each row, for the reader's speed: a byte that says what is there, the position, the leaf's kept hash, the
# entry's hash, the head before it, the leaf's length, the leaf, the body.
_FIRST, _LATER, _GONE, _GAP = b"\x00", b"\x01", b"\x02", b"\x03"
_PACKED = """
    CASE WHEN e.id IS NULL THEN '\\x02'::bytea
         WHEN e.seq = 1 THEN '\\x00' WHEN p.hash IS NULL THEN '\\x03' ELSE '\\x01' END
    || int8send(coalesce(l.pos, -1)) || coalesce(l.hash, '')
    || CASE WHEN e.id IS NULL THEN '' ELSE
           e.hash || coalesce(p.hash, '') || int4send(octet_length(x.leaf)) || x.leaf || convert_to(e.body, 'UTF8') END"""
_JOINED = f"""
    {HEAD_BEFORE}
    LEFT JOIN LATERAL (SELECT {leaf_sql("e")} AS leaf OFFSET 0) x ON true"""
_SEALED = f"COPY (SELECT {_PACKED} FROM public.leaf l LEFT JOIN public.entry e ON e.id = l.entry_id {_JOINED} ORDER BY l.pos) TO STDOUT (FORMAT binary)"
_UNSEALED = f"""
COPY (SELECT CASE WHEN (e.xid, e.id) < (SELECT s.xid, s.id FROM public.leaf m JOIN public.entry s ON s.id = m.entry_id
                                        ORDER BY m.pos DESC LIMIT 1) THEN '\\x01'::bytea ELSE '\\x00' END || {_PACKED}
      FROM (SELECT e.* FROM public.entry e WHERE NOT EXISTS (SELECT FROM public.leaf l WHERE l.entry_id = e.id)) e
      LEFT JOIN public.leaf l ON false {_JOINED}) TO STDOUT (FORMAT binary)"""
_HEADS = """
SELECT r.number, r.entries FROM public.register r LEFT JOIN public.entry e ON e.record_id = r.id AND e.seq = r.entries
WHERE coalesce(e.hash, CASE WHEN r.service = 'directory' AND r.entries = 1 THEN sha256('directory'::bytea) END) IS DISTINCT FROM r.head
   OR EXISTS (SELECT FROM public.entry n WHERE n.record_id = r.id AND n.seq > r.entries)
ORDER BY r.id
"""
_WITHOUT = "SELECT e.record_id::text, e.seq FROM public.entry e WHERE NOT EXISTS (SELECT FROM public.register r WHERE r.id = e.record_id)"


def verify(verifiers: Iterable[Verifier], outside: Iterable[Checkpoint] = ()) -> Report:
    """Check every entry, the tree, every checkpoint and every record's head; ``outside`` are checkpoints from elsewhere.

    Reads as the owner, on connections of its own. Raises django's database errors.
    """
    report = Report()
    with _own() as reading, _own() as beside:
        numbers = Numbers(beside)
        walk = _Walk(report, numbers, _marks(beside, list(verifiers), report, outside))
        walk.sealed(reading)
        walk.unsealed(reading)
        _subtrees(reading, report)
        _heads(reading, report)
    return report


@contextmanager
def _own() -> Iterator[BaseDatabaseWrapper]:
    connection = connections["owner"].copy()
    try:
        yield connection
    finally:
        connection.close()


def _marks(
    connection: BaseDatabaseWrapper, verifiers: list[Verifier], report: Report, outside: Iterable[Checkpoint]
) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (size, root, whether it came from outside) in the order of sizes; a false signature is told at once."""
    waiting = sorted(((held.size, held.root) for held in outside), reverse=True)
    for size, root, note in _rows(connection, "SELECT size, root, note FROM public.checkpoint ORDER BY size"):
        while waiting and waiting[-1][0] <= size:
            yield (*waiting.pop(), True)
        try:
            said = opened(note, verifiers)
        except NoteError as error:
            report.add(Finding("signature", pos=size, detail=str(error)))
        else:
            if (said.size, said.root) != (size, bytes(root)):
                report.add(Finding("signature", pos=size))
        yield size, bytes(root), False
    while waiting:
        yield (*waiting.pop(), True)


def _rows(connection: BaseDatabaseWrapper, sql: str) -> Iterator[tuple[Any, ...]]:
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.transaction(), raw.cursor("gongzhi_verify") as cursor:  # on the server: a year has half a million of them
        cursor.execute(sql)
        yield from cursor


class _Walk:
    """The pass over the entries: what was read so far, and the next checkpoint to compare."""

    def __init__(self, report: Report, numbers: Numbers, marks: Iterator[tuple[int, bytes, bool]]) -> None:
        self.report = report
        self.numbers = numbers
        self.marks = marks
        self.mark = next(marks, None)
        self.rootless = False
        self.tree = merkle.Range()

    def sealed(self, connection: BaseDatabaseWrapper) -> None:
        """Check what is sealed, in the order of positions."""
        leaves: list[bytes] = []
        keep, fault = leaves.append, self.report.add
        self._compare()
        expected = 0
        for data in _packed(connection, _SEALED):
            pos = int.from_bytes(data[1:9])
            if pos != expected:
                fault(Finding("position", pos=expected))
                expected = pos
            expected += 1
            if data[:1] == _GONE:
                keep(data[9:41])
                fault(Finding("deleted", pos=pos))
            else:
                made, good = _checked(data, 41)
                keep(made)
                if not good or made != data[9:41]:
                    self._told(data, 41, pos, made)
            if self.mark and self.tree.size + len(leaves) == self.mark[0]:
                self.tree.extend(leaves)
                leaves.clear()
                self._compare()
            elif len(leaves) == 4096:
                self.tree.extend(leaves)
                leaves.clear()
            if data[:1] != _GONE:
                self.report.entries += 1
        self.tree.extend(leaves)
        self.report.sealed = self.tree.size
        while self.mark:
            size, _root, outside = self.mark
            fault(Finding("cut" if outside else "short", pos=size))
            self.mark = next(self.marks, None)

    def unsealed(self, connection: BaseDatabaseWrapper) -> None:
        """Check what is not sealed yet; an entry among them that is older than a sealed one was put in later."""
        for data in _packed(connection, _UNSEALED):
            self.report.entries += 1
            if data[:1] == b"\x01":
                self._fault("added", _leaf(data, 10))
            _made, good = _checked(data[1:], 9)
            if not good:
                self._told(data[1:], 9, None, None)

    def _compare(self) -> None:
        while self.mark and self.mark[0] <= self.tree.size:
            size, root, outside = self.mark
            if size == self.tree.size and root != self.tree.root() and not (self.rootless and not outside):
                self.rootless |= not outside  # every later one differs too
                self.report.add(Finding("forked" if outside else "root", pos=size))
            self.mark = next(self.marks, None)

    def _told(self, data: bytes, at: int, pos: int | None, made: bytes | None) -> None:
        """Say what is wrong with an entry whose hashes do not agree."""
        leaf = _leaf(data, at)
        if data[:1] == _GAP:
            self._fault("gap", leaf, pos)
        if not _body_holds(data, at):
            self._fault("body", leaf, pos)
        if made is not None and made != data[9:41]:
            self._fault("changed", leaf, pos)

    def _fault(self, kind: str, leaf: bytes, pos: int | None = None) -> None:
        said = leaf_fields(leaf)
        self.report.add(Finding(kind, self.numbers(said["record"]), int(said["seq"]), pos))


def _checked(data: bytes, at: int) -> tuple[bytes, bool]:
    """Return the hash of the entry's leaf, and whether its body is what its hash covers. Hot."""
    first = data[:1]
    body = at + 32 if first != _LATER else at + 64
    leaf_end = body + 4 + int.from_bytes(data[body : body + 4])
    leaf = data[body + 4 : leaf_end]
    made = sha256(b"\0" + leaf).digest()
    if first == _GAP:
        return made, False
    if leaf[-71:-64] != b"sha256\n":
        return made, _body_holds(data, at)
    return made, sha256(data[at + 32 : body] + data[leaf_end:]).digest() == data[at : at + 32]


def _leaf(data: bytes, at: int) -> bytes:
    body = at + 32 if data[:1] != _LATER else at + 64
    return data[body + 4 : body + 4 + int.from_bytes(data[body : body + 4])]


def _body_holds(data: bytes, at: int) -> bool:
    body = at + 32 if data[:1] != _LATER else at + 64
    leaf = _leaf(data, at)
    covered = data[at + 32 : body] + data[body + 4 + len(leaf) :]
    try:
        return data[:1] == _GAP or digest(covered, leaf_fields(leaf)["alg"]) == data[at : at + 32]
    except (UnknownAlgorithm, ValueError):
        return False


def _packed(connection: BaseDatabaseWrapper, sql: str) -> Iterator[bytes]:
    """Yield the single column of each row of a binary COPY."""
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.transaction(), raw.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")
        with cursor.copy(sql) as copy:
            for block in copy:
                data = bytes(block)
                if data.startswith(b"PGCOPY\n\xff\r\n\0"):
                    data = data[19:]
                if len(data) > 6:
                    yield data[6:]


def _subtrees(connection: BaseDatabaseWrapper, report: Report) -> None:
    """Compare the kept roots of subtrees with their leaves, tier by tier."""
    for level, index, kept, data in _rows(
        connection,
        f"""
        SELECT s.level, s.index, s.hash, (SELECT string_agg(t.hash, ''::bytea ORDER BY t.n) FROM (
            SELECT l.pos AS n, l.hash FROM public.leaf l
             WHERE s.level = {TILE} AND l.pos >= s.index * 256 AND l.pos < (s.index + 1) * 256
            UNION ALL SELECT c.index, c.hash FROM public.subtree c
             WHERE s.level > {TILE} AND c.level = s.level - {TILE} AND c.index >= s.index * 256
               AND c.index < (s.index + 1) * 256) t)
        FROM public.subtree s ORDER BY s.level, s.index""",
    ):
        held = merkle.Range()
        held.extend([bytes(data[at : at + 32]) for at in range(0, len(data or b""), 32)])
        if held.size != 256 or held.root() != bytes(kept):
            report.add(Finding("subtree", pos=index << level))


def _heads(connection: BaseDatabaseWrapper, report: Report) -> None:
    for number, entries in _rows(connection, _HEADS):
        report.add(Finding("head", number, entries))
    for record, seq in _rows(connection, _WITHOUT):
        report.add(Finding("head", record, seq))
