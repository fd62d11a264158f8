"""The kernel's tests, and those of importing, pass on a server that somebody else runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres.by_hand import by_hand

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


def test_the_same_tests_pass_over_tcp_with_passwords_and_two_roles() -> None:
    with by_hand() as master:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernel", "tests/intake_import"],
            cwd=ROOT, env={**os.environ, "GONGZHI_TEST_SERVER": master}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
