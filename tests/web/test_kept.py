"""The share kept in time counts what the post sees and nothing else: a function that steps round the row policy must agree with it."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from gongzhi.kernel.act import Done
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import DeadlineKept, Place
from gongzhi.web.console.deadlines import kept_by
from tests.kernel.conftest import crew, request_in  # noqa: F401
from tests.kernel.people import People


def test_steps_are_counted_by_right_and_by_place(crew: People, request_in: Callable[..., Done]) -> None:  # noqa: F811
    for place in ("township", "far", "city"):
        request_in("answered", place=crew.places[place])
    since = timezone.now() - timedelta(days=30)
    seen = {}
    for name in ("operator", "manager", "centre", "far_centre", "handler", "other", "grid"):
        actor = getattr(crew, name)
        for area in (None, "county", "far"):
            place = Place.objects.get(pk=crew.places[area]) if area else None
            with acting(actor):
                told = {agency: done for agency, done, _ in kept_by(actor, since, place)}
                rows = DeadlineKept.objects.filter(met_at__gte=since)
                if place:
                    rows = rows.filter(record__place_path__gte=place.path, record__place_path__lt=place.high)
                assert told == Counter(rows.values_list("agency", flat=True)), (name, area)
            seen[name, area] = sum(told.values())
    assert seen["operator", None] > seen["operator", "county"] > 0
    assert seen["centre", "far"] == 0
    assert seen["other", None] == 0
