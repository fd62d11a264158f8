"""The e-mail address of a person who wants to be told: a ciphertext and a keyed hash, declared by no model."""

from django.db import migrations

_COLUMNS = """
ALTER TABLE party ADD COLUMN mail bytea, ADD COLUMN mail_index bytea;
CREATE INDEX party_mail_index ON party (mail_index) WHERE mail_index IS NOT NULL;
"""


class Migration(migrations.Migration):
    """Run once, as the owner."""

    dependencies = [("kernel", "0004_people")]
    operations = [migrations.RunSQL(_COLUMNS)]
