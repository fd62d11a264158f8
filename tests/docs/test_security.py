"""docs/security.md promises nothing without a test: every test that it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 30
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).exists()
        or (test and not re.search(rf"def {test}\(", (ROOT / file).read_text(encoding="utf-8")))
    ]
    assert missing == []


def test_every_row_of_attacks_and_faults_names_one() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for title in ("## Attacks, each a test", "## Faults"):
        rows = page.split(title, 1)[1].split("\n## ", 1)[0].strip().splitlines()[2:]
        assert rows
        assert [row for row in rows if "`tests/" not in row] == []
