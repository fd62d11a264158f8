"""The register: one narrow row for everything with an owner and a life."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from gongzhi.kernel.masking import MaskedChars
from gongzhi.kernel.models.people import Agency, Post
from gongzhi.kernel.models.places import Place
from gongzhi.tongue import later

if TYPE_CHECKING:
    from gongzhi.kernel.procedure import Stage
    from gongzhi.kernel.service import Service

ALERTS: dict[int, str] = {0: "", 1: later("已催办"), 2: later("已再次催办"), 3: later("已多次催办")}


class Register(models.Model):
    """A record 事项, of any service. Queue, map and deadline board read this table alone.

    ``version`` counts changes, ``entries`` the lines of the ledger, ``head`` is the hash of the newest one. ``place_path``
    follows the place. ``due_at`` is the running step's deadline; ``paused_at`` is set while its clock stands still.
    """

    id = models.UUIDField(primary_key=True)
    service_code = models.CharField(max_length=40, db_column="service")
    number = models.CharField(max_length=40)
    title = MaskedChars(max_length=120)
    stage_code = models.CharField(max_length=40, db_column="stage")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False)
    place = models.ForeignKey(Place, models.PROTECT, related_name="+", db_index=False)
    place_path = models.CharField(max_length=20, db_collation="C")
    lon = models.FloatField(null=True)
    lat = models.FloatField(null=True)
    channel = models.CharField(max_length=20)
    filed_by = models.ForeignKey(Post, models.PROTECT, related_name="+", db_index=False)
    opened_at = models.DateTimeField()
    stage_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    amber_at = models.DateTimeField(null=True)
    due_source = models.CharField(max_length=60)
    paused_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    alert = models.SmallIntegerField(default=0)
    version = models.IntegerField()
    entries = models.IntegerField()
    head = models.BinaryField()
    follow = models.BinaryField(null=True)
    held_until = models.DateField(null=True)
    """The last day on which nobody may erase it (``universal.Hold``); None, or a day that has passed: no hold."""
    erased = models.BooleanField(default=False, db_default=False)

    class Meta:
        """Partial indexes serve the open records that queues and boards ask for."""

        db_table = "register"
        constraints = [models.UniqueConstraint(fields=["number"], name="register_number")]
        indexes = [
            models.Index(fields=["place_path", "due_at"], name="register_open_place", condition=Q(closed_at=None)),
            models.Index(fields=["agency", "due_at"], name="register_open_agency", condition=Q(closed_at=None)),
            models.Index(fields=["due_at"], name="register_open_due", condition=Q(closed_at=None)),
            models.Index(fields=["service_code", "-opened_at"], name="register_service_opened"),
            models.Index(fields=["agency", "-opened_at"], name="register_agency_opened"),
            models.Index(
                fields=["service_code", "closed_at"],
                name="register_ending",
                condition=Q(closed_at__isnull=False, erased=False),
            ),  # fmt: skip
        ]

    def __str__(self) -> str:
        """Return the number."""
        return self.number

    @property
    def service(self) -> "Service":
        """The record's service."""
        from gongzhi.kernel.service import service  # noqa: PLC0415  (services are declared on top of this table)

        return service(self.service_code)

    @property
    def stage(self) -> "Stage":
        """The record's stage."""
        return self.service.procedure.stage(self.stage_code)

    @property
    def held(self) -> bool:
        """Whether a hold keeps it from being erased today."""
        return self.held_until is not None and self.held_until >= timezone.localdate()

    @property
    def facts(self) -> Any:
        """The service's typed columns; needs the same row right as the record."""
        return self.service.model._default_manager.get(pk=self.pk)


class WordsField(models.Field):  # type: ignore[type-arg]
    """A tsvector. Django's own field needs django.contrib.postgres, which asks each new connection for types unused here."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        """Return PostgreSQL's type."""
        return "tsvector"


class RegisterWords(models.Model):
    """The words by which a record is found; read through ``kernel.find`` alone."""

    record = models.OneToOneField(Register, models.PROTECT, primary_key=True, related_name="+", db_constraint=False)
    words = WordsField()

    class Meta:
        """Kept apart from the register, so that a change of stage does not touch the word index."""

        db_table = "register_words"
