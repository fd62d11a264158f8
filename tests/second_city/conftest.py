"""These tests run where ``GONGZHI_TEST_CITY`` is testville."""

import os

import pytest

from tests.intake.conftest import people
from tests.web.conftest import actor, at_desk, city, filed, ids

__all__ = ["actor", "at_desk", "city", "filed", "ids", "people"]
collect_ignore_glob = [] if os.environ.get("GONGZHI_TEST_CITY") == "testville" else ["test_*.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them as what runs on a second city."""
    for item in items:
        if "second_city" in item.path.parts:
            item.add_marker(pytest.mark.any_city)
