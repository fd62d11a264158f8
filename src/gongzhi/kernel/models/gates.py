"""Counters that keep doors from being forced. They are not records: the application writes them itself."""

from django.db import models


class SignInTry(models.Model):
    """Failed sign-ins of one login since ``since``; ``until`` is the end of a lock-out."""

    login = models.CharField(max_length=60, primary_key=True)
    count = models.IntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        """Written outside the one door, and said so in the documentation."""

        db_table = "sign_in_try"


class Rate(models.Model):
    """How often something was done from one source since ``since``."""

    key = models.CharField(max_length=120, primary_key=True)
    count = models.IntegerField()
    since = models.DateTimeField()

    class Meta:
        """Written outside the one door, and said so in the documentation."""

        db_table = "rate"
