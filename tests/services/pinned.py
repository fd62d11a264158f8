"""How many SQL statements a page, an act or an answer costs, as it was agreed: one file, rewritten by ``make sql-counts``."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gongzhi.kernel.service import Service
from tests.services.lab import folder

_HERE = Path(__file__).with_name("sql_counts.json")
ACCEPT = "GONGZHI_ACCEPT_SQL_COUNTS"


@contextmanager
def counted() -> Iterator[list[str]]:
    """Give the statements that are sent to PostgreSQL meanwhile, whichever way they go."""
    sent: list[str] = []
    original = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return original(self, query, *args, **more)

    patch = pytest.MonkeyPatch()
    patch.setattr(psycopg.Cursor, "execute", execute)
    try:
        yield sent
    finally:
        patch.undo()


def file_of(service: Service) -> Path:
    """Return the file that holds the service's numbers: here, or in the folder ``tests`` of a desk that lies elsewhere."""
    if service.model.__module__.startswith("gongzhi."):
        return _HERE
    found = find_spec(folder(service))
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "tests" / _HERE.name


def held(service: Service) -> dict[str, int]:
    """Return the numbers that were agreed for the service, by what is measured."""
    path = file_of(service)
    return dict(json.loads(path.read_text(encoding="utf-8")).get(service.code, {})) if path.exists() else {}


def agree(service: Service, measured: dict[str, list[str]]) -> None:
    """Compare with what was agreed, or write it down where that is asked for."""
    numbers = {name: len(sent) for name, sent in measured.items()}
    if os.environ.get(ACCEPT):
        path = file_of(service)
        path.parent.mkdir(exist_ok=True)
        every = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        every[service.code] = numbers
        path.write_text(json.dumps(every, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return
    agreed = held(service)
    told = [f"{service.code} {name}: {agreed.get(name, 'nothing')} agreed, {number} sent:\n  " + "\n  ".join(s[:150] for s in measured[name])
            for name, number in numbers.items() if agreed.get(name) != number]  # fmt: skip
    told += [f"{service.code} {name}: agreed, and no longer measured" for name in agreed.keys() - numbers.keys()]
    assert not told, "\n".join([*told, "If this is meant: make sql-counts, and commit the file."])
