"""Indexes that the declaration implies: without them a large register is read from end to end for a handful of rows.

A guard of the kind ``asked_days >= 1`` makes records wait for somebody's decision, and the queue asks for exactly those: they
have a partial index. A fact by which lists are narrowed and whose codes are the city's own list has many values, so that
one of them may be rare: it has an index too, in the order of the records' ids.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from gongzhi.kernel.fields import Code
from gongzhi.kernel.service import Service, services


def wanted(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (column, what follows ``ON table``) for each index of the service's table."""
    for action in service.procedure:
        guard = action.guard
        if guard and guard.operator == ">=":
            yield guard.column, f"(record_id) WHERE {guard.column} >= {guard.value}"
    for fact in service.narrowing:
        if isinstance(fact, Code) and not fact.codes:
            yield fact.name, f"({fact.name}, record_id)"


def indexes(cursor: Any) -> Iterator[str]:
    """Yield the statements that bring the tables' indexes to what the declarations say; nothing where they fit."""
    made = {
        f"gz_{table}_{column}_{sha256(shape.encode()).hexdigest()[:8]}": f'"{table}" {shape}'
        for service in services().values()
        for table in [service.model._meta.db_table]
        for column, shape in wanted(service)
    }
    cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'i' AND relname LIKE 'gz\\_%'")
    held = {row[0] for row in cursor.fetchall()}
    for name in sorted(held - made.keys()):
        yield f'DROP INDEX public."{name}"'
    for name, shape in made.items():
        if name not in held:
            yield f'CREATE INDEX "{name}" ON public.{shape}'
