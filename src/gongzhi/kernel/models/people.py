"""Agencies 单位, accounts and posts 岗位."""

from django.db import models

from gongzhi.kernel.models.places import Place
from gongzhi.kernel.roles import ROLES


class Agency(models.Model):
    """A body that owes answers. ``kind``: ``agency``, ``dispatch`` (takes and sends out), ``centre`` (a county's)."""

    code = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=80)
    short = models.CharField(max_length=20)
    kind = models.CharField(max_length=20)
    place = models.ForeignKey(Place, models.PROTECT, related_name="+")
    ended_on = models.DateField(null=True)

    class Meta:
        """Ordered by code."""

        db_table = "agency"
        verbose_name_plural = "agencies"
        ordering = ("code",)

    def __str__(self) -> str:
        """Return the short title."""
        return self.short


class Account(models.Model):
    """A person who signs in, or a part of the system that acts. The password's hash is not declared here."""

    login = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=60)
    active = models.BooleanField(default=True)

    class Meta:
        """Ordered by login."""

        db_table = "account"
        ordering = ("login",)

    def __str__(self) -> str:
        """Return the person's name."""
        return self.name


class Post(models.Model):
    """A post 岗位: this account works for this agency, in this role, in this place, between two days."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="posts")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="posts")
    role = models.CharField(max_length=20)
    place = models.ForeignKey(Place, models.PROTECT, related_name="+")
    since = models.DateField()
    until = models.DateField(null=True)

    class Meta:
        """Ordered by id: the first post of an account is the one that signing in takes."""

        db_table = "post"
        ordering = ("id",)

    @property
    def role_title(self) -> str:
        """The role in words."""
        return ROLES[self.role].title
