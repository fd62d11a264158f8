"""A look keeps the rule that allowed it, and until when the person is not told; those of before have neither."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0008_open_statistics")]

    operations = [
        migrations.AddField("disclosure", "basis", models.CharField(db_default="", default="", max_length=80)),
        migrations.AddField("disclosure", "sealed_until", models.DateTimeField(null=True)),
    ]
