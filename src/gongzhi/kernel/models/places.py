"""Places 行政区划: the tree city → county → township → village → grid."""

from django.db import models
from django.db.models.functions import Length

LEVELS: dict[str, str] = {"city": "市", "county": "县区", "township": "镇街", "village": "村居", "grid": "网格"}


class Place(models.Model):
    """A node of the tree. Records and entries cite its id, so names and codes may change over the years.

    ``path`` is internal: two base-36 characters a level, collated by byte, so that a subtree is one range
    ``path <= x < path || '~'``. ``name`` and ``code`` are the ones of today; ``PlaceName`` has them all with dates.
    """

    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    path = models.CharField(max_length=20, unique=True, db_collation="C")
    level = models.CharField(max_length=10)
    name = models.CharField(max_length=60)
    code = models.CharField(max_length=20, unique=True)
    lon = models.FloatField(null=True)
    lat = models.FloatField(null=True)
    ended_on = models.DateField(null=True)

    class Meta:
        """Ordered as the tree reads."""

        db_table = "place"
        ordering = ("path",)

    def __str__(self) -> str:
        """Return today's name."""
        return self.name

    @property
    def level_title(self) -> str:
        """The level in words."""
        return LEVELS[self.level]

    @property
    def high(self) -> str:
        """The first path after the subtree."""
        return self.path + "~"

    @classmethod
    def ancestors(cls, path: str) -> models.QuerySet["Place"]:
        """Return the places above and at ``path``, from the city down."""
        return cls.objects.filter(path__in=[path[:end] for end in range(2, len(path) + 1, 2)]).order_by(Length("path"))


class PlaceName(models.Model):
    """A name and statistics code that a place bore from ``since`` (unknown: None) until ``until`` (still: None)."""

    place = models.ForeignKey(Place, models.PROTECT, related_name="names")
    name = models.CharField(max_length=60)
    code = models.CharField(max_length=20)
    since = models.DateField(null=True)
    until = models.DateField(null=True)

    class Meta:
        """Newest first."""

        db_table = "place_name"
        ordering = ("place", "-since")
