"""Notices keep what they are about instead of a finished sentence; those of before keep their sentence."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0005_party_mail")]

    operations = [
        migrations.AddField("notice", "about", models.JSONField(db_default={}, default=dict)),
        migrations.AlterField("notice", "text", models.CharField(db_default="", default="", max_length=200)),
    ]
