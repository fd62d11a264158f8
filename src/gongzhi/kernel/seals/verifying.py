"""Checking the ledger against its seals, by who believes nobody: read once, in bounded memory, nothing written.

Each entry is hashed anew (its body with the head before it, its leaf as RFC 6962 says), the tree is grown beside, and at
every checkpoint's size its root is compared. Checkpoints that outsiders kept are compared in the same pass: a cut tail and
a history signed anew with the key show only there.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ExecStatus

from gongzhi.kernel.canonical import UnknownAlgorithm, digest
from gongzhi.kernel.seals import merkle
from gongzhi.kernel.seals.findings import Finding, Numbers, Report
from gongzhi.kernel.seals.leaf import HEAD_BEFORE, leaf_fields, leaf_sql
from gongzhi.kernel.seals.merkle import TILE
from gongzhi.kernel.seals.notes import Checkpoint, NoteError, Verifier, opened

# One value for each row, for the reader's speed: a byte that says what is there, the position, the leaf's kept hash, the
# entry's hash, the leaf's length and the leaf as it is hashed, the head before the entry, the body. What is hashed stands
# together, so that nothing is put together here.
_FIRST, _LATER, _GONE, _GAP = b"\x00", b"\x01", b"\x02", b"\x03"
_PACKED = """
    CASE WHEN e.id IS NULL THEN '\\x02'::bytea
         WHEN e.seq = 1 THEN '\\x00' WHEN p.hash IS NULL THEN '\\x03' ELSE '\\x01' END
    || int8send(coalesce(l.pos, -1)) || coalesce(l.hash, '')
    || CASE WHEN e.id IS NULL THEN '' ELSE
           e.hash || int4send(octet_length(x.leaf)) || '\\x00'::bytea || x.leaf || coalesce(p.hash, '') || convert_to(e.body, 'UTF8') END"""
_JOINED = f"""
    {HEAD_BEFORE}
    LEFT JOIN LATERAL (SELECT {leaf_sql("e")} AS leaf OFFSET 0) x ON true"""
_SEALED = f"COPY (SELECT {_PACKED} FROM public.leaf l LEFT JOIN public.entry e ON e.id = l.entry_id {_JOINED} ORDER BY l.pos) TO STDOUT (FORMAT binary)"
_AS_THEY_STAND = ("enable_sort", "enable_hashjoin", "enable_mergejoin", "max_parallel_workers_per_gather")
"""Put off for the pass over the positions: else the planner sorts the whole ledger on the disk before the first row comes,
while the entries lie nearly in the order of their positions."""
_UNSEALED = f"""
COPY (SELECT CASE WHEN (e.xid, e.id) < (SELECT s.xid, s.id FROM public.leaf m JOIN public.entry s ON s.id = m.entry_id
                                        ORDER BY m.pos DESC LIMIT 1) THEN '\\x01'::bytea ELSE '\\x00' END || {_PACKED}
      FROM (SELECT e.* FROM public.entry e WHERE NOT EXISTS (SELECT FROM public.leaf l WHERE l.entry_id = e.id)) e
      LEFT JOIN public.leaf l ON false {_JOINED}) TO STDOUT (FORMAT binary)"""
_HEADS = """
SELECT DISTINCT r.id, r.number, r.entries
FROM public.register r LEFT JOIN public.entry e ON e.record_id = r.id AND e.seq >= r.entries
WHERE e.seq > r.entries OR r.head IS DISTINCT FROM
      coalesce(e.hash, CASE WHEN r.service = 'directory' AND r.entries = 1 THEN sha256('directory'::bytea) END)
ORDER BY r.id
"""
_WITHOUT = "SELECT e.record_id::text, e.seq FROM public.entry e WHERE NOT EXISTS (SELECT FROM public.register r WHERE r.id = e.record_id)"


def verify(verifiers: Iterable[Verifier], outside: Iterable[Checkpoint] = ()) -> Report:
    """Check every entry, the tree, every checkpoint and every record's head; ``outside`` are checkpoints from elsewhere.

    Reads as the owner, on connections of its own. Raises django's database errors.
    """
    report, rest = Report(), Report()
    with ExitStack() as stack:
        reading = stack.enter_context(_own())
        moment = _snapshot(reading)
        beside, apart, asked = (stack.enter_context(_own(moment)) for _ in range(3))
        second = stack.enter_context(
            ThreadPoolExecutor(1)
        )  # for what is the server's work alone, while this thread hashes
        others = second.submit(_Unsealed(rest, Numbers(asked)).check, apart)
        walk = _Sealed(report, Numbers(beside), _marks(beside, list(verifiers), report, outside))
        walk.check(reading)
        _subtrees(beside, report, walk.tiles)
        others.result()
    report.join(rest)
    return report


@contextmanager
def _own(snapshot: str | None = None) -> Iterator[BaseDatabaseWrapper]:
    """Open a connection that sees one moment of the database: the present one, or the one that another connection sees."""
    connection = connections["owner"].copy()
    connection.inc_thread_sharing()
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
        yield connection
    finally:
        connection.close()


def _snapshot(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        return str(cursor.fetchone()[0])


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


def _rows(connection: BaseDatabaseWrapper, sql: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.transaction(), raw.cursor("gongzhi_verify") as cursor:  # on the server: a year has half a million of them
        cursor.execute(sql, values)
        yield from cursor


_HEADER, _FIELD = 19, 6
"""Bytes before the first row of a binary COPY, and before a row's only column."""
_AT_ONCE = 4096
"""Leaves that are put into the tree together."""


class _Check:
    """What is wrong with single entries."""

    def __init__(self, report: Report, numbers: Numbers) -> None:
        self.report = report
        self.numbers = numbers

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


class _Sealed(_Check):
    """The pass over the sealed entries: what was read so far, and the next checkpoint to compare.

    Of the tree it keeps its right edge, and the roots of its whole subtrees: 32 bytes for 256 entries.
    """

    def __init__(self, report: Report, numbers: Numbers, marks: Iterator[tuple[int, bytes, bool]]) -> None:
        super().__init__(report, numbers)
        self.marks = marks
        self.mark = next(marks, None)
        self.rootless = False
        self.tiles = bytearray()
        self.tree = merkle.Range(made=lambda level, _index, whole: self.tiles.extend(whole) if level == TILE else None)

    def check(self, connection: BaseDatabaseWrapper) -> None:
        """Check what is sealed, in the order of positions."""
        leaves: list[bytes] = []
        keep, fault = leaves.append, self.report.add
        self._compare()
        expected = entries = 0
        for data in _packed(connection, _SEALED, _AS_THEY_STAND):
            pos = int.from_bytes(data[1:9])
            if pos != expected:
                fault(Finding("position", pos=expected))
                expected = pos
            expected += 1
            if data[:1] == _GONE:
                keep(data[9:41])
                fault(Finding("deleted", pos=pos))
            else:
                entries += 1
                made, good = _checked(data, 41)
                keep(made)
                if not good or made != data[9:41]:
                    self._told(data, 41, pos, made)
            if len(leaves) == _AT_ONCE or (self.mark and self.tree.size + len(leaves) == self.mark[0]):
                self.tree.extend(leaves)
                leaves.clear()
                self._compare()
        self.tree.extend(leaves)
        self.report.sealed = self.tree.size
        self.report.entries += entries
        while self.mark:
            size, _root, outside = self.mark
            fault(Finding("cut" if outside else "short", pos=size))
            self.mark = next(self.marks, None)

    def _compare(self) -> None:
        while self.mark and self.mark[0] <= self.tree.size:
            size, root, outside = self.mark
            if size == self.tree.size and root != self.tree.root() and not (self.rootless and not outside):
                self.rootless |= not outside  # every later one differs too
                self.report.add(Finding("forked" if outside else "root", pos=size))
            self.mark = next(self.marks, None)


class _Unsealed(_Check):
    """What no seal covers yet, and the heads of the records."""

    def check(self, connection: BaseDatabaseWrapper) -> None:
        """Check the heads, then the entries; one among these that is older than a sealed one was put in later."""
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")  # the other core is hashing
        _heads(connection, self.report)
        for data in _packed(connection, _UNSEALED):
            self.report.entries += 1
            if data[:1] == b"\x01":
                self._fault("added", _leaf(data, 10))
            _made, good = _checked(data[1:], 9)
            if not good:
                self._told(data[1:], 9, None, None)


def _checked(data: bytes, at: int) -> tuple[bytes, bool]:
    """Return the hash of the entry's leaf, and whether its body is what its hash covers. Hot."""
    end = at + 37 + int.from_bytes(data[at + 32 : at + 36])
    made = sha256(data[at + 36 : end]).digest()
    if data[:1] == _GAP:
        return made, False
    if data[end - 72 : end - 64] != b"\nsha256\n":  # a whole line: another name may end like it
        return made, _body_holds(data, at)
    return made, sha256(data[end:]).digest() == data[at : at + 32]


def _leaf(data: bytes, at: int) -> bytes:
    return data[at + 37 : at + 37 + int.from_bytes(data[at + 32 : at + 36])]


def _body_holds(data: bytes, at: int) -> bool:
    leaf = _leaf(data, at)
    try:
        return data[:1] == _GAP or digest(data[at + 37 + len(leaf) :], leaf_fields(leaf)["alg"]) == data[at : at + 32]
    except (UnknownAlgorithm, ValueError):
        return False


def _packed(connection: BaseDatabaseWrapper, sql: str, off: Iterable[str] = ()) -> Iterator[bytes]:
    """Yield the single column of each row of a binary COPY, with these settings of the planner put off."""
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.transaction(), raw.cursor() as cursor:
        for setting in off:
            cursor.execute(f"SET LOCAL {setting} = 0")
        with cursor.copy(sql) as copy:
            start = _HEADER + _FIELD
            for block in _blocks(raw.pgconn, copy):
                if row := block[start:]:  # the sign of the end is shorter than a field's head
                    yield row
                start = _FIELD


def _blocks(line: Any, copy: Any) -> Iterator[bytes]:
    """Yield what COPY sends, row by row: what has come already straight from libpq, a third of the time of psycopg's way."""
    while True:
        size, data = line.get_copy_data(1)
        if not size:
            data = copy.read()  # waits
            if not data:
                return
        elif size < 0:
            while result := line.get_result():
                if result.status != ExecStatus.COMMAND_OK:
                    raise psycopg.errors.error_from_result(result)
            return
        yield bytes(data)


def _subtrees(connection: BaseDatabaseWrapper, report: Report, tiles: bytearray) -> None:
    """Compare the kept roots of subtrees with what lies below, tier by tier.

    Those over leaves are compared with what the entries made (``tiles``); the kept leaves are read only where they differ.
    """
    for level, index, kept, data in _rows(
        connection,
        f"""
        SELECT s.level, s.index, s.hash, (SELECT string_agg(t.hash, ''::bytea ORDER BY t.n) FROM (
            SELECT l.pos AS n, l.hash FROM public.leaf l
             WHERE s.level = {TILE} AND l.pos >= s.index * 256 AND l.pos < (s.index + 1) * 256
            UNION ALL SELECT c.index, c.hash FROM public.subtree c
             WHERE s.level > {TILE} AND c.level = s.level - {TILE} AND c.index >= s.index * 256
               AND c.index < (s.index + 1) * 256) t)
        FROM public.subtree s
        WHERE s.level > {TILE} OR s.hash IS DISTINCT FROM substr(%s::bytea, s.index::integer * 32 + 1, 32)
        ORDER BY s.level, s.index""",
        [bytes(tiles)],
    ):
        held = merkle.Range()
        held.extend([bytes(data[at : at + 32]) for at in range(0, len(data or b""), 32)])
        if held.size != 256 or held.root() != bytes(kept):
            report.add(Finding("subtree", pos=index << level))


def _heads(connection: BaseDatabaseWrapper, report: Report) -> None:
    for _id, number, entries in _rows(connection, _HEADS):
        report.add(Finding("head", number, entries))
    for record, seq in _rows(connection, _WITHOUT):
        report.add(Finding("head", record, seq))
