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

from gongzhi.kernel.fields import Fact
from gongzhi.kernel.forms import BoundForm, Form
from gongzhi.kernel.procedure import Action, Procedure
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


@dataclass(frozen=True)
class Service:
    """The declaration of one service.

    ``number`` is the prefix of record numbers: ``{prefix}{year}{serial:06}``. ``title_from`` names the text that a title
    is made of where the form gave none. ``lists`` and ``filters`` name columns for the list page. ``about`` is one
    sentence in the words of the people who work with it. ``solved`` is the stage codes that count as answered.
    """

    code: str
    desk: str
    title: str
    number: str
    retention: Retention
    about: str = ""
    title_from: str = ""
    lists: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    purposes: tuple[tuple[str, str], ...] = ()
    public: tuple[str, ...] = ()
    """Facts that the person with the follow-up code, who brought the matter, may read."""
    model: type[models.Model] = field(init=False, repr=False, compare=False)
    procedure: Procedure = field(init=False, repr=False, compare=False)

    def fact(self, name: str) -> Fact:
        """Return the typed column of this name; KeyError where there is none."""
        return self.facts[name]

    @cached_property
    def facts(self) -> dict[str, Fact]:
        """The typed columns by name, in the order of the model."""
        return {f.name: f for f in self.model._meta.get_fields() if isinstance(f, Fact)}

    def action(self, code: str) -> Action:
        """Return the action with this code; KeyError where there is none."""
        return self.procedure.by_code[code]

    @cached_property
    def creating(self) -> Action:
        """The action that makes a record."""
        return next(action for action in self.procedure if action.creates)

    @cached_property
    def _bound(self) -> dict[type[Form], BoundForm]:
        return {action.form: BoundForm(self, action.form) for action in self.procedure}

    def form(self, action: Action) -> BoundForm:
        """Return the action's form with its fields."""
        return self._bound[action.form]


_services: dict[str, Service] = {}


def register(model: type[models.Model], declared: Service, procedure: Procedure) -> None:
    """Enter a service; a code that is taken stops the start-up (ValueError)."""
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


class Record(models.Model):
    """Base of every service: typed columns beside the narrow ``Register`` row. A subclass carries ``service`` and ``procedure``."""

    record: Any = models.OneToOneField("kernel.Register", models.PROTECT, primary_key=True, related_name="+")

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
