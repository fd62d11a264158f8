"""docs/adding-a-service.md, done: a newcomer's fourth service, from an empty folder to its inherited tests."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-service.md"
LONGEST = 60
"""Lines of a service of ten facts and five actions."""


@dataclass(frozen=True)
class Block:
    """A block of code of the page: ``file`` where it is written, "" where it is typed at a prompt."""

    language: str
    file: str
    text: str


def blocks() -> list[Block]:
    found = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found]


def declared(path: str, text: str) -> tuple[int, int]:
    """Return how many facts and actions a module declares for its largest service."""
    most = (0, 0)
    for made in ast.parse(text, path).body:
        if isinstance(made, ast.ClassDef):
            names = [
                call.func.attr
                for call in ast.walk(made)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            ]
            columns = [
                line
                for line in made.body
                if isinstance(line, ast.Assign) and line.targets[0].id not in ("service", "procedure")
            ]  # type: ignore[attr-defined]
            most = max(most, (len(columns), names.count("Action")))
    return most


@pytest.mark.parametrize("source", ["src/gongzhi/desks/grid/house.py", "mediation/dispute.py"])
def test_ten_facts_and_five_actions_are_sixty_lines(source: str) -> None:
    path = ROOT / source
    text = path.read_text(encoding="utf-8") if path.exists() else next(b.text for b in blocks() if b.file == source)
    facts, actions = declared(source, text)
    assert facts >= 10
    assert actions >= 5
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.long
@pytest.mark.timeout(900)  # it begins a city of its own, and runs the tests of one service
def test_the_page_is_done_as_it_is_written(tmp_path: Path) -> None:
    typed = "".join(
        f"mkdir -p $(dirname {block.file}) && cat > {block.file} <<'END_OF_FILE'\n{block.text}END_OF_FILE\n"
        if block.file
        else "".join(f"{line.removeprefix('$ ')}\n" for line in block.text.splitlines() if line.startswith("$ "))
        for block in blocks()
    )
    known = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GONGZHI_", "DATABASE_", "PYTEST_", "DJANGO_"))
    }
    environment = {
        **known, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GONGZHI_CLONE": str(ROOT),
        "GONGZHI_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    own = tmp_path / "own"
    own.mkdir()
    tmp_path.chmod(0o755)  # the server runs as another user when the tests run as root
    agreed = (ROOT / "tests" / "services" / "sql_counts.json").read_bytes()
    done = subprocess.run(["bash", "-e", "-c", typed], cwd=own, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Create model Dispute" in done.stdout
    assert "CREATE OR REPLACE FUNCTION kernel.dispute_settle_" in done.stdout
    passed = sum(line.count(".") for line in done.stdout.splitlines() if re.fullmatch(r"[.s]+ +\[ *\d+%\]", line))
    assert passed > 100, done.stdout[-2000:]
    assert '"dispute"' in (own / "mediation" / "tests" / "sql_counts.json").read_text(encoding="utf-8")
    assert (ROOT / "tests" / "services" / "sql_counts.json").read_bytes() == agreed


def test_a_desk_without_its_migration_is_told_how_to_make_it(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from gongzhi.kernel.install.run import InstallError, _tables_stand

    with pytest.raises(InstallError, match="makemigrations grid"):
        _tables_stand(["request", "hazards_inspection", "hazards_finding"])
