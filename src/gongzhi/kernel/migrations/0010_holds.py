"""A record may be held against erasure until a day, and says itself that it was erased, so that what ends next is found by an index."""

from django.db import migrations, models

_ERASED = """
UPDATE register r SET erased = true FROM record_key k
 WHERE k.record_id = r.id AND k.wrapped IS NULL AND r.service <> 'directory'
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0009_purposes")]

    operations = [
        migrations.AddField("register", "held_until", models.DateField(null=True)),
        migrations.AddField("register", "erased", models.BooleanField(db_default=False, default=False)),
        migrations.RunSQL(_ERASED, migrations.RunSQL.noop),
        migrations.AddIndex(
            "register",
            models.Index(
                condition=models.Q(("closed_at__isnull", False), ("erased", False)),
                fields=["service_code", "closed_at"],
                name="register_ending",
            ),
        ),
    ]
