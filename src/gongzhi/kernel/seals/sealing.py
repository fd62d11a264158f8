"""Sealing: committed entries get their places in the tree, and a checkpoint over all of them is signed."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.utils.translation import gettext as _

from gongzhi.kernel.context import clock_actor
from gongzhi.kernel.models import Checkpoint as Kept
from gongzhi.kernel.seals import merkle
from gongzhi.kernel.seals.merkle import TILE
from gongzhi.kernel.seals.notes import Checkpoint
from gongzhi.kernel.seals.signing import seal_keys

BATCH = 5_000
"""Entries of one transaction: an open one holds the next seal and the outbox up."""


class SealError(Exception):
    """The ledger cannot be sealed; the sentence says why."""


@dataclass(frozen=True)
class Sealed:
    """What a run of the sealer did: entries that were sealed now, and the checkpoint that covers all."""

    entries: int
    checkpoint: Checkpoint | None


def seal() -> Sealed:
    """Seal what is committed below the oldest running transaction, batch by batch. Raises SealError, keys.KeyFileError."""
    entries, newest = 0, latest()
    while made := seal_batch():
        entries += made[0]
        newest = made[1]
        if made[0] < BATCH:
            break
    return Sealed(entries, newest)


def seal_batch() -> tuple[int, Checkpoint] | None:
    """Seal up to ``BATCH`` entries in one transaction; None where there are none. Raises SealError.

    The moment is the database's, and none before the last seal's: this process's clock may be wrong.
    """
    signer, clock = seal_keys().signer, clock_actor()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pos, hash FROM kernel.seal_entries(%s, %s)", [clock.post, BATCH])
        rows = cursor.fetchall()
        if not rows:
            return None
        size = rows[0][0]
        before = Kept.objects.order_by("-size").first()
        closed: list[tuple[int, int, bytes]] = []
        node = kept_node()
        tree = merkle.Range(
            size,
            [node(level, index) for level, index in merkle.parts(0, size)],
            lambda *subtree: closed.append(subtree),
        )
        if size != (before.size if before else 0) or (before and tree.root() != bytes(before.root)):
            raise SealError(_("账本的封条与上一个检查点不符，没有继续封存。请运行 gongzhi ledger verify。"))
        tree.extend([bytes(leaf) for _pos, leaf in rows])
        made = Checkpoint(signer.name, tree.size, tree.root())
        note = made.signed(signer)
        cursor.execute(
            "SELECT kernel.put_checkpoint(%s, %s, %s, greatest(clock_timestamp(), %s::timestamptz), %s, %s::smallint[], "
            "%s::bigint[], %s::bytea[])",
            [clock.post, tree.size, made.root, before.at if before else None, note,
             [c[0] for c in closed], [c[1] for c in closed], [c[2] for c in closed]],
        )  # fmt: skip
    return len(rows), Checkpoint(signer.name, tree.size, made.root, note)


def latest() -> Checkpoint | None:
    """Return the newest checkpoint, with the signatures of witnesses; None where nothing was sealed."""
    kept = Kept.objects.prefetch_related("cosignatures").order_by("-size").first()
    return _whole(kept) if kept else None


def checkpoint(size: int) -> Checkpoint | None:
    """Return the checkpoint over so many entries, None where there is none of this size."""
    kept = Kept.objects.prefetch_related("cosignatures").filter(size=size).first()
    return _whole(kept) if kept else None


def _whole(kept: Kept) -> Checkpoint:
    note = kept.note + "".join(held.line for held in kept.cosignatures.all())
    return Checkpoint(kept.note.partition("\n")[0], kept.size, bytes(kept.root), note)


def tile(level: int, first: int, count: int = 1 << TILE) -> list[bytes]:
    """Return the kept hashes of ``count`` subtrees of ``2**(8 * level)`` leaves from the one numbered ``first``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kernel.tree_hashes(%s, %s, %s)", [level * TILE, first, count])
        data = bytes(cursor.fetchone()[0])
    return [data[at : at + merkle.HASH_BYTES] for at in range(0, len(data), merkle.HASH_BYTES)]


def kept_node() -> merkle.Node:
    """Return a function from (level, index) to the hash of a full subtree, read from what is kept of the tree."""

    def node(level: int, index: int) -> bytes:
        tier, rest = divmod(level, TILE)
        row = tile(tier, index << rest, 1 << rest)
        if len(row) != 1 << rest:
            raise SealError(_("账本缺少封条的一部分，请运行 gongzhi ledger verify。"))
        while len(row) > 1:
            row = [merkle.node_hash(a, b) for a, b in zip(row[::2], row[1::2], strict=True)]
        return row[0]

    return node
