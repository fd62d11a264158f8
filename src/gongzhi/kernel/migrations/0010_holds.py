"""A record may be held against erasure until a day, and says itself that it was erased."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0009_purposes")]

    operations = [
        migrations.AddField("register", "held_until", models.DateField(null=True)),
        migrations.AddField("register", "erased", models.BooleanField(db_default=False, default=False)),
    ]
