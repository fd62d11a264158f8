"""The ledger's public side: checkpoint, key and tiles are enough for a program of others to follow the tree."""

from collections.abc import Callable

import aics_tlog
import pytest
from django.test import Client

from gongzhi.kernel.act import Done
from gongzhi.kernel.seals import merkle, sealing
from gongzhi.kernel.seals.notes import Verifier, opened


class Tiles:
    """Reads our tiles as the other implementation asks for them."""

    def read_tile(self, level: int, index: int, width: int | None) -> bytes | None:
        number = f"{index:03}"
        above = "".join(f"x{number[at : at + 3]}/" for at in range(0, len(number) - 3, 3))
        answer = Client().get(f"/ledger/tile/{level}/{above}{number[-3:]}{f'.p/{width}' if width else ''}")
        return answer.content if answer.status_code == 200 else None

    def read_entry_bundle(self, index: int, width: int | None) -> bytes | None:  # noqa: ARG002  (the library's)
        return None


def test_before_the_first_seal_the_page_says_so(city: str) -> None:
    if sealing.latest() is None:
        assert "还没有封存过" in Client().get("/ledger").content.decode()
        assert Client().get("/ledger/checkpoint").status_code == 404


def test_others_follow_the_tree_over_http(filed: Callable[..., Done]) -> None:
    for _ in range(270):
        filed()
    made = sealing.seal().checkpoint
    assert made is not None
    note = Client().get("/ledger/checkpoint").content.decode()
    key = Client().get("/ledger/key").content.decode()
    held = opened(note, [Verifier.parse(key)])
    assert (held.size, held.root) == (made.size, made.root)
    assert held.size > 256
    assert aics_tlog.tree_root_from_tiles(Tiles(), held.size) == held.root
    proof = aics_tlog.inclusion_proof_from_tiles(Tiles(), 3, held.size)
    merkle.check_inclusion(held.root, held.size, 3, sealing.tile(0, 3, 1)[0], proof)
    assert proof == merkle.inclusion(3, held.size, sealing.kept_node())
    shown = Client().get("/ledger").content.decode()
    assert key.strip() in shown.replace("&#x27;", "'")
    assert f"{held.size:,}" in shown


@pytest.mark.parametrize(
    "path", ["0/999", "0/000.p/0", "0/000.p/257", "0/x00/000", "8/000", "0/000.p/9999", "0/abc", "0/x999/x999/x999/x999/x999/999", "entries/000"]
)  # fmt: skip
def test_tiles_that_are_not_there(filed: Callable[..., Done], path: str) -> None:
    filed()
    sealing.seal()
    assert Client().get(f"/ledger/tile/{path}").status_code == 404


def test_nothing_is_written_there(city: str) -> None:
    for path in ("", "/checkpoint", "/key", "/tile/0/000"):
        assert Client().post(f"/ledger{path}").status_code == 405
