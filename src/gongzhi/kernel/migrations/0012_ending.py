"""What was erased before says so, and what ends next is found by an index, which is built while people work.

Outside a transaction, so that the register is not locked meanwhile; what was broken off half-way is begun again.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_ERASED = """
UPDATE register r SET erased = true FROM record_key k
 WHERE k.record_id = r.id AND k.wrapped IS NULL AND r.service <> 'directory' AND NOT r.erased
"""
_HALF = "DROP INDEX CONCURRENTLY IF EXISTS register_ending"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("kernel", "0011_care")]

    operations = [
        migrations.RunSQL(_ERASED, migrations.RunSQL.noop),
        migrations.RunSQL(_HALF, migrations.RunSQL.noop),
        AddIndexConcurrently(
            "register",
            models.Index(
                condition=models.Q(("closed_at__isnull", False), ("erased", False)),
                fields=["service_code", "closed_at"],
                name="register_ending",
            ),
        ),
    ]
