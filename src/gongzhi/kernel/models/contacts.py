"""Where the people who work here are reached outside the platform."""

from django.db import models

from gongzhi.kernel.models.people import Account

CHANNELS = ("mail", "sms")


class Contact(models.Model):
    """An address of an account: e-mail or mobile. The address itself is encrypted, and its columns are not declared here.

    ``hint`` is the masked address, for its owner's page. Nothing is sent to an address before its owner has proven it with a
    code (``verified_at``).
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="contacts")
    channel = models.CharField(max_length=10)
    hint = models.CharField(max_length=80)
    verified_at = models.DateTimeField(null=True)
    put_at = models.DateTimeField()

    class Meta:
        """One address of a kind; seen by its owner alone."""

        db_table = "contact"
        constraints = [models.UniqueConstraint(fields=["account", "channel"], name="contact_once")]
