"""A look keeps the rule that allowed it, and until when the person is not told; those of before have neither.

It may be at a record's texts instead of a person's fields.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0008_open_statistics")]

    operations = [
        migrations.AddField("disclosure", "basis", models.CharField(db_default="", default="", max_length=80)),
        migrations.AddField("disclosure", "sealed_until", models.DateTimeField(null=True)),
        migrations.AlterField(
            "disclosure",
            "party",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="disclosures", to="kernel.party"
            ),
        ),
    ]
