"""What people keep for themselves on the pages; the application writes it, the kernel's door does not stand before it."""

from django.db import models


class SavedView(models.Model):
    """A list as someone set it: narrowing, order and columns under a name; ``shared`` gives it to the whole agency."""

    service_code = models.CharField(max_length=40, db_column="service")
    account = models.ForeignKey("kernel.Account", models.CASCADE, related_name="+")
    agency = models.ForeignKey("kernel.Agency", models.CASCADE, related_name="+")
    title = models.CharField(max_length=40)
    query = models.CharField(max_length=2000)
    shared = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One view of a name for each person and service."""

        db_table = "saved_view"
        constraints = [models.UniqueConstraint(fields=["account", "service_code", "title"], name="saved_view_once")]
        ordering = ["title", "pk"]


class CalendarFeed(models.Model):
    """A post's deadlines as a calendar that phones fetch.

    The address is made of ``nonce`` with the index key; a new nonce is a new address, and the old one ends. ``fetched_at`` is
    kept by the hour, so that a stranger's use can be noticed.
    """

    post = models.OneToOneField("kernel.Post", models.CASCADE, related_name="+")
    nonce = models.BinaryField()
    language = models.CharField(max_length=10)
    made_at = models.DateTimeField(auto_now_add=True)
    fetched_at = models.DateTimeField(null=True)

    class Meta:
        """One for each post."""

        db_table = "calendar_feed"


class Publication(models.Model):
    """Counts as they were published, of a period that begins on a day: kept, so that what is said once is not said anew.

    ``cells`` has what may be shown and nothing else (``kernel.published``).
    """

    table = models.CharField(max_length=40)
    period = models.DateField()
    cells = models.JSONField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A table of a period is published once."""

        db_table = "publication"
        constraints = [models.UniqueConstraint(fields=["table", "period"], name="publication_once")]
