"""Which stages are open, said to the planner.

It multiplied the shares of stage, closing and pause as if they had nothing to do with each other, took a queue of thousands for
a handful of rows, and read and sorted all of them for the first fifteen. And an agency's list of all its years gets an index.
"""

from django.db import migrations, models

_MADE = """
CREATE STATISTICS register_open_stages (mcv, dependencies) ON service, stage, closed_at, paused_at FROM register;
ANALYZE register;
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0007_seals")]

    operations = [
        migrations.AddIndex("register", models.Index(fields=["agency", "-opened_at"], name="register_agency_opened")),
        migrations.RunSQL(_MADE),
    ]
