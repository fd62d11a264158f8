"""Fixtures of intake's tests: a database with the sample people of the city."""

from typing import Any

import pytest
from django.conf import settings

from gongzhi.intake.crew import Crew, crew
from gongzhi.kernel.install.citypack import load_accounts
from gongzhi.kernel.signin import hash_password


@pytest.fixture(scope="module")
def people(database: Any) -> Crew:
    """The posts of the city's sample accounts, in this module's own database."""
    load_accounts(settings.CITY, hash_password("a-password-for-tests"))
    return crew()
