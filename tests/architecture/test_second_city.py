"""The same tests hold on the second city: those that are marked, and its own, in a process whose settings are made of its pack."""

import os
import subprocess
import sys

import pytest

from tests.architecture.test_shape import ROOT

OTHER = "testville"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    os.environ.get("GONGZHI_TEST_CITY") == OTHER or bool(os.environ.get("GONGZHI_TEST_SERVER")),
    reason="these tests run on the second city themselves, or on a server whose template database is another city's",
)
def test_the_marked_tests_hold_on_the_second_city() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "any_city and not long and not in_chinese",
        "tests",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "GONGZHI_TEST_CITY": OTHER}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.count(".") > 200, done.stdout[-2000:]
