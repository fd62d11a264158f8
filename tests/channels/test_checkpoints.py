"""Checkpoints are given away: to a folder, by mail once a day, to a witness that is a program of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from gongzhi.channels import checkpoints, sending, witnesses
from gongzhi.channels.config import SettingsWrong
from gongzhi.kernel.act import Done
from gongzhi.kernel.models import Cosignature
from gongzhi.kernel.seals import sealing
from gongzhi.kernel.seals.notes import Checkpoint, Verifier, opened
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.postgres.server import Server
from tests.channels.servers import Mailbox

PROGRAM = Path(__file__).parents[2] / "examples" / "witness" / "witness.py"


def sealed(filed: Callable[..., Done]) -> Checkpoint:
    filed()
    made = sealing.seal().checkpoint
    assert made is not None
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GONGZHI_CHECKPOINTS", str(tmp_path / "out"))
    return tmp_path / "out"


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Return a function that starts the example's witness on this ledger, and names it in the settings."""
    home, held = tmp_path / "witness", []
    made = subprocess.run(
        [sys.executable, str(PROGRAM), "init", "--home", str(home), "--name", "witness.example"], capture_output=True,
        text=True, check=True,
    )  # fmt: skip

    def start(port: int = 0) -> int:
        running = subprocess.Popen(
            [sys.executable, str(PROGRAM), "serve", "--home", str(home), "--port", str(port), "--log", str(seal_keys().signer.verifier)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        held.append(running)
        assert running.stdout
        taken = int(running.stdout.readline().rpartition(":")[2])
        monkeypatch.setenv("GONGZHI_WITNESSES", f"http://127.0.0.1:{taken} {made.stdout.strip()}")
        return taken

    start.home = home  # type: ignore[attr-defined]
    start.held = held  # type: ignore[attr-defined]
    yield start
    for running in held:
        running.kill()
        running.wait()


def test_nothing_is_published_before_the_first_seal(folder: Path) -> None:
    if sealing.latest() is None:
        assert checkpoints.publish() is None
        assert not folder.exists()


def test_folder_holds_the_newest_and_one_for_each_day(folder: Path, filed: Callable[..., Done]) -> None:
    first = sealed(filed)
    checkpoints.publish()
    assert (folder / "latest").read_text(encoding="utf-8") == first.note
    second = sealed(filed)
    checkpoints.publish()
    assert opened((folder / "latest").read_text(encoding="utf-8"), seal_keys().verifiers).size == second.size
    assert {path.name for path in folder.iterdir()} == {"latest", f"{timezone.localdate().isoformat()}.note"}


def test_a_folder_that_cannot_be_written_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filed: Callable[..., Done], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GONGZHI_CHECKPOINTS", str(tmp_path / "file"))
    sealed(filed)
    assert checkpoints.publish() is not None
    assert "write" in caplog.text


def test_mail_goes_out_once_a_day(
    folder: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, filed: Callable[..., Done]
) -> None:
    monkeypatch.setenv("GONGZHI_CHECKPOINT_MAIL", "审计局 <audit@example.org>, press@example.org")
    first = sealed(filed)
    checkpoints.publish()
    sealed(filed)
    checkpoints.publish()
    sending.send_waiting(timezone.now())
    assert sorted(to for to, _, _ in mailbox.arrived) == ["audit@example.org", "press@example.org"]
    body = mailbox.arrived[0][1].get_body(("plain",))
    assert body
    text = body.get_content()
    assert first.text.splitlines()[2] in text
    assert str(seal_keys().signer.verifier) in text


@pytest.mark.parametrize("wrong", ["nobody", "a@b, c"])
def test_wrong_addresses_are_said(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("GONGZHI_CHECKPOINT_MAIL", wrong)
    with pytest.raises(SettingsWrong, match="GONGZHI_CHECKPOINT_MAIL"):
        checkpoints.recipients()


@pytest.mark.parametrize("wrong", ["http://x", "http://x nokey", "ftp://x {key}", "http://x {log}"])
def test_wrong_witnesses_are_said(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    log = seal_keys().signer.verifier
    monkeypatch.setenv("GONGZHI_WITNESSES", wrong.format(log=log, key=Verifier("w", log.public, 4)))
    with pytest.raises(SettingsWrong, match="GONGZHI_WITNESSES"):
        witnesses.witnesses()


def test_a_witness_signs_what_goes_on_and_refuses_a_fork(
    folder: Path, witness: Callable[..., int], filed: Callable[..., Done], server: Server, database: str
) -> None:
    witness()
    first = sealed(filed)
    checkpoints.publish()
    (one,) = witnesses.witnesses()
    held = sealing.checkpoint(first.size)
    assert held is not None
    assert opened(held.note, [one.key]).root == first.root
    second = sealed(filed)
    checkpoints.publish()
    assert Cosignature.objects.filter(checkpoint=second.size).count() == 1
    assert "— witness.example " in (folder / "latest").read_text(encoding="utf-8")

    rewrite(server.url(database))
    forged = sealing.seal().checkpoint
    assert forged is not None
    assert (forged.size, forged.root == second.root) == (second.size, False)
    home: Path = witness.home  # type: ignore[attr-defined]
    for _again in range(2):  # the same contradiction is kept once
        with pytest.raises(witnesses.WitnessRefused) as refusal:
            witnesses.ask(one, forged)
        assert refusal.value.forked
    (kept,) = home.glob("forked-*.note")
    assert opened(kept.read_text(encoding="utf-8"), seal_keys().verifiers).root == forged.root
    longer = sealed(filed)
    with pytest.raises(witnesses.WitnessRefused) as refusal:
        witnesses.ask(one, longer)
    assert refusal.value.forked
    (kept,) = home.glob("unproven-*.note")
    assert opened(kept.read_text(encoding="utf-8"), seal_keys().verifiers).size == longer.size


def rewrite(address: str) -> None:
    """Change an old entry, with a superuser's rights and the ledger's own key: everything sealed is to be sealed anew."""
    tables = ("entry", "leaf", "subtree", "cosignature", "checkpoint")
    with psycopg.connect(address) as root:
        for table in tables:
            root.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        root.execute(
            "UPDATE entry SET at = at - interval '9 days' WHERE id = (SELECT entry_id FROM leaf WHERE pos = 0)"
        )
        for table in tables[1:]:
            root.execute(f"DELETE FROM {table}")
        root.execute("DELETE FROM outbox_position WHERE reader = 'seals'")
        for table in tables:
            root.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
            if table != "cosignature":
                root.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


def test_a_witness_remembers_across_its_own_end(
    folder: Path, witness: Callable[..., int], filed: Callable[..., Done], caplog: pytest.LogCaptureFixture
) -> None:
    witness()
    sealed(filed)
    checkpoints.publish()
    for running in witness.held:  # type: ignore[attr-defined]
        running.kill()
        running.wait()
    sealed(filed)
    checkpoints.publish()
    assert "没有应答" in caplog.text
    witness()
    newest = sealed(filed)
    checkpoints.publish()
    assert Cosignature.objects.filter(checkpoint=newest.size).count() == 1


def test_a_lost_answer_is_made_good(folder: Path, witness: Callable[..., int], filed: Callable[..., Done]) -> None:
    """The witness signed, its answer never came: it says which size it holds, and we go on from there."""
    witness()
    first = sealed(filed)
    (one,) = witnesses.witnesses()
    assert witnesses._post(one, first, 0)[0] == 200
    newest = sealed(filed)
    assert witnesses.ask(one, newest)
    assert not witnesses.ask(one, newest)


def test_a_shortened_ledger_is_refused(folder: Path, witness: Callable[..., int], filed: Callable[..., Done]) -> None:
    witness()
    first, second = sealed(filed), sealed(filed)
    (one,) = witnesses.witnesses()
    assert witnesses._post(one, second, 0)[0] == 200
    with pytest.raises(witnesses.WitnessRefused) as refusal:
        witnesses.ask(one, first)
    assert refusal.value.forked
