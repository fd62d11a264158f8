"""What no model declares: secrets' columns, the transaction of an entry, and the triggers of the append-only log.

Columns that a model declares come with every query; ciphertexts and password hashes must not, and the application's
role has no grant on them.
"""

from django.db import migrations

_COLUMNS = """
ALTER TABLE account ADD COLUMN password text NOT NULL DEFAULT '';
ALTER TABLE party ADD COLUMN key bytea, ADD COLUMN name bytea, ADD COLUMN phone bytea, ADD COLUMN address bytea,
    ADD COLUMN phone_index bytea;
CREATE INDEX party_phone_index ON party (phone_index) WHERE phone_index IS NOT NULL;
ALTER TABLE entry ALTER COLUMN xid SET DEFAULT pg_current_xact_id()::text::bigint;
ALTER TABLE disclosure ALTER COLUMN xid SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX register_words_gin ON register_words USING gin (words);
"""

# ENABLE ALWAYS: an ordinary trigger does not fire under session_replication_role = replica.
_APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries and disclosures are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_append_only;
CREATE TRIGGER disclosure_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disclosure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE disclosure ENABLE ALWAYS TRIGGER disclosure_append_only;
"""


class Migration(migrations.Migration):
    """Run once, as the owner."""

    dependencies = [("kernel", "0001_initial")]
    operations = [migrations.RunSQL(_COLUMNS), migrations.RunSQL(_APPEND_ONLY)]
