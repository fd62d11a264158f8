"""Which actions an actor may take on a record now. The database decides; this only keeps useless buttons off a page."""

from datetime import datetime
from typing import Any

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import Action, Clock, Effect
from gongzhi.kernel.roles import ROLES, Scope


def possible(actor: Actor, record: Register, *, facts: Any = None) -> list[Action]:
    """Return the record's actions that fit the actor's role, the stage, the clock and the guards, in declared order.

    An agency's own steps are offered to that agency only: a handler who sees another agency's record by place may not
    answer for it. Call it inside ``acting()``; ``facts`` saves a query where the page has them already.
    """
    facts = facts or record.facts
    return [action for action in record.service.procedure if _fits(action, actor, record, facts)]


def _fits(action: Action, actor: Actor, record: Register, facts: Any) -> bool:
    return (
        not action.creates
        and not (action.effect is Effect.MORE and not record.service.extras)
        and any(role.code == actor.role for role in action.by)
        and action.leaves(record.stage_code)
        and not (ROLES[actor.role].scope is Scope.AGENCY and record.agency_id != actor.agency)
        and not (action.clock is Clock.PAUSE and record.paused_at)
        and not (action.clock is Clock.RESUME and not record.paused_at)
        and not (action.guard and not action.guard.holds(getattr(facts, action.guard.column)))
    )


def owed(record: Register) -> tuple[Action, datetime] | None:
    """Return the action that answers the running deadline, with that deadline; None where nothing is owed."""
    action = record.service.procedure.owed(record.stage_code)
    return (action, record.due_at) if action and record.due_at else None
