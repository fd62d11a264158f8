import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The teams of services of care."""

    dependencies = [("kernel", "0010_holds")]

    operations = [
        migrations.CreateModel(
            name="CareMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("service", models.CharField(max_length=40)),
                ("since", models.DateField()),
                ("until", models.DateField(null=True)),
                (
                    "post",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="kernel.post"),
                ),
            ],
            options={"db_table": "care_member"},
        ),
    ]
