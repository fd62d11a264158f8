"""Entries, keys, parties and disclosures."""

from django.db import models

from gongzhi.kernel.models.people import Account, Agency, Post
from gongzhi.kernel.models.register import Register


class Entry(models.Model):
    """One act, append-only. ``body`` is the canonical JSON (RFC 8785) that ``hash`` covers together with the old head.

    The words are in ``sealed``, encrypted with the record's key; the body holds salted digests of them. ``xid`` is the
    transaction that wrote the entry: the worker reads entries in the order (xid, id) below the oldest running one.

    The references are without constraints in the database: the only functions that write entries have just read or written
    the very rows, and checking them again took a quarter of an act's time (``docs/performance.md``).
    """

    id = models.UUIDField(primary_key=True)
    record = models.ForeignKey(Register, models.PROTECT, related_name="history", db_index=False, db_constraint=False)
    seq = models.IntegerField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=models.functions.Now())
    post = models.ForeignKey(Post, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    loader = models.ForeignKey(Post, models.PROTECT, related_name="+", null=True, db_index=False, db_constraint=False)
    action = models.CharField(max_length=40)
    stage_from = models.CharField(max_length=40)
    stage_to = models.CharField(max_length=40)
    version = models.IntegerField()
    alg = models.CharField(max_length=10)
    body = models.TextField()
    hash = models.BinaryField()
    sealed = models.BinaryField(null=True)
    idem = models.CharField(max_length=80, null=True)
    xid = models.BigIntegerField()

    class Meta:
        """A record's lines are numbered; a post's idempotency key makes one entry."""

        db_table = "entry"
        verbose_name_plural = "entries"
        ordering = ("record", "seq")
        constraints = [
            models.UniqueConstraint(fields=["record", "seq"], name="entry_record_seq"),
            models.UniqueConstraint(fields=["post", "idem"], name="entry_post_idem"),
        ]
        indexes = [models.Index(fields=["xid", "id"], name="entry_xid")]


class RecordKey(models.Model):
    """A record's key, wrapped by the master key; without it the record's words cannot be read again."""

    record = models.OneToOneField(Register, models.PROTECT, primary_key=True, related_name="+", db_constraint=False)
    wrapped = models.BinaryField(null=True)

    class Meta:
        """Follows the record's row right."""

        db_table = "record_key"


class Party(models.Model):
    """A person or organisation in a record. What is known of them is not declared here: see ``parties.ask``."""

    id = models.UUIDField(primary_key=True)
    record = models.ForeignKey(Register, models.PROTECT, related_name="parties")
    role = models.CharField(max_length=40)
    known = models.CharField(max_length=200)
    """The names of the fields that are filled, separated by spaces."""

    class Meta:
        """Follows the record's row right."""

        db_table = "party"
        verbose_name_plural = "parties"


class Disclosure(models.Model):
    """One look at a person's fields: who, for what, when. Written and committed before the field is shown."""

    id = models.UUIDField(primary_key=True)
    party = models.ForeignKey(Party, models.PROTECT, related_name="disclosures", null=True)
    """None: the record's own texts were read with the numbers in them."""
    record = models.ForeignKey(Register, models.PROTECT, related_name="disclosures")
    post = models.ForeignKey(Post, models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=40)
    basis = models.CharField(max_length=80, default="", db_default="")
    """The rule that allowed it, as the register cites it (``procedure.Source``); "" for looks of before this was kept."""
    fields = models.CharField(max_length=200)
    at = models.DateTimeField()
    sealed_until = models.DateTimeField(null=True)
    """Until when the person is not shown it; None: it is shown at once."""
    xid = models.BigIntegerField()

    class Meta:
        """Newest first."""

        db_table = "disclosure"
        ordering = ("-at",)


class OutboxPosition(models.Model):
    """How far a reader of the outbox (the entries themselves, in the order of their transactions) has come."""

    reader = models.CharField(max_length=40, primary_key=True)
    xid = models.BigIntegerField()
    entry = models.UUIDField()

    class Meta:
        """One row for each reader."""

        db_table = "outbox_position"
