"""CHECK constraints that the fields imply, so that the database refuses what a form would refuse.

Lists that belong to the city (``source``) are not checked here: they change with the pack, not with a release.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from django.db import models

from gongzhi.kernel.fields import Code, Day, Fact, Measure, Money, Whole
from gongzhi.kernel.generate import quoted
from gongzhi.kernel.models import Register
from gongzhi.kernel.service import services


def conditions(model: type[models.Model]) -> dict[str, str]:
    """Return the condition by column that the model's fields imply."""
    made: dict[str, str] = {}
    for field in model._meta.local_fields:
        column = str(field.column)
        if isinstance(field, Whole):
            made[column] = f"{column} BETWEEN {field.least} AND {field.most}"
        elif isinstance(field, Measure | Money):
            made[column] = f"{column} BETWEEN 0 AND {field.most if isinstance(field, Measure) else 10**15}"
        elif isinstance(field, Day):
            made[column] = f"{column} BETWEEN '1800-01-01' AND '2199-12-31'"
        elif isinstance(field, Code) and field.codes:
            made[column] = f"{column} IN ({quoted(*field.codes, *([''] if field.blank else []))})"
        elif isinstance(field, Code):
            made[column] = f"char_length({column}) <= {field.max_length}" + (
                "" if field.blank else f" AND {column} <> ''"
            )
        elif isinstance(field, Fact) and isinstance(field, models.TextField | models.CharField):
            least = "" if field.blank else f" AND btrim({column}) <> ''"
            made[column] = f"char_length({column}) <= {field.max_length}{least}"
    return made


def check_constraints(cursor: Any) -> Iterator[str]:
    """Yield the statements that bring the tables' constraints to what the fields say; nothing where they fit."""
    wanted: dict[tuple[str, str], str] = {}
    for service in services().values():
        table = service.model._meta.db_table
        for column, condition in conditions(service.model).items():
            wanted[table, f"gz_{column}_{sha256(condition.encode()).hexdigest()[:8]}"] = condition
    register = {
        "lon": "lon BETWEEN -180 AND 180", "lat": "lat BETWEEN -90 AND 90", "title": "btrim(title) <> ''",
        "version": "version >= 1", "entries": "entries >= version", "head": "octet_length(head) = 32",
    }  # fmt: skip
    for column, condition in register.items():
        wanted[Register._meta.db_table, f"gz_{column}_{sha256(condition.encode()).hexdigest()[:8]}"] = condition
    cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conname LIKE 'gz\\_%'"
    )
    held = set(cursor.fetchall())
    for table, name in sorted(held - wanted.keys()):
        yield f'ALTER TABLE "{table.strip('"')}" DROP CONSTRAINT "{name}"'
    for (table, name), condition in wanted.items():
        if (table, name) not in held and (f'"{table}"', name) not in held:
            yield f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" CHECK ({condition})'
