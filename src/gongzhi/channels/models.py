"""The queue of what is to be sent, and what people chose. No records: the application writes them, and the docs say so."""

from datetime import time

from django.db import models

from gongzhi.kernel.models import Account, Notice, Party

WAITING, SENDING, SENT, FAILED, UNSURE = "waiting", "sending", "sent", "failed", "unsure"


class Message(models.Model):
    """One message to one person through one channel.

    ``once`` is what it is made of: queued again under the same name it is the same message. ``sealed`` holds recipient (where it
    is not the account's proven address) and words, encrypted under a key of its own; both are blanked once it is sent. States:
    waiting → sending (the moment before it cannot be taken back) → sent, failed (for good, ``error`` says why), or unsure (the
    sender fell between sending and writing it down; it is not sent again by itself).
    """

    id = models.UUIDField(primary_key=True)
    channel = models.CharField(max_length=10)
    account = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    party = models.ForeignKey(Party, models.CASCADE, null=True, related_name="+")
    """A resident who wants to be told of a result; the address stays where it is, and is opened when the mail goes out."""
    kind = models.CharField(max_length=20)
    once = models.CharField(max_length=120, unique=True)
    key = models.BinaryField()
    sealed = models.BinaryField()
    state = models.CharField(max_length=10, default=WAITING)
    tries = models.IntegerField(default=0)
    error = models.CharField(max_length=300, default="")
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    """After this moment it is worth nothing, and is not sent."""
    sent_at = models.DateTimeField(null=True)

    class Meta:
        """The worker asks for what waits, in order."""

        db_table = "message"
        indexes = [
            models.Index(fields=["channel", "due_at"], name="message_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["account", "channel", "-made_at"], name="message_account"),
            models.Index(fields=["party"], name="message_party", condition=models.Q(party__isnull=False)),
        ]


class Stopped(models.Model):
    """A person who was to be told of the results of a matter, and has ended it. The row goes when it is wanted again."""

    party = models.OneToOneField(Party, models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        """No personal data; the address is not touched."""

        db_table = "result_stopped"


class Delivery(models.Model):
    """A notice on its way to one account through one channel, at most once; ``message`` is what carried it."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="+")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    channel = models.CharField(max_length=10)
    kind = models.CharField(max_length=20)
    due_at = models.DateTimeField()
    message = models.ForeignKey(Message, models.SET_NULL, null=True, related_name="deliveries")
    dropped = models.BooleanField(default=False)
    """No longer wanted or no longer seen when its time came."""

    class Meta:
        """At most once for a notice, an account and a channel."""

        db_table = "delivery"
        constraints = [models.UniqueConstraint(fields=["notice", "account", "channel"], name="delivery_once")]
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=models.Q(message=None, dropped=False))
        ]


class Choice(models.Model):
    """What one account chose: how each kind of notice comes by each channel, quiet hours, the digest's hour.

    ``how`` maps ``channel:kind`` to ``now``, ``digest`` or ``never``; what is missing has the default. ``stopped`` holds the same
    keys for what was ended by a link in a mail, so that undoing it gives back what was before.
    """

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="+")
    how = models.JSONField(default=dict)
    stopped = models.JSONField(default=list)
    quiet_from = models.TimeField(null=True, default=time(21))
    quiet_until = models.TimeField(null=True, default=time(7, 30))
    urgent_passes = models.BooleanField(default=False)
    digest_hour = models.SmallIntegerField(default=8)
    language = models.CharField(max_length=10, default="")

    class Meta:
        """One row for who changed something; the others have the defaults."""

        db_table = "channel_choice"


class Outage(models.Model):
    """A channel whose server does not take anything: since when, what it said, when it is tried again."""

    channel = models.CharField(max_length=10, primary_key=True)
    since = models.DateTimeField()
    error = models.CharField(max_length=300)
    tries = models.IntegerField(default=1)
    next_at = models.DateTimeField()

    class Meta:
        """No row: the channel works, as far as is known."""

        db_table = "channel_outage"
