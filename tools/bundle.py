"""Pack everything that an installation without internet needs into one file: `make bundle`.

The file holds the project as a wheel (page assets and translations in it), the locked packages as wheels for this kind of
machine, the examples of docs/examples, and install.sh. The target needs Linux of the same architecture and the Python named
in .python-version with venv; nothing is downloaded there.
"""

import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools" / "uv" / "bin"
GLIBC = ("2_5", "2_12", "2_17", "2_24", "2_26", "2_27", "2_28", "2_31", "2_34")

INSTALL = """\
#!/bin/sh
# Install gongzhi without internet: sh install.sh FOLDER   (Python: PYTHON=python3.13 by default)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?"用法 / usage: sh install.sh FOLDER"}
"${PYTHON:-python@VERSION@}" -m venv "$folder"
"$folder/bin/python" -m pip install -q --disable-pip-version-check --no-index --find-links "$here/wheels" gongzhi
echo "$folder/bin/gongzhi"
"""


def main() -> int:
    """Make the file; print its path."""
    version = (ROOT / ".python-version").read_text().strip()
    place = ROOT / "build" / "bundle"
    shutil.rmtree(place, ignore_errors=True)
    wheels = place / "wheels"
    wheels.mkdir(parents=True)
    _run([str(TOOLS / "uv"), "build", "-q", "--wheel", "--out-dir", str(wheels)])
    machine = platform.machine()
    kinds = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"--platform=manylinux2014_{machine}"]
    _run(
        [str(TOOLS / "python"), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes", "--no-deps",
         "--only-binary=:all:", f"--python-version={version}", *kinds, "-r", "requirements.lock", "-d", str(wheels)]
    )  # fmt: skip
    (place / "install.sh").write_text(INSTALL.replace("@VERSION@", version), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "examples", place / "examples")
    shutil.copy(ROOT / "docs" / "operations.md", place)
    own = next(wheels.glob("gongzhi-*.whl")).name.split("-")[1]
    target = ROOT / "build" / f"gongzhi-{own}-{machine}.tar"
    with tarfile.open(target, "w") as tar:
        tar.add(place, f"gongzhi-{own}")
    sys.stdout.write(f"{target}\n")
    return 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr[-3000:])
        raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
