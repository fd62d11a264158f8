"""Posts for the tests: one for each role, two agencies that owe answers, a county's centre. Made by the owner."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from gongzhi.kernel.context import Actor, actor_of
from gongzhi.kernel.models import Account, Agency, Place, Post


@dataclass(frozen=True)
class People:
    """Actors by what they do; ``agencies`` and ``places`` are ids by a short name."""

    operator: Actor
    handler: Actor
    other: Actor
    manager: Actor
    centre: Actor
    far_centre: Actor
    admin: Actor
    grid: Actor
    agencies: dict[str, int]
    places: dict[str, int]


def people() -> People:
    """Make the posts in the current database, once."""
    agencies = {agency.kind: agency for agency in _db(Agency).filter(kind="dispatch")}
    works = list(_db(Agency).filter(kind="agency")[:2])
    city = _db(Place).get(parent=None)
    counties = list(_db(Place).filter(parent=city, ended_on=None).order_by("path")[:2])
    township = _db(Place).filter(parent=counties[0], ended_on=None).order_by("path").first()
    centres = [_db(Agency).filter(kind="centre", place=county).first() for county in counties]
    dispatch = agencies["dispatch"]
    return People(
        operator=_post("t-operator", dispatch, "operator", city),
        handler=_post("t-handler", works[0], "handler", city),
        other=_post("t-other", works[1], "handler", city),
        manager=_post("t-manager", dispatch, "manager", city),
        centre=_post("t-centre", centres[0], "centre", counties[0]),
        far_centre=_post("t-far", centres[1], "centre", counties[1]),
        admin=_post("t-admin", dispatch, "admin", city),
        grid=_post("t-grid", centres[0], "grid", township),
        agencies={"dispatch": dispatch.pk, "a": works[0].pk, "b": works[1].pk, "centre": centres[0].pk},
        places={"city": city.pk, "county": counties[0].pk, "far": counties[1].pk, "township": township.pk},
    )


def _db(model: Any) -> Any:
    return model._default_manager.using("owner")


def _post(login: str, agency: Agency, role: str, place: Place) -> Actor:
    account, _ = _db(Account).get_or_create(login=login, defaults={"name": login})
    post, _ = _db(Post).get_or_create(
        account=account, agency=agency, role=role, place=place, defaults={"since": timezone.localdate()}
    )
    return actor_of(post.pk)
