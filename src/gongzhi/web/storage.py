"""Addresses of static files carry a digest of the file, so that a new release is seen at once and caching may be long.

Nothing is collected or copied first: whitenoise serves the files from where they are, packed where a ``.gz`` lies beside.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage


@lru_cache(maxsize=512)
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


class VersionedStorage(StaticFilesStorage):
    """``{% static %}`` with ``?v=<digest>``."""

    def url(self, name: str | None) -> str:
        """Return the address of the file; a file that is missing gets its plain address and is noticed as a 404."""
        address = super().url(name)
        found = finders.find(name) if name else None
        return f"{address}?v={_digest(found)}" if isinstance(found, str) else address
