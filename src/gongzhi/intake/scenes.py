"""Scenes: the pack's own sample records of any service, each with its steps and parts, carried through ``act()``.

``scenes.toml`` of a pack holds tables ``[[scene]]``: ``service``, ``place`` (code), ``ago`` (working days), ``form``, ``steps``
(``do``, ``after`` in working days, ``form``), and ``parts`` of the same shape. Who acts is found by the declaration: a
sample post whose role may, whose area holds the place, or whose agency owes the record. A step that would lie in the time
to come is left out, so the scenes look alive on any day.
"""

import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.carried import Carried
from gongzhi.intake.crew import Posts
from gongzhi.kernel.context import Actor, acting, loader_actor
from gongzhi.kernel.forms import WHOLE, AgencyField
from gongzhi.kernel.models import Agency, Place, Register
from gongzhi.kernel.pack import PackError, pack_text
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import services
from gongzhi.kernel.workdays import is_workday

Progress = Callable[[int, int], None]


def load(*, now: datetime | None = None, progress: Progress = lambda done, total: None) -> int:
    """Play the scenes of the city's pack; a second run changes nothing. Returns how many acts were new. Raises PackError."""
    text = pack_text(settings.CITY, "scenes.toml")
    if text is None:
        return 0
    try:
        scenes = tomllib.loads(text)["scene"]
        stage = _Stage(now or timezone.now())
        fresh = 0
        for number, scene in enumerate(scenes):
            fresh += stage.play(scene, f"scene:{number}")
            progress(number + 1, len(scenes))
    except (tomllib.TOMLDecodeError, KeyError, LookupError) as error:
        raise PackError(_("scenes.toml 有误：{error!r}").format(error=error)) from error
    return fresh


class _Stage:
    def __init__(self, now: datetime) -> None:
        self.now, self.loader = now, loader_actor()
        self.posts = Posts.all(self.loader)
        with acting(self.loader):
            self.places = {place.code: place for place in Place.objects.filter(ended_on=None)}
            self.agencies = dict(Agency.objects.values_list("code", "pk"))

    def play(self, scene: Mapping[str, Any], key: str, whole: str = "", begun: datetime | None = None) -> int:
        """Carry one record through its steps; return how many acts were new."""
        service = services()[scene["service"]]
        place = self.places[scene["place"]]
        dice = Random(f"gongzhi {key}")
        at = (
            begun + timedelta(minutes=dice.randint(5, 40))
            if begun
            else self._office(dice, self.now, -scene.get("ago", 5))
        )
        given = {**scene.get("form", {}), "place": place.pk}
        if whole:
            given[WHOLE] = whole
        carried = Carried(service.code, key, self.loader)
        carried.file(
            self.posts.who(service.creating, place.path, 0),
            min(at, self.now),
            self._form(service, service.creating, given),
        )
        for step in scene.get("steps", ()):
            action = service.action(step["do"])
            at = (
                self._office(dice, at, step.get("after", 0))
                if step.get("after")
                else at + timedelta(minutes=dice.randint(20, 60))
            )
            if at > self.now:
                break
            who = partial(self._owing, carried, action, place)
            carried.step(who, action.code, at, self._form(service, action, step.get("form", {})))
            for number, part in enumerate(step.get("parts", ())):
                carried.fresh += self.play({"place": scene["place"], **part}, f"{key}.{number}", carried.number, at)
        return carried.fresh

    def _owing(self, carried: Carried, action: Action, place: Place) -> Actor:
        with acting(self.loader):
            owes = Register.objects.values_list("agency", flat=True).get(pk=cast("UUID", carried.record))
        return self.posts.who(action, place.path, owes)

    def _form(self, service: Any, action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form's values, agencies by id instead of code; what the form does not ask for is left out."""
        fields = service.form(action).fields
        return {
            name: self.agencies[value] if isinstance(fields[name], AgencyField) else value
            for name, value in given.items() if name in fields
        }  # fmt: skip

    @staticmethod
    def _office(dice: Random, start: datetime, days: int) -> datetime:
        """Return a moment in office hours, so many working days later or earlier."""
        day, step = timezone.localtime(start), 1 if days > 0 else -1
        left = abs(days)
        while left or not is_workday(day.date()):
            day += timedelta(days=step)
            left -= is_workday(day.date()) and left > 0
        return day.replace(hour=dice.choice((9, 10, 14, 15, 16)), minute=dice.randint(0, 59), second=0, microsecond=0)
