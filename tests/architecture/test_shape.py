"""What reviewers would otherwise have to remember."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400


def tracked(*patterns: str) -> list[Path]:
    said = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True)
    if said.returncode:
        pytest.skip("not a clone of the repository")
    return [ROOT / line for line in said.stdout.splitlines() if (ROOT / line).is_file()]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py", "*.js", "*.html", "*.sql")
        if "migrations" not in path.parts and (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_locks_name_versions_and_hashes_and_no_address() -> None:
    for path in tracked("requirements*.lock"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?:|file:|--index|--find-links", text), path
        for block in re.split(r"\n(?=\S)", text.strip()):
            if not block.startswith("#"):
                assert "--hash=sha256:" in block, block[:60]
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or "integrity" in package, name
    assert "http" not in json.dumps(lock)


def test_no_file_names_a_registry_or_a_folder_of_someones_machine() -> None:
    hosts = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|npmmirror|deb\.debian|tuna\.tsinghua|mirrors?\.\w+\.(com|cn|org)"
    )
    machine = re.compile(r"/root/|/home/\w|/work/")
    for path in tracked():
        if path.suffix in {".png", ".woff2", ".gz"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not hosts.search(text), path
        assert not machine.search(
            text.replace('"/work/', "").replace("'/work/", "").replace("/work/r/", "").replace("/work/s/", "")
        ) or ("web" in path.parts or "bench" in path.parts or path.name == "screenshots.py"), path


def test_every_migration_is_made(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "--check", "--dry-run", "--skip-checks", verbosity=0)
    assert capsys.readouterr().out == ""


def test_djangos_checks_find_nothing() -> None:
    assert run_checks() == []


def test_the_layers_hold() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--config", "pyproject.toml", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout


def test_the_glossary_is_current() -> None:
    sys.path.insert(0, str(ROOT))
    from tools import glossary

    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == glossary.text()


def test_the_readmes_commands_and_links_exist() -> None:
    readme, makefile = (ROOT / name for name in ("README.md", "Makefile"))
    targets = set(re.findall(r"^([a-z-]+):", makefile.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^|=\S+ )make ([a-z-]+)", readme.read_text(encoding="utf-8"), re.MULTILINE)) <= targets
    for path in tracked("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert "://" in link or (path.parent / link).exists(), (path, link)


def test_what_is_declared_is_registered_once() -> None:
    from gongzhi.kernel.service import register, service

    declared = service("request")
    with pytest.raises(ValueError, match="declared twice"):
        register(declared.model, declared, declared.procedure)


def test_a_bare_import_needs_no_database() -> None:
    code = "import gongzhi.kernel.pack, gongzhi.postgres.urls, gongzhi.home"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def _setup(*arguments: str, **changed: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-S", *arguments], cwd=ROOT, capture_output=True, text=True, **changed)


def test_a_python_without_venv_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "requirements-tools.lock").write_text("")
    (tmp_path / "tools" / "setup.py").write_text(
        (ROOT / "tools" / "setup.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    code = "import sys, runpy; sys.modules['ensurepip'] = None; sys.argv = ['setup.py', 'run']; runpy.run_path('tools/setup.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "sudo apt install python3-venv" in done.stderr


def _clone_with_stamp(folder: Path) -> str:
    """Lay a clone down that was set up once; return the start of a script that runs its set-up without a download."""
    for name in ("tools", ".tools/stamps"):
        (folder / name).mkdir(parents=True)
    (folder / "tools" / "setup.py").write_text(
        (ROOT / "tools" / "setup.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return "import runpy, sys; made = runpy.run_path('tools/setup.py'); space = made['main'].__globals__; sys.argv = ['setup.py', 'run']; "


def test_a_step_whose_result_was_deleted_is_done_again(tmp_path: Path) -> None:
    code = _clone_with_stamp(tmp_path)
    code += "space.update(get_packages=lambda kind: None, get_assets=lambda: None, get_uv=lambda: print('uv made')); "
    (tmp_path / "requirements-tools.lock").write_text("")
    for _ in range(2):  # the work of this test leaves no uv, only the stamp
        done = subprocess.run(
            [sys.executable, "-c", code + "made['main']()"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stdout == "uv made\n"


@pytest.mark.parametrize("part", ["get_uv", "get_packages", "get_assets"])
def test_a_full_disk_stops_the_set_up_with_a_sentence(tmp_path: Path, part: str) -> None:
    code = _clone_with_stamp(tmp_path)
    (tmp_path / "requirements-tools.lock").write_text("")
    code += "space.update(get_uv=lambda: None, get_packages=lambda kind: None, get_assets=lambda: None)\n"
    code += f"def full(*given): raise OSError(28, 'No space left on device')\nspace['{part}'] = full\nsys.exit(made['main']())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
