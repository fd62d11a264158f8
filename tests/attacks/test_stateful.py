"""Random people do random acts on random records, against a model of the rules in plain Python.

It knows who sees, who may, from which stage, with which version, under which key. In the end the ledger is sealed and the
register replayed from it.

The model is written by hand from what the service promises (``docs/glossary.md``, the procedure's own table is not asked), so
that a wrong table, a wrong generated function and a wrong row rule are all found.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from gongzhi.kernel.act import Absent, Conflict, Done, KeyReused, act
from gongzhi.kernel.context import acting, portal_actor
from gongzhi.kernel.models import Register
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from tests.kernel.people import People, people

OPERATOR, HANDLER, OTHER, MANAGER, CENTRE, FAR, GRID, ADMIN, RESIDENT, STRANGER = (
    "operator", "handler", "other", "manager", "centre", "far_centre", "grid", "admin", "resident", "stranger",
)  # fmt: skip
WHO = (OPERATOR, HANDLER, OTHER, MANAGER, CENTRE, FAR, GRID, ADMIN, RESIDENT, STRANGER)
CITY, COUNTY, ELSEWHERE, TOWNSHIP = "city", "county", "far", "township"
"""The township lies in the county; the other county is elsewhere."""
AREA = {
    OPERATOR: {CITY, COUNTY, ELSEWHERE, TOWNSHIP}, MANAGER: {CITY, COUNTY, ELSEWHERE, TOWNSHIP},
    ADMIN: {CITY, COUNTY, ELSEWHERE, TOWNSHIP}, CENTRE: {COUNTY, TOWNSHIP}, FAR: {ELSEWHERE}, GRID: {TOWNSHIP},
}  # fmt: skip
AGENCY = {
    OPERATOR: "dispatch",
    MANAGER: "dispatch",
    ADMIN: "dispatch",
    HANDLER: "a",
    OTHER: "b",
    CENTRE: "centre",
    GRID: "centre",
    FAR: "far",
}
HANDLERS, MANAGERS = {HANDLER, OTHER}, {MANAGER, CENTRE, FAR}
RESIDENTS = {RESIDENT}
REASON = {"reason": "说明原因"}


@dataclass
class Matter:
    """What the model knows of a record."""

    done: Done
    place: str
    stage: str = "filed"
    agency: str = "dispatch"
    version: int = 1
    refusals: int = 0
    asked: int = 0
    paused: bool = False
    reopened: int = 0


@dataclass(frozen=True)
class Edge:
    """An action: who, from where, to where (None: stays), when beside, and what it changes."""

    who: set[str]
    sources: set[str]
    target: str | None
    form: dict[str, Any] = field(default_factory=dict)
    when: Callable[[Matter], bool] = lambda _matter: True
    then: Callable[[Matter], None] = lambda _matter: None


def _moved(agency: str = "", **values: Any) -> Callable[[Matter], None]:
    def change(matter: Matter) -> None:
        matter.agency = agency or matter.agency
        for name, value in values.items():
            setattr(matter, name, value)

    return change


def _back(to: str) -> Callable[[Matter], None]:
    def change(matter: Matter) -> None:
        matter.refusals += 1
        matter.agency = (
            to
            if to == "dispatch" or matter.place in AREA[CENTRE]
            else {ELSEWHERE: "far", CITY: "dispatch"}[matter.place]
        )

    return change


def _again(matter: Matter) -> None:
    matter.reopened += 1


EDGES = {
    "assign": Edge({OPERATOR}, {"filed"}, "assigned", {"agency": "a", "category": "build"}, then=_moved("a")),
    "coordinate": Edge(
        {CENTRE, FAR}, {"coordinating"}, "assigned", {"agency": "b", "category": "build"}, then=_moved("b", refusals=0)
    ),
    "accept": Edge(HANDLERS, {"assigned"}, "working"),
    "answer": Edge(HANDLERS, {"working"}, "answered", {"answer": "已经办好"}, then=_moved(asked=0)),
    "refuse": Edge(HANDLERS, {"assigned"}, "filed", REASON, lambda m: m.refusals < 1, _back("dispatch")),
    "refuse_again": Edge(HANDLERS, {"assigned"}, "coordinating", REASON, lambda m: m.refusals >= 1, _back("centre")),
    "hand_on": Edge(HANDLERS, {"working"}, "assigned", {"agency": "b", **REASON}, then=_moved("b", asked=0)),
    "ask_time": Edge(HANDLERS, {"working"}, None, {"asked_days": 3, **REASON}, lambda m: m.asked == 0, _moved(asked=3)),
    "grant_time": Edge(MANAGERS, {"working"}, None, {}, lambda m: m.asked >= 1, _moved(asked=0)),
    "deny_time": Edge(MANAGERS, {"working"}, None, REASON, lambda m: m.asked >= 1, _moved(asked=0)),
    "pause": Edge(HANDLERS, {"working"}, None, REASON, lambda m: not m.paused, _moved(paused=True)),
    "resume": Edge({*HANDLERS, MANAGER}, {"working"}, None, {}, lambda m: m.paused, _moved(paused=False)),
    "rate": Edge(RESIDENTS, {"answered"}, "closed", {"rating": "4"}),
    "reopen": Edge({RESIDENT, OPERATOR, MANAGER}, {"answered", "closed"}, "working", REASON, then=_again),
    "close": Edge({OPERATOR}, {"answered"}, "closed"),
    "decline": Edge({OPERATOR}, {"filed"}, "invalid", REASON),
}
_serial = count()
_done: Counter[str] = Counter()


def _sees(who: str, matter: Matter) -> bool:
    return who == RESIDENT or matter.place in AREA.get(who, set()) or AGENCY.get(who) == matter.agency


class Office(RuleBasedStateMachine):
    """An office in which anybody tries anything."""

    crew: People
    matters = Bundle("matters")

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[tuple[str, str], tuple[str, Matter | None, Done]] = {}
        self.all: list[Matter] = []
        self.done: Counter[str] = Counter()
        self.run = next(_serial)

    def _actor(self, who: str) -> Any:
        return portal_actor() if who in (RESIDENT, STRANGER) else getattr(self.crew, who)

    @precondition(lambda self: len(self.all) < 4)
    @rule(
        target=matters,
        place=st.sampled_from([CITY, COUNTY, ELSEWHERE, TOWNSHIP]),
        who=st.sampled_from([STRANGER, OPERATOR]),
    )
    def file(self, place: str, who: str) -> Matter:
        """Anybody may bring a matter."""
        form = {"detail": f"路灯不亮 {next(_serial)}", "place": self.crew.places[place]}
        done = act(self._actor(who), "request", "file", form=form)
        matter = Matter(done, place)
        self.all.append(matter)
        return matter

    @rule(
        matter=matters, action=st.sampled_from(sorted(EDGES)), who=st.sampled_from(WHO),
        stale=st.sampled_from([False, False, False, True]), key=st.sampled_from(["", "", "k1", "k2"]),
    )  # fmt: skip
    def try_one(self, matter: Matter, action: str, who: str, stale: bool, key: str) -> None:
        """Anybody tries an action on any matter: it happens if, and only if, the model says so."""
        self._try(matter, action, who, stale=stale, key=key)

    @rule(
        matter=matters,
        picks=st.lists(st.integers(0, 99), min_size=1, max_size=4),
        key=st.sampled_from(["", "k1", "k3"]),
    )
    def go_on(self, matter: Matter, picks: list[int], key: str) -> None:
        """Those who may do what is possible, a few steps: chance alone would not come far."""
        for pick in picks:
            able = [
                (action, who)
                for action, edge in sorted(EDGES.items())
                for who in sorted(edge.who)
                if _sees(who, matter) and matter.stage in edge.sources and edge.when(matter)
            ]
            if able and pick % 2:  # what was done least
                able.sort(key=lambda found: self.done[found[0]])
                self._try(matter, *able[0], stale=False, key=key)
            elif able:
                self._try(matter, *able[pick // 2 % len(able)], stale=False, key=key)

    def _try(self, matter: Matter, action: str, who: str, *, stale: bool, key: str) -> None:
        edge, actor = EDGES[action], self._actor(who)
        form = {**edge.form, **({"agency": self.crew.agencies[edge.form["agency"]]} if "agency" in edge.form else {})}
        follow = {RESIDENT: matter.done.follow, STRANGER: "ABCD-EFGH-JKLM"}.get(who, "")
        version = matter.version + (1 if matter.version == 1 else -1) * stale
        post = "portal" if who in (RESIDENT, STRANGER) else who
        first = self.keys.get((post, key)) if key else None
        try:
            done = act(
                actor, "request", action, record=matter.done.record, version=version, form=form, follow=follow,
                key=f"{self.run}-{key}" if key else None,
            )  # fmt: skip
        except (Absent, Conflict, KeyReused) as refused:
            outcome: type[Any] = type(refused)
            done = None
        else:
            outcome = Done
        right = who in edge.who and _sees(who, matter)
        if first is not None and first[:2] == (action, matter):
            assert outcome is Done
            assert done == Done(first[2].record, first[2].number, first[2].version, first[2].stage, repeated=True)
            return
        if first is not None:
            assert outcome in ({KeyReused} if right else {KeyReused, Absent}), (who, action, matter)
            return
        possible = not stale and matter.stage in edge.sources and edge.when(matter)
        wanted = (Done if possible else Conflict) if right else Absent
        assert outcome is wanted, (who, action, matter, outcome)
        if done is None:
            return
        _done[action] += 1
        self.done[action] += 1
        matter.version += 1
        if edge.target:
            matter.stage = edge.target
            matter.paused = False
        edge.then(matter)
        assert (done.version, done.stage, done.repeated) == (matter.version, matter.stage, False)
        if key:
            self.keys[post, key] = (action, matter, done)

    @precondition(lambda self: self.all)
    @invariant()
    def the_register_is_the_models(self) -> None:
        """Every record stands as the model has it, and each of the people sees those, and only those, that the model says."""
        agencies = {pk: name for name, pk in self.crew.agencies.items()}
        last = self.all
        for who in (OPERATOR, HANDLER, OTHER, CENTRE, FAR, GRID):
            with acting(self._actor(who)):
                held = {row.pk: row for row in Register.objects.filter(pk__in=[matter.done.record for matter in last])}
                if who == OPERATOR:
                    facts = {pk: row.facts for pk, row in held.items()}
            assert set(held) == {matter.done.record for matter in last if _sees(who, matter)}, who
            if who != OPERATOR:
                continue
            for matter in last:
                row, fact = held[matter.done.record], facts[matter.done.record]
                assert (row.stage_code, row.version, agencies.get(row.agency_id, "far"), row.paused_at is not None) == (
                    matter.stage, matter.version, matter.agency, matter.paused,
                ), matter  # fmt: skip
                assert (fact.refusals, fact.asked_days, fact.reopened) == (
                    matter.refusals,
                    matter.asked,
                    matter.reopened,
                )


def _run(crew: People, examples: int, steps: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    Office.crew = crew
    run_state_machine_as_test(
        Office,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, phases=[Phase.generate],
            derandomize=examples < 100,  # the same at every landing; among the long tests, others each time
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def crew(database: str) -> People:
    """Posts of every role in this module's own database."""
    return people()


@pytest.mark.parametrize(
    ("examples", "steps"), [(15, 40), pytest.param(150, 60, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_whatever_people_try_only_what_the_rules_allow_happens(crew: People, examples: int, steps: int) -> None:
    _done.clear()
    _run(crew, examples, steps)
    assert len(_done) > len(EDGES) * 3 / 4  # they came far
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert report.findings == []
