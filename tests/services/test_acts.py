"""Every action of every service: done by everyone whom the table names and by nobody else, from every stage."""

from random import Random
from typing import Any
from uuid import uuid4

import pytest

from gongzhi.kernel.act import Absent, Conflict, Invalid, PartsOpen, act, execute
from gongzhi.kernel.compose import compose
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.draft import Draft
from gongzhi.kernel.generate import function
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.procedure import SAME, Action, Gives
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.roles import PORTAL, ROLES, Scope
from gongzhi.kernel.service import Service, service
from tests.services.lab import Held, Lab, owner_rows

pytestmark = pytest.mark.any_city


def entries(held: Held) -> int:
    return int(owner_rows("SELECT entries FROM register WHERE id = %s", held.record)[0][0])


def untouched(lab: Lab, held: Held, action: Action) -> dict[str, Any]:
    """Return every fact that the action has no business with."""
    named = {*lab.service.form(action).said, *action.counts, *action.clears}
    return {name: value for name, value in lab.service.values(lab.row(held)[1]).items() if name not in named}


def test_everyone_whom_the_table_names_may_do_it(service: Service, action: Action, lab: Lab) -> None:
    for role in action.by:
        if action.creates:
            held = lab.make(lab.actor(role))
            before, actor = 0, lab.actor(role)
        else:
            held = lab.ready(action)
            before, actor = entries(held), lab.actor(role, held)
            stage, version, key = held.stage, held.version, str(uuid4())
            form = lab.form(action, actor, held)
            before = entries(held)  # a task that is to be done had to be given first
            kept = untouched(lab, held, action)
            done = lab.act(held, action, actor, form, key=key)
            assert done.stage == (action.target.code or stage), role
            assert done.version == version + action.versioned
            again = lab.act(held, action, actor, form, key=key)
            assert (again.repeated, again.version, again.stage) == (True, done.version, done.stage)
            lab.refresh(held)
            held.forms[action.code] = form
            assert untouched(lab, held, action) == kept, role
        assert entries(held) == before + 1, role
        record, _ = lab.row(held)
        assert (record.closed_at is None) == record.stage.open
        owed = service.procedure.owed(record.stage_code)
        if action.target is not SAME:
            assert (record.due_at is not None) == bool(owed and owed.within)
        if action.gives is Gives.CHOSEN:
            assert record.agency_id == held.forms[action.code]["agency"]
        with acting(lab.watcher):
            last = Entry.objects.filter(record=record).latest("seq")
            assert (last.action, last.post_id) == (action.code, actor.post)
            line = timeline(record, lab.watcher)[0]
            assert (line.action, line.title) == (action.code, action.title)


def test_nobody_else_may_do_it_from_any_stage(service: Service, action: Action, lab: Lab) -> None:
    """The answer is the same sentence as for a record that is not there, and the database says so by itself."""
    others = [role for role in ROLES.values() if role not in action.by]
    if action.creates:
        allowed = lab.doer(action)
        form = lab.form(action, allowed)
        for role in others:
            _absent(service, action, lab.actor(role), None, form)
            _absent_in_the_database(service, action, allowed, lab.actor(role), None, form)
        return
    for stage in lab.stages:
        held = lab.standing(stage)
        form = lab.form(action, lab.doer(action, held), held)
        count = entries(held)
        for role in others:
            _absent(service, action, lab.actor(role, held), held, {"nonsense": "x"})
        for role in action.by:  # who does not reach the record
            _absent(service, action, lab.stranger(role), held, form)
        assert entries(held) == count
    held = lab.ready(action)
    allowed = lab.doer(action, held)
    form = lab.form(action, allowed, held)
    for role in others:
        _absent_in_the_database(service, action, allowed, lab.actor(role, held), held, form)
    for role in action.by:
        if role is not PORTAL:
            _absent_in_the_database(service, action, allowed, lab.stranger(role), held, form)


def _absent(service: Service, action: Action, actor: Actor, held: Held | None, form: dict[str, Any]) -> None:
    with pytest.raises(Absent) as refused:
        act(actor, service.code, action.code, record=held and held.record, version=held and held.version, form=form)
    assert str(refused.value) == ABSENT
    with pytest.raises(Absent) as unknown:
        act(actor, service.code, action.code, record=uuid4(), version=1, form=form)
    assert str(unknown.value) == str(refused.value)


def _absent_in_the_database(
    service: Service, action: Action, allowed: Actor, actor: Actor, held: Held | None, form: dict[str, Any]
) -> None:
    """Call the generated function as this actor, with everything composed as for one who may."""
    from django.utils import timezone

    draft = compose(
        Draft(allowed, service, action, held.record if held else None, held.version if held else None, None,
              held.follow if held and allowed.role == PORTAL.code else "", timezone.now(), None),
        form, (),
    )  # fmt: skip
    draft.arguments["post"] = actor.post
    if not action.creates:
        draft.arguments["follow"] = None
    made = function(service, action)
    answer = execute(made.call, [draft.arguments[name] for name, _ in made.parameters])
    assert answer[0] == "absent", (actor.role, answer)


def test_from_every_other_stage_it_is_a_conflict_that_says_who_was_first(
    service: Service, action: Action, lab: Lab
) -> None:
    if action.creates or action.anywhere:
        return
    for stage in lab.stages:
        if action.leaves(stage):
            continue
        held = lab.standing(stage)
        count = entries(held)
        actor = lab.doer(action, held)
        with pytest.raises((Conflict, PartsOpen)) as refused:
            lab.act(held, action, actor, lab.form(action, actor, held))
        assert str(service.procedure.stage(stage).title) in str(refused.value)
        assert entries(held) == count


def test_a_page_that_is_out_of_date_changes_nothing(service: Service, action: Action, lab: Lab) -> None:
    if action.creates or not action.versioned:
        return
    held = lab.ready(action)
    actor = lab.doer(action, held)
    form = lab.form(action, actor, held)
    count = entries(held)
    held.version += 1
    with pytest.raises(Conflict):
        lab.act(held, action, actor, form)
    assert entries(held) == count


def test_what_is_wrong_is_said_beside_the_field_and_nothing_happens(service: Service, action: Action, lab: Lab) -> None:
    held = None if action.creates else lab.ready(action)
    actor = lab.doer(action, held)
    right = lab.form(action, actor, held)
    count = len(owner_rows("SELECT 1 FROM entry"))
    for name, asked in service.form(action).fields.items():
        faults = ["\ud800半个字"]
        faults += [""] if asked.required else []
        longest = getattr(asked, "max_length", None)
        faults += ["长" * (longest + 1)] if longest else []
        fact = service.form(action).said.get(name)
        if fact is None or not fact.words:
            faults += [] if longest else ["不是这样的内容"]
        for fault in faults:
            with pytest.raises(Invalid) as refused:
                _try(service, action, actor, held, {**right, name: fault})
            assert name in refused.value.errors, (name, fault[:9], refused.value.errors)
    with pytest.raises(Invalid) as refused:
        _try(service, action, actor, held, {**right, "no_such_field": "x"})
    assert set(refused.value.errors) == {"no_such_field"}
    assert len(owner_rows("SELECT 1 FROM entry")) == count


def _try(service: Service, action: Action, actor: Actor, held: Held | None, form: dict[str, Any]) -> None:
    act(actor, service.code, action.code, record=held and held.record, version=held and held.version, form=form,
        follow=held.follow if held and actor.role == PORTAL.code else "")  # fmt: skip


def test_whatever_is_tried_in_whatever_order_the_table_decides(service: Service, lab: Lab) -> None:
    """A hundred random steps by random roles: each happens exactly where the procedure says so, and leads where it says."""
    dice = Random(service.code)
    actions = [action for action in service.procedure if not action.creates and not action.anywhere]
    held, state = lab.make(), next(iter(lab.walk.ways))
    for _ in range(100):
        near = [action for action in actions if action.leaves(held.stage)] if dice.random() < 0.8 else []
        action = dice.choice(near or actions)
        role = dice.choice(action.by if dice.random() < 0.8 else list(ROLES.values()))
        actor = lab.actor(role, held)
        reached = lab.walk.after(state, action) if role in action.by else None
        form = lab.form(action, lab.doer(action, held), held)
        try:
            done = lab.act(held, action, actor, form)
        except (Absent, Conflict):
            assert reached is None, (state, action.code, role)
        else:
            assert reached is not None, (state, action.code, role)
            assert done.stage == reached.stage
            state = reached
            lab.refresh(held)
        record, facts = lab.row(held)
        assert (record.stage_code, record.paused_at is not None) == (state.stage, state.paused)
        assert {name: min(getattr(facts, name), 3) for name, _ in state.columns} == dict(state.columns)
        if not record.stage.open and dice.random() < 0.5:
            held, state = lab.make(), next(iter(lab.walk.ways))


def test_a_whole_waits_for_its_parts(service: Service, lab: Lab, labs: dict[str, Lab], crew: Any) -> None:
    for action in service.procedure:
        if not action.settles:
            continue
        for part in service.parts:
            below = labs.get(part.code) or Lab(part, crew, labs)
            held = lab.ready(action)
            below.make(whole=held.number)
            with pytest.raises(PartsOpen):
                lab.do(held, action)


def test_words_and_numbers_find_it_for_those_who_see_it(service: Service, lab: Lab) -> None:
    from gongzhi.kernel.search import find

    seeks = {name for name, fact in service.facts.items() if fact.search}
    assert seeks or service.title_from, "nothing of the service can be found by words"
    for action in service.procedure:
        told = seeks & service.form(action).columns.keys()
        if action.edits or not told:
            continue
        held = lab.make() if action.creates else lab.ready(action)
        if not action.creates:
            lab.do(held, action)
        for name in told:
            said = held.forms[action.code][name]
            sought = said[said.index("zq") :] if "zq" in said else said
            with acting(lab.watcher):
                assert [found.pk for found in find(lab.watcher, sought)] == [held.record], name
                assert [found.pk for found in find(lab.watcher, held.number.lower())] == [held.record]
            for role in ROLES.values():
                stranger = lab.stranger(role)
                if role.scope is not Scope.NONE:
                    with acting(stranger):
                        assert find(stranger, sought) == [], role


def test_every_stage_is_reached_and_the_log_still_holds(service: Service, stage: str, lab: Lab) -> None:
    from hashlib import sha256

    held = lab.bring(lab.walk.to(stage))
    with acting(lab.watcher):
        record = Register.objects.get(pk=held.record)
        head = b""
        for entry in Entry.objects.filter(record=record).order_by("seq"):
            head = sha256(head + entry.body.encode()).digest()
            assert bytes(entry.hash) == head
        assert bytes(record.head) == head


def test_the_part_names_its_whole() -> None:
    assert service("finding").part_of == "inspection"  # the one service of parts that there is to try
