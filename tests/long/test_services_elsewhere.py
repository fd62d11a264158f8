"""Every service on the second city: other levels, language, clock, money and own fields, the same inherited tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_service_passes_its_tests_in_another_city() -> None:
    environment = {**os.environ, "GONGZHI_TEST_CITY": "testville"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/services"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
