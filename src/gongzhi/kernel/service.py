"""Services 业务: what a desk does with one kind of record, declared once.

A service is a Django model with typed columns (its *facts*) beside the narrow ``Register`` row, plus a declaration. List,
filters, forms, page, API, import, search, map and history are made of it; nothing is repeated per service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from django.db import models

from gongzhi.kernel.extras import extras
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.forms import BoundForm, Form
from gongzhi.kernel.masking import MaskedValues
from gongzhi.kernel.procedure import Action, Effect, Procedure
from gongzhi.kernel.purposes import Purpose, of_city
from gongzhi.kernel.universal import UNIVERSAL


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a closed record is kept, in whole years."""

    years: int

    def until(self, closed: date) -> date:
        """Return the first day on which a record closed on ``closed`` may be forgotten."""
        year = closed.year + self.years
        return closed.replace(year=year) if (closed.month, closed.day) != (2, 29) else date(year, 3, 1)


def years(count: int) -> Retention:
    """Return a retention of ``count`` years after the record is closed."""
    return Retention(count)


@dataclass(frozen=True, eq=False)
class Service:
    """The declaration of one service, equal to itself alone.

    ``number`` is the prefix of record numbers: ``{prefix}{year}{serial:06}``. ``title_from`` names the text that a title
    is made of where the form gave none. ``lists`` and ``filters`` name columns for the list page. ``about`` is one
    sentence in the words of the people who work with it. ``solved`` is the stage codes that count as answered.
    """

    title: str
    number: str
    retention: Retention
    code: str = ""
    """By default the model's name in small letters."""
    desk: str = ""
    """By default the folder that the service lies in."""
    about: str = ""
    title_from: str = ""
    lists: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    """Why somebody may look at a person's fields, each with the rule that allows it; the city's pack adds to them."""
    public: tuple[str, ...] = ()
    """Facts that the person with the follow-up code, who brought the matter, may read."""
    part_of: str = ""
    """Code of the service whose records these ones are parts of: findings of a round, parties of a case."""
    plate: tuple[str, ...] = ()
    """Facts that stand on the plate to be printed and fixed to the thing itself; without any there is no plate."""
    icon: str = "folder"
    quiet: bool = False
    """Whether its titles stay within the platform: mails, short messages and calendars then name the number alone."""
    care: bool = False
    """A matter of health, reintegration or children: for the posts of its team alone (``kernel.care``), never exported, tied
    to no other service's record."""
    model: type[models.Model] = field(init=False, repr=False, compare=False)
    procedure: Procedure = field(init=False, repr=False, compare=False)

    def fact(self, name: str) -> Fact:
        """Return the typed column of this name; KeyError where there is none."""
        return self.facts[name]

    @cached_property
    def facts(self) -> dict[str, Fact]:
        """The typed columns by name, in the order of the model."""
        return {f.name: f for f in self.model._meta.get_fields() if isinstance(f, Fact)}

    @cached_property
    def extras(self) -> dict[str, Fact]:
        """The city's own fields by name."""
        return dict(extras(self.code).facts)

    def values(self, row: Any) -> dict[str, Any]:
        """Return every fact of a row, declared or the city's own, by name."""
        return {name: getattr(row, name) for name in self.facts} | {name: row.more.get(name) for name in self.extras}

    @cached_property
    def all_facts(self) -> dict[str, Fact]:
        """The declared facts and the city's own."""
        return {**self.facts, **self.extras}

    @cached_property
    def reasons(self) -> dict[str, Purpose]:
        """The purposes of a look by code: the declared ones, and the city's, which go before."""
        return {purpose.code: purpose for purpose in (*self.purposes, *of_city(self.code))}

    @cached_property
    def asking(self) -> str:
        """Role of the party whose matter it is and who holds its follow-up code: the first person of the form that makes it."""
        return next(iter(self.form(self.creating).persons), "")

    @cached_property
    def phoned(self) -> bool:
        """Whether anybody's telephone number is kept, by which records are found (``kernel.seeking``)."""
        persons = (person for action in self.procedure for person in self.form(action).persons.values())
        return any("phone" in person.fields for person in persons)

    def action(self, code: str) -> Action:
        """Return the action with this code; KeyError where there is none."""
        return self.procedure.by_code[code]

    @cached_property
    def creating(self) -> Action:
        """The action that makes a record."""
        return next(action for action in self.procedure if action.creates)

    @cached_property
    def _bound(self) -> dict[type[Form], BoundForm]:
        return {
            action.form: BoundForm(
                self, action.form, parted=bool(self.part_of) and action.creates,
                more=action.creates or action.effect is Effect.MORE,
            )
            for action in reversed(self.procedure.actions)  # where two share a form, the first has the say
        }  # fmt: skip

    def form(self, action: Action) -> BoundForm:
        """Return the action's form with its fields."""
        return self._bound[action.form]

    @cached_property
    def timed(self) -> bool:
        """Whether any of its stages has a deadline; a service without is a register, whose records wait for nobody."""
        return any(action.within for action in self.procedure)

    @cached_property
    def parts(self) -> "list[Service]":
        """The services whose records are parts of this one's."""
        return [service for service in _services.values() if service.part_of == self.code]

    @property
    def columns(self) -> "list[Fact]":
        """The facts that a list shows unless someone chooses others."""
        return [self.facts[name] for name in self.lists or [n for n, f in self.facts.items() if f.listed][:3]]

    @property
    def narrowing(self) -> "list[Fact]":
        """The facts by which a list is narrowed."""
        return [self.facts[name] for name in self.filters or [n for n, f in self.facts.items() if f.listed]]


_services: dict[str, Service] = {}


def register(model: type[models.Model], declared: Service, procedure: Procedure) -> None:
    """Enter a service; a code that is taken stops the start-up (ValueError)."""
    for name, given in (("code", model._meta.model_name), ("desk", model._meta.app_label)):
        if not getattr(declared, name):
            object.__setattr__(declared, name, given)
    if declared.code in _services:
        raise ValueError(f"service {declared.code!r} is declared twice")
    object.__setattr__(declared, "model", model)
    object.__setattr__(declared, "procedure", Procedure((*procedure.actions, *UNIVERSAL)))
    _services[declared.code] = declared


def services() -> Mapping[str, Service]:
    """Return every declared service by code."""
    return _services


def service(code: str) -> Service:
    """Return the service with this code; KeyError where there is none."""
    return _services[code]


def cared() -> list[str]:
    """Return the codes of the services of care (``kernel.care``)."""
    return [service.code for service in _services.values() if service.care]


class Record(models.Model):
    """Base of every service: typed columns beside the narrow ``Register`` row. A subclass carries ``service`` and ``procedure``."""

    record: Any = models.OneToOneField("kernel.Register", models.PROTECT, primary_key=True, related_name="+")
    more: Any = MaskedValues(default=dict, db_default={})
    """The city's own fields of this service (``kernel.extras``): value by name."""

    class Meta:
        """An abstract base: each service has a table of its own."""

        abstract = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Enter the subclass as soon as Django has made the model of it."""
        super().__init_subclass__(**options)
        declared, procedure = cls.__dict__.get("service"), cls.__dict__.get("procedure")
        if not isinstance(declared, Service) or not isinstance(procedure, Procedure):
            raise TypeError(f"{cls.__name__} needs the attributes service = Service(…) and procedure = Procedure(…)")
        models.signals.class_prepared.connect(_enter, sender=cls, weak=False)


def _enter(sender: Any, **_: Any) -> None:
    register(sender, sender.service, sender.procedure)
