"""The commands of keys and backups, typed: rotate, drop, backup into a file, restore into an empty home, verified there."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import gongzhi, last

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = tmp_path_factory.mktemp("homes")
    for folder in (made, *made.parents[:2]):
        folder.chmod(0o755)
    return made / "old", made / "new"


def ran(home: Path, *arguments: str) -> str:
    done = gongzhi(home, *arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def test_rotated_backed_up_and_restored(homes: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = homes
    ran(old, "init", "--sample", "small")
    ran(old, "keys", "rotate")
    held: Any = last(gongzhi(old, "keys", "list", "--json"))
    (current,) = [key for key in held if key["current"]]
    (former,) = [key for key in held if not key["current"]]
    assert (current["wrapped"] > 100, former["wrapped"]) == (True, 0)
    assert gongzhi(old, "keys", "drop", current["id"]).returncode == 2
    ran(old, "ledger", "seal")
    copy = tmp_path / "city.tar"
    ran(old, "backup", str(copy))
    wrong = gongzhi(new, "restore", str(copy))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "密钥文件" in wrong.stderr
    shutil.copytree(old / "keys", new / "keys", dirs_exist_ok=True)
    ran(new, "restore", str(copy))
    report: Any = last(gongzhi(new, "ledger", "verify", "--state", "--json"))
    assert report["ok"]
    assert report["entries"] > 1000
    again = gongzhi(new, "restore", str(copy))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    ran(new, "keys", "drop", former["id"])
    held = last(gongzhi(new, "keys", "list", "--json"))
    assert [key["id"] for key in held] == [current["id"]]
    report = last(gongzhi(new, "ledger", "verify", "--state", "--json"))
    assert report["ok"]
