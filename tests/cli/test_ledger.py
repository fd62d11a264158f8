"""The ledger's commands: seal, verify, prove, check without a database, export; exit codes and JSON."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gongzhi.postgres.server import Server
from tests.cli.test_commands import gongzhi, last


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gz-ledger"))
    folder.chmod(0o755)
    made = gongzhi(folder, "init", "--sample", "small")
    assert made.returncode == 0, made.stderr
    server = Server(folder)  # held open, so that each command joins it instead of starting and stopping its own
    server.start()
    yield folder
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def said(home: Path, *arguments: str, code: int = 0) -> Any:
    done = gongzhi(home, "ledger", *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return last(done)


def test_seal_verify_prove_export(home: Path, tmp_path: Path) -> None:
    assert "先运行 gongzhi ledger seal" in gongzhi(home, "ledger", "export", str(tmp_path / "none")).stderr
    sealed = said(home, "seal")
    assert sealed["sealed"] == sealed["entries"] > 1000
    assert said(home, "seal")["entries"] == 0
    report = said(home, "verify", "--state")
    assert (report["ok"], report["sealed"], report["first_bad"]) == (True, report["entries"], None)
    key = said(home, "key")["key"]
    (tmp_path / "key").write_text(key)
    number = last(
        gongzhi(
            home,
            "db",
            "sql",
            "select number from register where service = 'request' order by entries desc limit 1",
            "--as",
            "owner",
            "--json",
        )
    )[0]["number"]  # type: ignore[index]
    proof = tmp_path / "proof.json"
    assert gongzhi(home, "ledger", "prove", number, "--to", str(proof)).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    checked = said(elsewhere, "check-proof", str(proof), "--key", key)
    assert (checked["ok"], checked["entries"] > 3, checked["sealed"]) == (True, True, sealed["sealed"])
    assert not (elsewhere / "postgres").exists()
    changed = json.loads(proof.read_text())
    changed["entries"][1]["body"] = changed["entries"][1]["body"].replace('"post":', '"post":1')
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    assert said(elsewhere, "check-proof", str(tmp_path / "changed.json"), "--key", key, code=1)["ok"] is False
    other = said(elsewhere, "key")["key"]
    assert said(elsewhere, "check-proof", str(proof), "--key", other, code=1)["ok"] is False
    whole = tmp_path / "ledger.gz"
    assert said(home, "export", str(whole))["entries"] == sealed["sealed"]
    assert said(elsewhere, "check-proof", str(whole), "--key", str(tmp_path / "key"))["entries"] == sealed["sealed"]
    assert gongzhi(home, "ledger", "export", str(whole)).returncode == 2
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    assert said(elsewhere, "check-proof", str(whole), "--key", key, code=1)["ok"] is False


def test_verify_names_what_a_superuser_changed(home: Path, tmp_path: Path) -> None:
    said(home, "seal")
    outside = tmp_path / "outside.note"
    outside.write_text(said(home, "seal")["checkpoint"])
    assert said(home, "verify", "--against", str(outside))["ok"]
    edit = "UPDATE register SET title = '别的事' WHERE number = (SELECT min(number) FROM register WHERE service = 'request') RETURNING number"
    number = last(gongzhi(home, "db", "sql", edit, "--as", "owner", "--json"))[0]["number"]  # type: ignore[index]
    assert said(home, "verify")["ok"]
    found = said(home, "verify", "--state", code=1)["first_bad"]
    assert (found["kind"], found["number"], found["detail"]) == ("state", number, "title")
    shown = gongzhi(home, "ledger", "verify", "--state")
    assert shown.returncode == 1
    assert number in shown.stdout
    assert "绕过账本" in shown.stdout


def test_a_new_signing_key_keeps_old_checkpoints_good(home: Path) -> None:
    before = said(home, "key")["key"]
    after = said(home, "key", "--rotate")
    assert after["key"] != before
    assert before in after["all"]
    assert said(home, "verify")["sealed"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check-proof", "nowhere.json", "--key", "x+1+2"), "公钥写法不对"),
        (("check-proof", "nowhere.json", "--key", "nowhere"), "读不到"),
        (("prove", "SQ0000"), "没有编号"),
        (("verify", "--against", "nowhere"), "读不到检查点"),
    ],
)
def test_what_cannot_be_done_is_said(home: Path, arguments: tuple[str, ...], words: str) -> None:
    done = gongzhi(home, "ledger", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_no_proof_is_said(home: Path, tmp_path: Path) -> None:
    key = said(home, "key")["key"]
    (tmp_path / "key").write_bytes("公钥".encode("gb18030"))
    refused = gongzhi(home, "ledger", "check-proof", "nowhere", "--key", str(tmp_path / "key"))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    (tmp_path / "proof.json").write_bytes("证明".encode("gb18030"))
    done = gongzhi(home, "ledger", "check-proof", str(tmp_path / "proof.json"), "--key", key)
    assert done.returncode == 2
    assert "不是证明" in done.stderr


def test_what_ends_is_listed_and_one_is_erased(home: Path) -> None:
    done = gongzhi(home, "retention", "--json")
    assert (done.returncode, last(done)) == (0, [])
    assert last(gongzhi(home, "retention", "--days", "36000", "--json"))
    closed = last(gongzhi(home, "db", "sql", "select number from register where service = 'request' and closed_at is not null order by 1 desc limit 1", "--as", "owner", "--json"))  # fmt: skip
    number = closed[0]["number"]  # type: ignore[index]
    refused = gongzhi(home, "erase", number, "--because", "period")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "没有满" in refused.stderr
    assert last(gongzhi(home, "erase", number, "--because", "person", "--json")) == {"erased": number}
    assert "已经销毁" in gongzhi(home, "erase", number, "--because", "person").stderr
    found = said(home, "verify", "--state", code=1)
    assert number not in {one["number"] for one in found["findings"]}
