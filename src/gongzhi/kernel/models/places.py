"""Places 行政区划: a tree whose levels, from the whole city down, are the city pack's."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Length
from django.utils.translation import get_language

from gongzhi.kernel.city import City, read_city


def city() -> City:
    """Return what the pack says of the city: levels, clock, money, calendar."""
    return read_city(settings.CITY)


def level_title(code: str) -> str:
    """Return a level in words, in the language of the moment where the pack has it; the code where the city has no such level."""
    here = city()
    return here.level(code).title_in(get_language() or here.language) if code in here.order else code


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
        return level_title(self.level)

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
