"""A small world for the matrix: records that carry words nobody else has, posts of every kind, and the rule in plain Python.

The rule is written here a second time on purpose, from the declarations and the tree of places alone: it shares no line with
``kernel/sql/rights.sql``, and knows places by their parents, not by their paths.
"""

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from gongzhi.kernel import care
from gongzhi.kernel.act import act
from gongzhi.kernel.context import Actor, acting, actor_of
from gongzhi.kernel.models import Account, Agency, Attachment, CareMember, Party, Place, Post
from gongzhi.kernel.procedure import Gives
from gongzhi.kernel.roles import ROLES, STAFF, Role, Scope
from gongzhi.kernel.service import Service, services
from gongzhi.kernel.vault import Upload
from gongzhi.kernel.worker import tick
from tests.kernel.people import People
from tests.services.lab import Held, Lab, owner_rows, word

CARING = "tests.rights.nursing" in os.environ.get("GONGZHI_DESKS", "")
"""Whether this run has the test-only service of care."""
_WORD = re.compile(r"zq[a-z]{5}")
_PERSONAL = re.compile(r"(?:1390000\d{4})|(?:resident\d+@example\.org)")


@dataclass
class Subject:
    """A record of the world: where it lies, who owes it, and what in any answer gives it away."""

    service: Service
    held: Held
    place: int
    agency: int
    party: UUID | None
    file: UUID
    address: str
    """Under which the store keeps its file: a keyed hash."""
    telling: frozenset[str]
    """Its number, its ids and every word of it that stands in no other record."""
    personal: frozenset[str]
    """Name, telephone and address of the person in it: shown for a stated purpose only, in no answer here."""
    title: str
    file_word: str
    phone: str
    """A telephone number of a person in it, "" where none is asked."""

    @property
    def number(self) -> str:
        return self.held.number


@dataclass(frozen=True)
class Viewer:
    """A post that looks: ``place`` and ``agency`` by their short names, ``team`` whether it is of the teams of care."""

    role: Role
    place: str
    agency: str
    team: bool
    actor: Actor

    def __str__(self) -> str:
        return f"{self.role.code}-{self.place}-{self.agency}{'-team' if self.team else ''}"


@dataclass
class World:
    """Everything that is there, and who sees it by the rule."""

    people: People
    subjects: list[Subject] = field(default_factory=list)
    above: dict[int, int | None] = field(default_factory=dict)
    """The parent of each place."""
    team: set[tuple[int, str]] = field(default_factory=set)
    """Posts of the teams of care, with the service."""

    def allowed(self, actor: Actor, service: str, place: int, agency: int) -> bool:
        """The rule: area or agency, as far as the role's scope goes; of care the team alone."""
        scope = ROLES[actor.role].scope
        where: int | None = place
        inside = False
        while where is not None and scope is Scope.AREA:
            inside = inside or where == actor.place
            where = self.above[where]
        owes = scope is not Scope.NONE and agency == actor.agency
        return (inside or owes) and (not services()[service].care or (actor.post, service) in self.team)

    def sees(self, actor: Actor, subject: Subject) -> bool:
        """Whether the actor sees the record."""
        return self.allowed(actor, subject.service.code, subject.place, subject.agency)

    def rows(self, actor: Actor) -> list[tuple[Any, ...]]:
        """Return what the actor sees of all that is there, as (service, number, open, lon), the laboratory's own records too."""
        every = owner_rows(
            "SELECT service, number, closed_at IS NULL, lon, place_id, agency_id FROM register WHERE service <> 'directory'"
        )
        return [row[:4] for row in every if self.allowed(actor, row[0], row[4], row[5])]

    def seen(self, actor: Actor) -> list[Subject]:
        """Return what the actor sees."""
        return [subject for subject in self.subjects if self.sees(actor, subject)]

    def hidden(self, actor: Actor) -> list[Subject]:
        """Return what the actor must not come to know of."""
        return [subject for subject in self.subjects if not self.sees(actor, subject)]

    def leaked(self, actor: Actor | None, body: bytes) -> dict[str, list[str]]:
        """Return what an answer gives away of hidden records, and of anybody's person, by record."""
        hidden = self.subjects if actor is None else self.hidden(actor)
        found = {s.number: [text for text in s.telling if text.encode() in body] for s in hidden}
        for subject in self.subjects:
            found.setdefault(subject.number, []).extend(t for t in subject.personal if t.encode() in body)
        return {number: texts for number, texts in found.items() if texts}


class TeamLab(Lab):
    """A laboratory of a service of care: whoever acts in it is named into the team first."""

    def post(self, role: Role, agency: int, place: int) -> Actor:
        """Return an actor of the team."""
        actor = super().post(role, agency, place)
        if role in STAFF:
            name_into_team(self.people, actor, self.service)
        return actor


def name_into_team(people: People, actor: Actor, service: Service) -> None:
    """Make the post one of the service's team, once."""
    held = CareMember._default_manager.using("owner").filter(post=actor.post, service=service.code, until=None)
    if not held.exists():
        care.name_member(people.admin, actor.post, service.code)


def looked_at() -> list[Service]:
    """Return the services of the world: all of them, and where the service of care is there, it beside one other."""
    every = list(services().values())
    return every if not CARING else [s for s in every if s.care] + [s for s in every if not s.care][:1]


def world(people: People, labs: dict[str, Lab], *, every: bool) -> World:
    """Make the records: of each service one near and one far, or with ``every`` one for each agency in each place."""
    made = World(people, above={p.pk: p.parent_id for p in Place._default_manager.using("owner").all()})
    far = Place._default_manager.using("owner").filter(parent=people.places["far"]).order_by("path").first()
    assert far is not None
    spots = {"near": people.places["township"], "far": far.pk}
    pairs = [(spot, agency) for spot in spots for agency in "ab"] if every else [("near", "a"), ("far", "b")]
    for service in looked_at():
        lab = (TeamLab if service.care else Lab)(service, people, labs)
        for spot, agency in pairs:
            made.subjects.append(_subject(lab, spots[spot], people.agencies[agency]))
    for one, other in zip(made.subjects, made.subjects[1:], strict=False):
        if one.service is other.service:  # near and far, tied to each other: the tie is for who sees both
            form = {"other": other.number, "note": ""}
            act(labs[one.service.code].watcher, one.service.code, "link", record=one.held.record, form=form)
    made.team = {(row[0], row[1]) for row in owner_rows("SELECT post_id, service FROM care_member")}
    tick()
    return made


def _subject(lab: Lab, place: int, agency: int) -> Subject:
    """Make a record there, owed by the agency where the procedure lets one choose, with a note, a file and a task."""
    service = lab.service
    creating = service.creating
    maker = next((role for role in creating.by if role in STAFF), creating.by[0])
    asked = service.form(creating).fields
    changed: dict[str, Any] = {"place": place} if "place" in asked else {}
    if "agency" in asked:
        changed["agency"] = agency
    held = lab.make(
        lab.post(maker, agency, lab.people.places["city"]) if maker in STAFF else lab.actor(maker), **changed
    )
    give = next(
        (a for a in service.procedure if a.gives is Gives.CHOSEN and a.leaves(held.stage) and not a.anywhere), None
    )
    if give and held.agency != agency:
        lab.do(held, give, agency=agency, **({"place": place} if "place" in service.form(give).fields else {}))
    words = {f"note{word()}", f"task{word()}"}
    note, task = sorted(words)
    lab.do(held, service.action("note"), lab.watcher, note=note)
    lab.do(held, service.action("task"), lab.watcher, task=task)
    inside, named = word(), word()
    attach = service.action("attach")
    lab.act(held, attach, lab.watcher, {"note": ""}, files=[Upload(f"{named}.txt", f"文件 {inside}".encode())])
    with acting(lab.watcher):
        file = Attachment.objects.get(record=held.record)
        party = Party.objects.filter(record=held.record).values_list("pk", flat=True).first()
    [[where, owes, title]] = owner_rows("SELECT place_id, agency_id, title FROM register WHERE id = %s", held.record)
    bound = service.form(creating)
    people = {f"{role}_{name}" for role, person in bound.persons.items() for name in person.fields}
    said = held.forms[creating.code]
    private = {
        w
        for name in people & said.keys()
        for w in (*_WORD.findall(str(said[name])), *_PERSONAL.findall(str(said[name])))
    }
    open_words = {w for form in held.forms.values() for name, text in form.items() if name not in people
                  for w in _WORD.findall(str(text))}  # fmt: skip
    telling = {held.number, str(held.record), held.record.hex, str(file.pk), file.address, inside, named, *open_words}
    if party:
        telling.add(str(party))
    return Subject(
        service, lab.refresh(held), where, owes, party, file.pk, file.address, frozenset(telling), frozenset(private),
        title, inside, next((str(said[name]) for name in sorted(people & said.keys()) if name.endswith("_phone")), ""),
    )  # fmt: skip


PLACES = ("city", "county", "far", "township")
AGENCIES = ("a", "b", "dispatch")
Kind = tuple[str, str, str, bool]


def kinds() -> list[Kind]:
    """Return every kind of post: role, place, agency, and of the team or not where a service of care is there."""
    teams = (False, True) if CARING else (False,)
    return [
        (role.code, place, agency, team) for role in STAFF for place in PLACES for agency in AGENCIES for team in teams
    ]


def some() -> list[Kind]:
    """Return a few: one of each role, of every place and every agency; with the service of care half the roles, both ways."""
    teams = (False, True) if CARING else (False,)
    made = []
    for number, role in enumerate(STAFF):
        if CARING and number % 2 == 0:
            continue
        place, agency = PLACES[number % len(PLACES)], AGENCIES[(number // 2) % len(AGENCIES)]
        made += [(role.code, place, agency, team) for team in teams]
    return made


def viewer(made: World, kind: Kind) -> Viewer:
    """Return the post of this kind, made where there is none."""
    role, place, agency, team = kind
    login = f"v-{'-'.join(map(str, kind))}"
    account, _ = Account._default_manager.using("owner").get_or_create(login=login, defaults={"name": login})
    post, _ = Post._default_manager.using("owner").get_or_create(
        account=account, agency=Agency._default_manager.using("owner").get(pk=made.people.agencies[agency]), role=role,
        place_id=made.people.places[place], defaults={"since": timezone.localdate() - timedelta(days=1)},
    )  # fmt: skip
    actor = actor_of(post.pk)
    if team:
        for service in care.care_services():
            name_into_team(made.people, actor, service)
            made.team.add((actor.post, service.code))
    return Viewer(ROLES[role], place, agency, team, actor)
