"""The tree and its proofs: by the vectors that others publish, and held to another implementation of the same standards."""

import base64
import json
from pathlib import Path
from typing import Any

import aics_tlog
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.kernel.seals import merkle
from gongzhi.kernel.seals.notes import (
    COSIGNATURE,
    Checkpoint,
    NoteError,
    Signer,
    Verifier,
    opened,
    parse,
    proof_lines,
    read_proof,
)

VECTORS = Path(__file__).parent / "vectors"


def node_of(leaves: list[bytes]) -> merkle.Node:
    def node(level: int, index: int) -> bytes:
        held = merkle.Range()
        held.extend(leaves[index << level : (index + 1) << level])
        assert held.size == 1 << level
        return held.root()

    return node


@given(st.integers(0, 600))
def test_roots_are_those_of_the_other_implementation(size: int) -> None:
    data = [str(number).encode() for number in range(size)]
    leaves = [merkle.leaf_hash(one) for one in data]
    one_by_one, at_once = merkle.Range(), merkle.Range()
    for leaf in leaves:
        one_by_one.append(leaf)
    at_once.extend(leaves)
    assert (
        one_by_one.root() == at_once.root() == aics_tlog.MerkleTree(data).root() == merkle.root(size, node_of(leaves))
    )


@given(st.integers(1, 1400), st.data())
def test_a_tree_goes_on_from_its_full_subtrees(size: int, data: Any) -> None:
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(size)]
    first = data.draw(st.integers(0, size))
    node = node_of(leaves)
    told: dict[tuple[int, int], bytes] = {}
    tree = merkle.Range(
        first,
        [node(*part) for part in merkle.parts(0, first)],
        lambda level, index, whole: told.__setitem__((level, index), whole),
    )
    for start in range(first, size, step := data.draw(st.integers(1, 700))):
        tree.extend(leaves[start : start + step])
    assert tree.root() == merkle.root(size, node)
    assert told == {(merkle.TILE, index): node(merkle.TILE, index) for index in range(first >> 8, size >> 8)}


@given(st.integers(1, 200), st.data())
def test_proofs_are_those_of_the_other_implementation(size: int, data: Any) -> None:
    content = [str(number).encode() for number in range(size)]
    leaves = [merkle.leaf_hash(one) for one in content]
    other, node = aics_tlog.MerkleTree(content), node_of(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    proof = merkle.inclusion(index, size, node)
    assert proof == list(other.inclusion_proof(index, size))
    merkle.check_inclusion(other.root(), size, index, leaves[index], proof)
    going_on = merkle.consistency(old, size, node)
    assert going_on == list(other.consistency_proof(old, size))
    if old:
        merkle.check_consistency(old, merkle.root(old, node), size, other.root(), going_on)
    if proof:
        step = data.draw(st.integers(0, len(proof) - 1))
        wrong = [*proof[:step], bytes(32), *proof[step + 1 :]]
        with pytest.raises(merkle.ProofError):
            merkle.check_inclusion(other.root(), size, index, leaves[index], wrong)
        with pytest.raises(merkle.ProofError):
            merkle.check_inclusion(other.root(), size, index, leaves[index], proof[:-1])


def _vectors(kind: str) -> list[Any]:
    held = json.loads((VECTORS / f"{kind}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=name) for name, case in held.items()]


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@pytest.mark.parametrize("case", _vectors("inclusion"))
def test_published_inclusion_vectors(case: dict[str, Any]) -> None:
    given = _bytes(case["root"]), case["treeSize"], case["leafIdx"], _bytes(case["leafHash"])
    proof = [_bytes(step) for step in case["proof"] or []]
    if case["wantErr"]:
        with pytest.raises(merkle.ProofError):
            merkle.check_inclusion(*given, proof)
    else:
        merkle.check_inclusion(*given, proof)


@pytest.mark.parametrize("case", _vectors("consistency"))
def test_published_consistency_vectors(case: dict[str, Any]) -> None:
    given = case["size1"], _bytes(case["root1"]), case["size2"], _bytes(case["root2"])
    proof = [_bytes(step) for step in case["proof"] or []]
    if case["wantErr"]:
        with pytest.raises(merkle.ProofError):
            merkle.check_consistency(*given, proof)
    else:
        merkle.check_consistency(*given, proof)


SIGNER = Signer("gongzhi.example/ledger", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))), COSIGNATURE)


def test_the_other_implementation_reads_our_notes() -> None:
    held = Checkpoint(SIGNER.name, 7, merkle.leaf_hash(b"x"))
    note = held.signed(SIGNER)
    assert aics_tlog.verify_note(aics_tlog.parse_note(note), [aics_tlog.parse_vkey(str(SIGNER.verifier))])
    assert aics_tlog.parse_checkpoint(held.text).root == held.root
    line = WITNESS.line(held.text, 1_800_000_000)
    _text, [(name, key, signature)] = parse(f"{held.text}\n{line}")
    assert (name, key) == (WITNESS.name, WITNESS.verifier.id)
    assert aics_tlog.cosignature_vkey(WITNESS.name, WITNESS.verifier.public).key_id == key
    assert aics_tlog.verify_cosignature(
        signature, WITNESS.name, WITNESS.verifier.public, held.origin, held.size, held.root
    )
    assert opened(note + line, [SIGNER.verifier]) == Checkpoint(held.origin, 7, held.root, note + line)
    assert opened(note + line, [WITNESS.verifier]).size == 7


def test_we_read_the_other_implementations_notes() -> None:
    made = aics_tlog.sign_checkpoint(
        aics_tlog.Checkpoint("a.example/log", 3, bytes(32)), SIGNER.private, "a.example/log"
    )
    key = Verifier("a.example/log", SIGNER.verifier.public)
    text = (
        made.text
        + "\n"
        + "".join(f"— {line.name} {base64.b64encode(_signed(line)).decode()}\n" for line in made.signatures)
    )
    assert opened(text, [key]).size == 3
    assert Verifier.parse(str(key)) == key


def _signed(line: Any) -> bytes:
    return bytes(line.key_id) + bytes(line.signature)


NOTE = Checkpoint(SIGNER.name, 7, bytes(32)).signed(SIGNER)


@pytest.mark.parametrize(
    "wrong",
    [
        "", "text", NOTE.replace("\n7\n", "\n8\n"), NOTE.replace("\n\n", "\n"), NOTE.rstrip("\n"), NOTE.replace("— ", "- "),
        NOTE.replace("\n7\n", "\n07\n"), NOTE.replace("\n", "\r\n"), NOTE.replace("— gongzhi", "— other"), NOTE + "x" * 70_000,
        Checkpoint(SIGNER.name, 7, b"short").signed(SIGNER), NOTE.replace("AAAA", "A*AA"),
    ],
)  # fmt: skip
def test_what_is_no_note_of_ours_is_refused(wrong: str) -> None:
    with pytest.raises(NoteError):
        opened(wrong, [SIGNER.verifier])


@pytest.mark.parametrize(
    "wrong", ["", "name", "name+12345678+AAAA", str(SIGNER.verifier).replace("gongzhi", "other"), "a b+1+2"]
)
def test_what_is_no_verifier_key_is_refused(wrong: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(wrong)


def test_proofs_as_lines() -> None:
    steps = [merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")]
    assert read_proof(proof_lines(steps).splitlines()) == steps
    with pytest.raises(NoteError):
        read_proof(["*"])
