"""A router for processes that have no database: ``makemigrations`` compares declarations with files and needs none."""

from typing import Any

from django.db import connections


class Nowhere:
    """Keeps migrations, and Django's look at the history of them, from a connection without an address."""

    def allow_migrate(self, db: str, *_: Any, **__: Any) -> bool | None:
        """Return False for a connection without an address, else no opinion."""
        return None if connections[db].settings_dict["NAME"] else False
