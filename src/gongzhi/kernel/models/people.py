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
    epoch = models.IntegerField(default=0, db_default=0)
    """Raised when the account's password changes or it is closed: sessions and tokens of an earlier epoch have ended."""

    class Meta:
        """Ordered by login."""

        db_table = "account"
        ordering = ("login",)

    def __str__(self) -> str:
        """Return the person's name."""
        return self.name


class Post(models.Model):
    """A post 岗位: this account works for this agency, in this role, in this place, between two days.

    ``behalf`` is the post that a delegate stands for (代理): what the delegate does is the other person's business, done by
    someone else, and says so. It ends by itself with its last day, or with the post that it stands for.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="posts")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="posts")
    role = models.CharField(max_length=20)
    place = models.ForeignKey(Place, models.PROTECT, related_name="+")
    since = models.DateField()
    until = models.DateField(null=True)
    """The first day on which it acts no more."""
    behalf = models.ForeignKey("self", models.PROTECT, null=True, related_name="lent")

    class Meta:
        """Ordered by id: the first post of an account is the one that signing in takes."""

        db_table = "post"
        ordering = ("id",)

    @property
    def role_title(self) -> str:
        """The role in words."""
        return ROLES[self.role].title


class Lending(models.Model):
    """What is said of a delegation beside its post: who lent it, when, the note that hands the work over, and its end.

    ``ended_at`` is set where it was taken back before its last day. Read through ``kernel.lendings`` alone.
    """

    post = models.OneToOneField(Post, models.PROTECT, primary_key=True, related_name="+")
    note = models.CharField(max_length=2000)
    salt = models.BinaryField()
    """Of the digest that stands for the note in the directory's chain."""
    lent_by = models.ForeignKey(Post, models.PROTECT, related_name="+")
    lent_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """Not seen by the application itself."""

        db_table = "lending"


class CareMember(models.Model):
    """A post of the team of a service of care, from one day to another (``until``: the first day without)."""

    post = models.ForeignKey(Post, models.PROTECT, related_name="+")
    service = models.CharField(max_length=40)
    since = models.DateField()
    until = models.DateField(null=True)

    class Meta:
        """Seen by whoever works here: who is of a team is no secret, what the team sees is."""

        db_table = "care_member"


class SecondFactor(models.Model):
    """The one-time codes of an account (RFC 6238). The secret is sealed under the master key and not declared here.

    ``step`` is the time step of the last code that was taken, so that no code counts twice; ``proven_at`` is null until
    the first code has shown that the person's phone holds the secret.
    """

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="+")
    step = models.BigIntegerField(default=0, db_default=0)
    proven_at = models.DateTimeField(null=True)

    class Meta:
        """Not seen by the application itself."""

        db_table = "second_factor"


class RecoveryCode(models.Model):
    """A code for the day on which the phone is lost; its hash is not declared here."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    used_at = models.DateTimeField(null=True)

    class Meta:
        """Not seen by the application itself."""

        db_table = "recovery_code"


class PasswordLink(models.Model):
    """A link that lets its holder choose the account's password, once, until ``expires_at``; its hash is not declared here."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=models.functions.Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        """Not seen by the application itself."""

        db_table = "password_link"


class OutsideIdentity(models.Model):
    """A person at an identity provider (OpenID Connect) who signs in as the account: the issuer and its name for them."""

    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")  # null: no longer linked
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        """One account for one person of one issuer."""

        db_table = "outside_identity"
        verbose_name_plural = "outside identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="outside_identity_once")]
