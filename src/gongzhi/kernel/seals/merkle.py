"""The Merkle tree of RFC 6962 (section 2.1) over entries, and its proofs, checked as RFC 9162 (2.1.3.2, 2.1.4.2) says.

Pure functions of bytes: nothing here knows the database, so that a proof can be checked anywhere. Hashes are SHA-256,
32 bytes; leaves are counted from 0.

``node(level, index)`` stands for the root of the full subtree over the leaves from ``index * 2**level``, ``2**level`` of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""
TILE = 8
"""Every so many levels the roots of full subtrees are kept (C2SP tlog-tiles), so that a proof reads a few hundred hashes."""
_WHOLE = 1 << TILE

Node = Callable[[int, int], bytes]


class ProofError(ValueError):
    """A proof does not prove what it should."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two others."""
    return sha256(b"\1" + left + right).digest()


class Range:
    """A tree that grows at its right end: the roots of the full subtrees that its leaves fall into, the largest first.

    ``made`` is told of the full subtrees of every ``TILE``th level as they close, with level, index and hash.
    """

    def __init__(
        self, size: int = 0, hashes: Sequence[bytes] = (), made: Callable[[int, int, bytes], object] | None = None
    ) -> None:
        """Go on from a tree of ``size`` leaves, whose full subtrees (``parts(size)``) have these hashes."""
        if len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} full subtrees, not {len(hashes)}")
        self.size = size
        self._hashes = list(hashes)
        self._made = made

    def append(self, leaf: bytes) -> None:
        """Add the hash of one leaf."""
        self._join(leaf, 0)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add the hashes of many leaves; a quarter faster than one by one."""
        start = 0
        while start < len(leaves) and self.size % _WHOLE:
            self._join(leaves[start], 0)
            start += 1
        while len(leaves) - start >= _WHOLE:  # a whole subtree at once, by loops that stay in C
            row: Sequence[bytes] = leaves[start : start + _WHOLE]
            while len(row) > 1:
                row = [sha256(b"\1" + a + b).digest() for a, b in zip(row[::2], row[1::2], strict=True)]
            self._tell(TILE, self.size >> TILE, row[0])
            self._join(row[0], TILE)
            start += _WHOLE
        for leaf in leaves[start:]:
            self._join(leaf, 0)

    def _join(self, whole: bytes, level: int) -> None:
        """Put a full subtree of this level at the right end."""
        hashes, size = self._hashes, self.size + (1 << level)
        index = self.size >> level
        while index & 1:
            whole = sha256(b"\1" + hashes.pop() + whole).digest()
            index >>= 1
            level += 1
            if not level % TILE:
                self._tell(level, index, whole)
        hashes.append(whole)
        self.size = size

    def _tell(self, level: int, index: int, whole: bytes) -> None:
        if self._made:
            self._made(level, index, whole)

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return _fold(self._hashes)


def parts(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the full subtrees, as (level, index), into which the leaves from ``first`` up to ``end`` fall, left to right."""
    while first < end:
        level = min((first & -first).bit_length() - 1 if first else 64, (end - first).bit_length() - 1)
        yield level, first >> level
        first += 1 << level


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY
    whole = hashes[-1]
    for left in reversed(hashes[:-1]):
        whole = node_hash(left, whole)
    return whole


def _over(first: int, end: int, node: Node) -> bytes:
    """Return the hash of the tree over a run of leaves that begins where a tree of that size may begin."""
    return _fold([node(level, index) for level, index in parts(first, end)])


def root(size: int, node: Node) -> bytes:
    """Return the root of the first ``size`` leaves."""
    return _over(0, size, node)


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that the leaf at ``index`` is among the first ``size`` (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    first, end, above = 0, size, []
    while end - first > 1:
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        if index < middle:
            above.append(_over(middle, end, node))
            end = middle
        else:
            above.append(_over(first, middle, node))
            first = middle
    return above[::-1]


def consistency(old: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that the first ``old`` leaves are the beginning of the first ``size`` (RFC 6962, 2.1.2)."""
    if not 0 <= old <= size:
        raise ValueError(f"there are no {old} leaves among {size}")
    if old in (0, size):
        return []
    first, end, above, whole = 0, size, [], True
    while end != old:
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        if old <= middle:
            above.append(_over(middle, end, node))
            end = middle
        else:
            above.append(_over(first, middle, node))
            first, whole = middle, False
    return ([] if whole else [_over(first, end, node)]) + above[::-1]


def check_inclusion(root: bytes, size: int, index: int, leaf: bytes, proof: Iterable[bytes]) -> None:
    """Raise ProofError unless the proof shows the leaf (its hash) at ``index`` of the tree of this size and root."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} lies outside a tree of {size}")
    whole = leaf
    for step, left in _climb(index, size - 1, _checked(proof, root, leaf)):
        whole = node_hash(step, whole) if left else node_hash(whole, step)
    if whole != root:
        raise ProofError("the proof leads to another root")


def _climb(place: int, last: int, steps: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each step of a proof and whether it stands to the left. Raises ProofError where there are too many or too few."""
    for step in steps:
        if not last:
            raise ProofError("the proof is too long")
        left = bool(place & 1) or place == last
        yield step, left
        while left and not place & 1 and place:
            place >>= 1
            last >>= 1
        place >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is too short")


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Iterable[bytes]) -> None:
    """Raise ProofError unless the proof shows that the tree of size ``old`` (not 0) is the beginning of the one of ``size``."""
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {size} does not begin with {old} leaves")
    steps = list(proof)
    if not old:
        raise ProofError("every tree goes on from the empty one: that proves nothing")
    if old == size:
        if steps:
            raise ProofError("this needs no proof, but one was given")
        if old_root != root:
            raise ProofError("the same size has two roots")
        return
    steps = _checked(steps, old_root, root)
    if old & (old - 1) == 0:
        steps = [old_root, *steps]
    if not steps:
        raise ProofError("the proof is empty")
    place, last = old - 1, size - 1
    while place & 1:
        place >>= 1
        last >>= 1
    before = after = steps[0]
    for step, left in _climb(place, last, steps[1:]):
        if left:
            before, after = node_hash(step, before), node_hash(step, after)
        else:
            after = node_hash(after, step)
    if before != old_root or after != root:
        raise ProofError("the proof leads to other roots")


def _checked(proof: Iterable[bytes], *hashes: bytes) -> list[bytes]:
    steps = list(proof)
    if any(len(step) != HASH_BYTES for step in (*steps, *hashes)):
        raise ProofError("a hash has 32 bytes")
    return steps
