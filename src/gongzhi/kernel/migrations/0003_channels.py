"""Addresses of accounts, and which notices have gone beyond the page; those of before count as gone: nobody waits for them."""

import django.db.models.deletion
from django.db import migrations, models

_COLUMNS = """
ALTER TABLE contact ADD COLUMN key bytea NOT NULL, ADD COLUMN address bytea NOT NULL, ADD COLUMN code bytea,
    ADD COLUMN code_until timestamptz, ADD COLUMN tries int NOT NULL DEFAULT 0;
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0002_undeclared")]

    operations = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="contacts", to="kernel.account"
                    ),
                ),
                ("channel", models.CharField(max_length=10)),
                ("hint", models.CharField(max_length=80)),
                ("verified_at", models.DateTimeField(null=True)),
                ("put_at", models.DateTimeField()),
            ],
            options={
                "db_table": "contact",
                "constraints": [models.UniqueConstraint(fields=["account", "channel"], name="contact_once")],
            },
        ),
        migrations.RunSQL(_COLUMNS),
        migrations.AddField("notice", "spread", models.BooleanField(db_default=True, default=False)),
        migrations.AlterField("notice", "spread", models.BooleanField(db_default=False, default=False)),
        migrations.AddIndex(
            "notice", models.Index(condition=models.Q(spread=False), fields=["id"], name="notice_unspread")
        ),
    ]
