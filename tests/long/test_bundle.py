"""One file installs the platform where there is no internet, and the examples of the documentation are what they say."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(900)
def test_the_bundle_installs_and_runs_without_any_index(tmp_path: Path) -> None:
    made = subprocess.run([sys.executable, "tools/bundle.py"], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the packages cannot be fetched here: {made.stderr[-300:]}")
    with tarfile.open(made.stdout.strip()) as tar:
        tar.extractall(tmp_path, filter="data")
    tmp_path.chmod(0o755)
    place = next(path for path in tmp_path.iterdir() if (path / "install.sh").exists())
    away = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PYTHON": sys.executable,
        "LANG": "C.UTF-8",
    }
    folder = tmp_path / "installed"
    subprocess.run(
        ["sh", str(place / "install.sh"), str(folder)], env=away, check=True, capture_output=True, timeout=600
    )
    program, home = folder / "bin" / "gongzhi", tmp_path / "home"
    home.mkdir()
    away |= {"GONGZHI_HOME": str(home)}
    for arguments in (["init"], ["check"], ["backup", str(tmp_path / "b.tar")]):
        done = subprocess.run([program, *arguments], env=away, cwd=home, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    english = subprocess.run(
        [program, "check"], env=away | {"GONGZHI_LANGUAGE": "en"}, cwd=home, capture_output=True, text=True, timeout=300
    )
    assert "没有" not in english.stdout  # the translations are in the wheel


def test_the_units_are_what_systemd_reads() -> None:
    verify = shutil.which("systemd-analyze")
    units = sorted((ROOT / "docs" / "examples" / "systemd").glob("*.service"))
    assert len(units) == 3
    for unit in units:
        text = unit.read_text(encoding="utf-8")
        assert "User=gongzhi" in text
        assert "ExecStart=/opt/gongzhi/bin/gongzhi" in text
    if verify is None:
        pytest.skip("no systemd-analyze here")
    said = subprocess.run([verify, "verify", *map(str, units)], capture_output=True, text=True)
    faults = [line for line in said.stderr.splitlines() if "gongzhi" in line and "is not executable" not in line]
    assert [line for line in faults if "Unknown" in line or "Failed to parse" in line] == []
