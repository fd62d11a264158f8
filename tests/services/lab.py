"""A laboratory for one service: records in every state and actors of every role, with values made of the declaration.

What a declaration cannot know stands in samples: ``tests/services/<service>.py``, or the module ``tests/<service>.py`` in
the folder of a desk that lies elsewhere, with ``SAMPLES = {"field" or "action.field": value}``.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils import timezone

from gongzhi.intake.proposed import ProposedField, Sealed
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import Actor, acting, clock_actor, loader_actor, portal_actor
from gongzhi.kernel.extras import extras
from gongzhi.kernel.fields import CodeChoice, FlagChoice, MoneyField
from gongzhi.kernel.forms import WHOLE, AgencyField, MailField, PlaceField, PointField
from gongzhi.kernel.models import Agency, Place, Register, Task
from gongzhi.kernel.procedure import Action, Effect
from gongzhi.kernel.roles import CLOCK, LOADER, MANAGER, PORTAL, ROLES, STAFF, Role, Scope
from gongzhi.kernel.service import Service
from gongzhi.kernel.service import service as service_of
from gongzhi.web.api.token import issue
from tests.kernel.people import People, _post
from tests.services.walk import Walk

_SYSTEM = {PORTAL.code: portal_actor, CLOCK.code: clock_actor, LOADER.code: loader_actor}
_serial = count(1)


@dataclass
class Held:
    """A record as the laboratory knows it."""

    record: UUID
    number: str
    version: int
    stage: str
    follow: str
    agency: int
    way: tuple[str, ...]
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was typed, by the code of the action that took it last."""


def word() -> str:
    """Return a word of small letters that no other text has, so that a search for it finds one record."""
    number, letters = next(_serial), ""
    for _ in range(5):
        number, rest = divmod(number, 26)
        letters = chr(97 + rest) + letters
    return f"zq{letters}"


class Lab:
    """Records and actors of one service, in this module's own database."""

    def __init__(self, service: Service, people: People, labs: "dict[str, Lab]") -> None:
        self.service, self.people, self.labs = service, people, labs
        labs[service.code] = self
        self.samples = samples(service)
        self.walk = Walk(service, lambda action, name: int(self._plain(name, service.form(action).fields[name])))
        self._other: Held | None = None
        self._standing: dict[str, Held] = {}
        here = Place._default_manager.using("owner").filter(lon__isnull=False).first()
        self.point = (
            f"{here.lon:.5f},{here.lat:.5f}" if here and here.lon is not None and here.lat is not None else "10.5,50.5"
        )

    # --- actors -----------------------------------------------------------------------------------------------------

    def actor(self, role: Role, held: Held | None = None) -> Actor:
        """Return an actor of the role who reaches the record (or, without one, who works for the dispatching agency)."""
        if role.code in _SYSTEM:
            return _SYSTEM[role.code]()
        agency = held.agency if held and role.scope is Scope.AGENCY else self.people.agencies["dispatch"]
        return self.post(role, agency, self.people.places["city"])

    def stranger(self, role: Role) -> Actor:
        """Return an actor of the role who does not reach the records of the laboratory: another county's."""
        if role is PORTAL:
            return portal_actor()
        return self.post(role, self.people.far_centre.agency, self.people.places["far"])

    def post(self, role: Role, agency: int, place: int) -> Actor:
        """Return an actor with this post, which is made where there is none."""
        known: dict[Any, Actor] = self.people.__dict__.setdefault("known", {})
        if (role, agency, place) not in known:
            known[role, agency, place] = _post(
                f"t-{role.code}-{agency}-{place}", Agency._default_manager.using("owner").get(pk=agency), role.code,
                Place._default_manager.using("owner").get(pk=place),
            )  # fmt: skip
        return known[role, agency, place]

    @property
    def watcher(self) -> Actor:
        """Someone who sees everything and owes nothing."""
        return self.actor(MANAGER)

    def doer(self, action: Action, held: Held | None = None) -> Actor:
        """Return an actor who may do the action: one of the staff where there is one."""
        roles = sorted(action.by, key=lambda role: role not in STAFF)
        return self.actor(roles[0], held)

    # --- values -----------------------------------------------------------------------------------------------------

    def form(self, action: Action, actor: Actor, held: Held | None = None, *, other: bool = False) -> dict[str, Any]:
        """Return a right answer to everything that the action asks; ``other``: different codes, numbers and days."""
        return {
            name: self.value(action, name, asked, actor, held, other=other)
            for name, asked in self.service.form(action).fields.items()
        }

    def value(
        self, action: Action, name: str, asked: Any, actor: Actor, held: Held | None, *, other: bool = False
    ) -> Any:
        """Return a right answer to one question."""
        for key in (f"{action.code}.{name}", name):
            if key in self.samples:
                return self.samples[key]
        examples = self.service.extras and extras(self.service.code).schema["properties"].get(name, {}).get("examples")
        if examples:  # a city that asks for a pattern shows what fits it
            return examples[-1 if other else 0]
        if name == WHOLE:
            return self.whole(actor).number
        if action.effect is Effect.LINK and name == "other":
            return self.link_to(held, actor)
        if action.effect is Effect.TASK_DONE and name == "task_id":
            return self.task(held, actor)
        if action.effect is Effect.HOLD and name == "held_until":
            return (timezone.localdate() + timedelta(days=30 + 9 * other)).isoformat()
        if isinstance(asked, ProposedField):
            return str(Sealed("X1", "kind", "agency", 800 + 100 * other, "words"))
        if isinstance(asked, AgencyField):
            agencies = self.people.agencies
            return agencies["b"] if held and held.agency == agencies["a"] else agencies["a"]
        return self._plain(name, asked, other=other)

    def _plain(self, name: str, asked: Any, *, other: bool = False) -> Any:
        match asked:
            case PlaceField():
                return self.people.places["township"]
            case PointField():
                return self.point
            case FlagChoice():
                return "no" if other else "yes"
            case MoneyField():
                return "77.00" if other else "1280.00"
            case forms.DecimalField():
                return "77.00" if other else "86.50"
            case forms.IntegerField():
                return min(max((asked.min_value or 0) + 1 + 4 * other, asked.min_value or 0), asked.max_value or 10**9)
            case forms.DateField():
                return (timezone.localdate() - timedelta(days=9 * other)).isoformat()
            case CodeChoice():
                codes = list(asked.codes())
                return codes[-1] if other else codes[0]
        if isinstance(asked, MailField):
            return f"resident{next(_serial)}@example.org"
        if name.endswith("_phone"):
            return f"1390000{next(_serial) % 10_000:04}"
        return f"{asked.label} {word()}"[-(asked.max_length or 200) :]

    def whole(self, actor: Actor) -> Held:
        """Return an open record of the service that this one's are parts of."""
        above = self.labs.get(self.service.part_of) or Lab(service_of(self.service.part_of), self.people, self.labs)
        held = above.make()
        assert above.service.procedure.stage(held.stage).open, (above.service.code, actor)
        return held

    def link_to(self, held: Held | None, actor: Actor) -> str:
        """Return the number of another record that the actor sees."""
        if held and actor.role in ROLES and ROLES[actor.role].scope is Scope.AGENCY:
            return self.bring(held.way).number
        self._other = self._other or self.make()
        return self._other.number

    def task(self, held: Held | None, actor: Actor) -> str:
        """Return the id of a task of the actor's agency on the record."""
        assert held is not None
        act(actor, self.service.code, "task", record=held.record, form={"task": f"任务{word()}", "task_days": 3})
        with acting(actor):
            return str(Task.objects.filter(record=held.record).latest("pk").pk)

    # --- records ----------------------------------------------------------------------------------------------------

    def make(self, actor: Actor | None = None, *, other: bool = False, **changed: Any) -> Held:
        """Make a record."""
        action = self.service.creating
        actor = actor or self.doer(action)
        form = {**self.form(action, actor, other=other), **changed}
        done = act(actor, self.service.code, action.code, form=form)
        held = Held(
            done.record, done.number, done.version, done.stage, done.follow, 0, (action.code,), {action.code: form}
        )
        return self.refresh(held)

    def do(self, held: Held, action: Action, actor: Actor | None = None, **changed: Any) -> Done:
        """Do the action to the record."""
        actor = actor or self.doer(action, held)
        form = {**self.form(action, actor, held), **changed}
        done = self.act(held, action, actor, form)
        held.version, held.stage = done.version, done.stage
        held.way, held.forms[action.code] = (*held.way, action.code), form
        self.refresh(held)
        return done

    def act(self, held: Held, action: Action, actor: Actor, form: dict[str, Any], **more: Any) -> Done:
        """Call the door, with everything that the actor's page would send."""
        proof = held.follow if action.resident and actor.role == PORTAL.code else ""
        return act(
            actor, self.service.code, action.code, record=held.record, version=held.version, form=form,
            **{"follow": proof, **more},
        )  # fmt: skip

    def refresh(self, held: Held) -> Held:
        """Read again who owes the record and how it stands."""
        with acting(self.watcher):
            row = Register.objects.get(pk=held.record)
        held.agency, held.version, held.stage = row.agency_id, row.version, row.stage_code
        return held

    def bring(self, way: tuple[str, ...]) -> Held:
        """Make a record and lead it this way."""
        held = self.make()
        for code in way[1:]:
            self.do(held, self.service.action(code))
        return held

    def ready(self, action: Action) -> Held:
        """Return a fresh record to which the action can be done."""
        return self.bring(self.walk.before(action))

    def standing(self, stage: str) -> Held:
        """Return the one record that stands in the stage and that no test changes."""
        if stage not in self._standing:
            self._standing[stage] = self.bring(self.walk.to(stage))
        return self._standing[stage]

    @property
    def stages(self) -> list[str]:
        """The codes of the service's stages."""
        return [stage.code for stage in self.service.procedure.stages]

    def row(self, held: Held) -> tuple[Register, Any]:
        """Return the record's row of the register, and that of the service."""
        with acting(self.watcher):
            record = Register.objects.select_related("agency", "place").get(pk=held.record)
            return record, record.facts


def samples(service: Service) -> dict[str, Any]:
    """Return the sample values that somebody wrote down for the service."""
    for name in (f"tests.services.{service.code}", f"{folder(service)}.tests.{service.code}"):
        if find_spec(name.rpartition(".")[0]) and find_spec(name):
            return dict(import_module(name).SAMPLES)
    return {}


def folder(service: Service) -> str:
    """Return the package that the service lies in."""
    return service.model.__module__.rpartition(".")[0]


# --- doors other than act() ---------------------------------------------------------------------------------------------


def at_desk(actor: Actor) -> Client:
    """Return a browser that is signed in as this actor."""
    settings.ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
    client = Client()
    session = client.session
    session["account"], session["post"] = actor.account, actor.post
    session.save()
    return client


class Machine:
    """A program with a token of this actor."""

    def __init__(self, actor: Actor) -> None:
        settings.ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
        self.client, self.headers = Client(), {"Authorization": f"Bearer {issue(actor)}"}

    def get(self, way: str, **headers: str) -> Any:
        """Read."""
        return self.client.get(f"/api{way}", headers={**self.headers, **headers})

    def post(self, way: str, body: Any, **headers: str) -> Any:
        """Write."""
        return self.client.post(
            f"/api{way}", body, content_type="application/json", headers={**self.headers, **headers}
        )


def owner_rows(sql: str, *arguments: Any) -> list[Any]:
    """Ask the database's owner, whom no row policy hides anything from."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql, arguments)
        return list(cursor.fetchall())
