"""The world of these tests, in this module's own database."""

from typing import Any

import pytest

from tests.kernel.people import people
from tests.rights.world import World, world


@pytest.fixture(scope="module")
def crew(database: str) -> Any:
    """The posts that every laboratory starts from."""
    from gongzhi.web.api import doing, token

    token._held.clear()
    doing._numbers.clear()
    return people()


@pytest.fixture(scope="module")
def made(crew: Any) -> World:
    """A near and a far record of each service."""
    return world(crew, {}, every=False)


@pytest.fixture(scope="module")
def whole(crew: Any) -> World:
    """A record of each service in each place, for each agency."""
    return world(crew, {}, every=True)
