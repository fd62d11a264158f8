"""A row of a table as the forms of acts: the one that files it, and those of what has happened to it since.

A mapping with ``steps`` brings a record's whole history: it is filed, assigned, accepted, answered, closed at the moments of the
file, each step by a post that the declaration lets do it, with the loader answering for the past.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any, cast
from uuid import UUID

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.carried import Carried, key_of
from gongzhi.intake.crew import Posts
from gongzhi.intake.mapping import BadCell, Step, Table, moment, read, tidy
from gongzhi.kernel.act import Done, Told
from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.bulk import BATCH, Outcome, Row, act_many
from gongzhi.kernel.bulk_changes import Change, change_many
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Agency, Place, Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.procedure import Action, Gives
from gongzhi.kernel.refusals import Refused, Unreachable
from gongzhi.kernel.service import Service

Form = dict[str, Any]
POINT = {"lon", "lat"}
"""Two columns that make the form's position."""
_GOING = 2
"""Thousands of rows that may be filed and wait for their steps."""


@dataclass(frozen=True)
class Book:
    """What cells are looked up in: ids of places by code, of agencies by code, name and short name; points of the finest places."""

    places: Mapping[str, int]
    agencies: Mapping[str, int]
    points: Mapping[int, tuple[float, float]]
    top: int

    @classmethod
    def of(cls, loader: Actor) -> "Book":
        """Return the book of the current database."""
        with acting(loader):
            places = list(Place.objects.filter(ended_on=None).values_list("code", "pk", "level", "lon", "lat"))
            agencies: dict[str, int] = {}
            for column in ("short", "title", "code"):  # where two names are the same text, the code has the last word
                agencies |= dict(Agency.objects.filter(ended_on=None).values_list(column, "pk"))
        points = {
            pk: (lon, lat)
            for code, pk, level, lon, lat in places
            if level == city().finest and lon is not None and lat is not None
        }
        top = next(pk for code, pk, level, *rest in places if level == city().top)
        return cls({code: pk for code, pk, *_other in places}, agencies, points, top)


def forms_of(table: Table, held: Mapping[str, Any], book: Book) -> tuple[dict[str, Form], list[str]]:
    """Return the values of each action's form ("" is the creating one), and why the row cannot be taken in."""
    forms: dict[str, Form] = {"": {}, **{step.do: {} for step in table.steps}}
    reasons: list[str] = []
    for name, text in table.constants.items():
        _put(forms, name, text)
    for name, pattern in table.texts.items():
        cells = {header: " ".join(tidy(held.get(header)).split()) for header in table.columns if header in pattern}
        _put(forms, name, pattern.format_map(cells).strip())
    filled: set[str] = set()
    for header, column in table.columns.items():
        cell = held.get(column.named(held))
        if column.fields and filled.issuperset(column.fields):
            continue  # of two columns for the same thing the first that says something counts
        if column.required and tidy(cell) == "":
            reasons.append(_("“{header}”没有填").format(header=header))
            continue
        try:
            value = read(column, cell, book.places, book.agencies, table.times)
        except BadCell as error:
            reasons.append(f"{header}:{error}")
            continue
        if value is not None:
            for name in column.fields:
                filled.add(name)
                _put(forms, name, value.date().isoformat() if isinstance(value, datetime) else value)
    reasons += _position(forms[""])
    if table.place:
        reasons += _find_place(table, held, book, forms[""])
    return forms, reasons


def _put(forms: dict[str, Form], name: str, value: Any) -> None:
    action, _dot, field = name.rpartition(".")
    forms.setdefault(action, {})[field] = value


def _position(form: Form) -> list[str]:
    """Make the form's position of two columns; return what is wrong with it."""
    parts = [form.pop(name) for name in ("lon", "lat") if name in form]
    if len(parts) == 1:
        return [_("位置要同时有经度和纬度")]
    if parts:
        form["point"] = ",".join(parts)
    return []


def _find_place(table: Table, held: Mapping[str, Any], book: Book, form: Form) -> list[str]:
    """Find place and point by the row's coordinates; return what is wrong with them."""
    rule = table.place
    if rule is None:
        return []
    lon, lat = tidy(held.get(rule.lon)), tidy(held.get(rule.lat))
    if lon and lat:
        try:
            point = float(lon), float(lat)
        except ValueError:
            return [_("“{lon}”和“{lat}”不是经纬度").format(lon=rule.lon, lat=rule.lat)]
        if not rule.inside(*point):
            return [_("位置 {lon},{lat} 不在映射文件给出的范围内").format(lon=lon, lat=lat)]
        if point not in rule.nowhere:
            form["point"] = point
            if "place" not in form and (near := rule.closest(*point, book.points)) is not None:
                form["place"] = near
    if "place" not in form:
        if not rule.whole:
            return [_("没有写明地点，位置也不在任何地点附近")]
        form["place"] = book.top
    return []


@dataclass
class Life:
    """A row on its way: its cells, the forms of its acts, its key; then what came of it."""

    held: Mapping[str, Any]
    forms: Mapping[str, Form]
    key: str
    moments: list[tuple[datetime, Told | None]] = field(default_factory=list)
    done: Done | None = None
    version: int = 0
    owes: int | None = None
    fresh: bool = False
    """Whether anything was new."""
    fault: Exception | None = None
    """Why it stopped: BadCell, LookupError or Refused."""

    def now(self, outcome: Outcome) -> None:
        """Take what came of its latest act."""
        if isinstance(outcome, Refused):
            self.fault = outcome
            return
        self.done, self.version = outcome, max(outcome.version, self.version)
        self.fresh = self.fresh or not outcome.repeated


class Historian:
    """Carries rows through their steps. ``carry`` may be called again for the same rows: it changes nothing."""

    def __init__(self, service: Service, table: Table, actor: Actor, loader: Actor) -> None:
        self.service, self.table, self.actor, self.loader = service, table, actor, loader
        self.posts = Posts.all(loader)

    def moments(self, held: Mapping[str, Any]) -> list[tuple[datetime, Told | None]]:
        """Return the moments of filing and of the steps that have happened, each with its deadline. Raises BadCell."""
        table, now = self.table, timezone.now()
        made: list[tuple[datetime, Told | None]] = [(moment(held[table.at], table.times), None)]
        for step in table.steps:
            if tidy(held.get(step.at)) == "":
                break
            at = moment(held[step.at], table.times)
            if at < made[-1][0]:
                raise BadCell(_("“{at}”早于前一步的时间").format(at=step.at))
            due = tidy(held.get(step.due)) if step.due else ""
            made.append((at, Told(moment(held[step.due], table.times) if due else None) if step.due else None))
        if made[-1][0] > now:
            raise BadCell(_("时间在将来"))
        return made

    def carry(self, lives: Iterable[Life]) -> Iterator[Life]:
        """Bring rows in, a thousand together; yield each in its turn with what was new, or why it stopped. Raises Unreachable.

        While the steps of some are done, the next are read, composed and filed. A row of which an earlier run brought
        something goes step by step: it may stand anywhere.
        """
        spoken = copy_context()  # the reader's language, for what is refused
        follower = ThreadPoolExecutor(1, thread_name_prefix="gongzhi-histories")
        going: deque[tuple[tuple[Life, ...], Future[None]]] = deque()
        try:
            with closing(self._filed(lives)) as filed:
                for several in batched(filed, BATCH, strict=False):
                    going.append((several, follower.submit(spoken.run, self._follow, several)))
                    while going and (going[0][1].done() or len(going) > _GOING):
                        yield from self._through(*going.popleft())
            while going:
                yield from self._through(*going.popleft())
        finally:
            for _several, end in going:
                end.cancel()
            follower.submit(connection.close)
            follower.shutdown()

    @staticmethod
    def _through(several: tuple[Life, ...], end: Future[None]) -> Iterator[Life]:
        end.result()
        yield from several

    def _filed(self, lives: Iterable[Life]) -> Generator[Life]:
        """File the rows whose moments can be read; yield all of them in their order."""
        waiting: deque[Life] = deque()
        creating = self.service.creating.code

        def rows() -> Iterator[Row]:
            for life in lives:
                waiting.append(life)
                try:
                    life.moments = self.moments(life.held)
                except BadCell as fault:
                    life.fault = fault
                else:
                    yield Row(life.forms[""], key_of(life.key, 0, creating), life.moments[0][0])

        for outcome in act_many(self.actor, self.service.code, rows(), loader=self.loader):
            while waiting[0].fault:
                yield waiting.popleft()
            life = waiting.popleft()
            life.now(outcome)
            yield life
        yield from waiting

    def _follow(self, lives: Sequence[Life]) -> None:
        """Do the steps of rows that are filed, each step of all of them at once. Raises Unreachable."""
        again = [life for life in lives if life.done and life.done.repeated]
        moving = [life for life in lives if life.done and not life.done.repeated]
        for number, step in enumerate(self.table.steps, start=1):
            moving = [life for life in moving if not life.fault and len(life.moments) > number]
            self._step(number, step, moving)
        for life in again:
            try:
                life.fresh = self._carry_alone(life)
            except Unreachable:
                raise
            except (Refused, LookupError) as fault:
                life.fault = fault

    def _step(self, number: int, step: Step, lives: list[Life]) -> None:
        action = self.service.action(step.do)
        with acting(self.loader):
            records = [life.done.record for life in lives if life.done and life.owes is None]
            stand = dict(Register.objects.filter(pk__in=records).values_list("pk", "agency")) if records else {}
        able, changes = [], []
        for life in lives:
            at, told = life.moments[number]
            done = cast("Done", life.done)
            try:
                who = self.posts.who(action, self._path(life), life.owes or stand[done.record])
            except LookupError as fault:
                life.fault = fault
                continue
            key, form = key_of(life.key, number, step.do), life.forms[step.do]
            able.append(life)
            changes.append(Change(who, done.record, life.version, key, at, form, told))
            life.owes = self._owes_next(action, form, life.owes)
        outcomes = change_many(self.service.code, step.do, changes, loader=self.loader)
        for life, outcome in zip(able, outcomes, strict=True):
            life.now(outcome)

    def _path(self, life: Life) -> str:
        return atlas().places[life.forms[""].get("place") or self.actor.place][0]

    @staticmethod
    def _owes_next(action: Action, form: Form, owes: int | None) -> int | None:
        """Return the agency that owes the record after the action; None: only the record knows."""
        if action.gives is Gives.CHOSEN:
            return int(form["agency"])
        return owes if action.gives is Gives.KEEP else None

    def _carry_alone(self, life: Life) -> bool:
        """Bring one row in; return whether anything was new. Raises LookupError and what ``act()`` raises."""
        moments, forms = life.moments, life.forms
        carried = Carried(self.service.code, life.key, self.loader)
        carried.file(self.actor, moments[0][0], forms[""])
        path = self._path(life)
        owes: int | None = None
        for step, (at, told) in zip(self.table.steps, moments[1:], strict=False):
            action, form = self.service.action(step.do), forms[step.do]

            def who(action: Any = action, owes: int | None = owes) -> Actor:
                return self.posts.who(action, path, self._owes(carried) if owes is None else owes)

            carried.step(who, step.do, at, form, told=told)
            owes = self._owes_next(action, form, owes)
        return carried.fresh > 0

    def _owes(self, carried: Carried) -> int:
        with acting(self.loader):
            return int(Register.objects.values_list("agency", flat=True).get(pk=cast("UUID", carried.record)))
