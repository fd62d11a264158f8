"""Seals: where each entry stands in the tree, the subtrees that proofs are made of, the signed checkpoints."""

from django.db import models

from gongzhi.kernel.models.ledger import Entry


class Leaf(models.Model):
    """An entry's place in the tree, counted from 0, and the hash of what it was when it was sealed.

    Positions are kept because transaction ids start anew after a restore. Without a constraint in the database: an entry
    that is deleted by force must leave its position behind, and be missed.
    """

    pos = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, models.DO_NOTHING, related_name="leaf", db_constraint=False)
    hash = models.BinaryField()

    class Meta:
        """Written by ``kernel.seal_entries`` alone."""

        db_table = "leaf"
        verbose_name_plural = "leaves"


class Subtree(models.Model):
    """The root of a full subtree over ``2**level`` leaves, for the levels 8, 16, 24 …, from leaf ``index * 2**level``."""

    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField()
    pk = models.CompositePrimaryKey("level", "index")

    class Meta:
        """One row for 256 leaves, and a few above."""

        db_table = "subtree"


class Checkpoint(models.Model):
    """So many entries had this root at this moment; ``note`` is the signed text (``kernel.seals.notes``)."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        """The newest covers the most."""

        db_table = "checkpoint"
        ordering = ("-size",)


class Cosignature(models.Model):
    """A witness outside has seen that this checkpoint goes on from the one before; ``line`` is its signature."""

    checkpoint = models.ForeignKey(Checkpoint, models.PROTECT, related_name="cosignatures", db_column="size")
    witness = models.CharField(max_length=200)
    line = models.CharField(max_length=500)
    at = models.DateTimeField()

    class Meta:
        """One line of a witness for a checkpoint."""

        db_table = "cosignature"
        constraints = [models.UniqueConstraint(fields=["checkpoint", "witness"], name="cosignature_once")]
