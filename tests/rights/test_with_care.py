"""The same matrix where a service is one of care: it and its policy are there for this run alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> None:
    """Run tests in a process, and on a database, that know the desk with the service of care."""
    known = {
        name: value for name, value in os.environ.items() if not name.startswith(("GONGZHI_", "DATABASE_", "PYTEST_"))
    }
    environment = {**known, "GONGZHI_DESKS": "tests.rights.nursing"}
    if os.environ.get("GONGZHI_TEST_SERVER"):
        environment["GONGZHI_TEST_SERVER"] = os.environ["GONGZHI_TEST_SERVER"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.timeout(600)
def test_the_team_with_a_service_of_care() -> None:
    run("-m", "not long", "tests/rights/team.py")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_matrix_with_a_service_of_care() -> None:
    run("-m", "not long", "tests/rights/test_matrix.py")


@pytest.mark.long
@pytest.mark.half_hour
@pytest.mark.timeout(3600)
def test_every_kind_of_post_with_a_service_of_care() -> None:
    run("-m", "long", "tests/rights/test_matrix.py")
