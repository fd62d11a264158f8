"""What hangs from a record: attachments, links, tasks, deadlines that were kept or missed, notices."""

from django.db import models

from gongzhi.kernel.masking import MaskedChars
from gongzhi.kernel.models.ledger import Entry
from gongzhi.kernel.models.people import Account, Agency
from gongzhi.kernel.models.register import Register


class Attachment(models.Model):
    """A file, encrypted with the record's key and stored under a keyed hash of its content."""

    id = models.UUIDField(primary_key=True)
    record = models.ForeignKey(Register, models.PROTECT, related_name="attachments")
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="attachments")
    address = models.CharField(max_length=100)
    name = MaskedChars(max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    digest = models.CharField(max_length=100)

    class Meta:
        """Follows the record's row right."""

        db_table = "attachment"


class Link(models.Model):
    """A tie between two records; seen by who sees both."""

    a = models.ForeignKey(Register, models.PROTECT, related_name="links_out")
    b = models.ForeignKey(Register, models.PROTECT, related_name="links_in")
    kind = models.CharField(max_length=20)
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="+")

    class Meta:
        """One tie of a kind between two records."""

        db_table = "link"
        constraints = [models.UniqueConstraint(fields=["a", "b", "kind"], name="link_once")]


class Task(models.Model):
    """A small duty within a record, owed by an agency."""

    id = models.UUIDField(primary_key=True)
    record = models.ForeignKey(Register, models.PROTECT, related_name="tasks")
    title = MaskedChars(max_length=120)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="+")

    class Meta:
        """Follows the record's row right."""

        db_table = "task"


class DeadlineKept(models.Model):
    """A step that was left: when it began, when it was due, when it was done, and who owed it then."""

    record = models.ForeignKey(Register, models.PROTECT, related_name="deadlines")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    stage = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    due_at = models.DateTimeField()
    met_at = models.DateTimeField()
    source = models.CharField(max_length=60)

    class Meta:
        """Read by agency and day."""

        db_table = "deadline_kept"
        indexes = [models.Index(fields=["agency", "met_at"], name="deadline_kept_agency")]


class Notice(models.Model):
    """A line for an agency's posts, or for one account, about a record."""

    record = models.ForeignKey(Register, models.PROTECT, related_name="notices")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20)
    about = models.JSONField(default=dict, db_default={})
    """What its sentence is made of when it is read (``kernel.notices``): codes, ids, moments; no words."""
    text = MaskedChars(max_length=200, default="", db_default="")
    """The finished sentence, of a notice that a release before has made."""
    at = models.DateTimeField()
    once = models.CharField(max_length=120, unique=True)
    """What makes the notice, so that a worker that starts again does not tell it twice."""
    spread = models.BooleanField(default=False, db_default=False)
    """Whether it has gone to the channels beyond the page, as far as anybody waits for it there."""
    readers = models.ManyToManyField(Account, related_name="+", through="NoticeRead")

    class Meta:
        """Newest first."""

        db_table = "notice"
        ordering = ("-at",)
        indexes = [
            models.Index(fields=["agency", "-at"], name="notice_agency"),
            models.Index(fields=["id"], name="notice_unspread", condition=models.Q(spread=False)),
        ]


class NoticeRead(models.Model):
    """This account has read this notice."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="reads")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")

    class Meta:
        """Read once."""

        db_table = "notice_read"
        constraints = [models.UniqueConstraint(fields=["notice", "account"], name="notice_read_once")]
