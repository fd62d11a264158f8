"""Which actions an actor may take on a record now. The database decides; this only keeps useless buttons off a page."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import Action, Clock, Effect
from gongzhi.kernel.roles import ROLES, Scope
from gongzhi.tongue import listed


def possible(actor: Actor, record: Register, *, facts: Any = None) -> list[Action]:
    """Return the record's actions that fit the actor's role, the stage, the clock and the guards, in declared order.

    An agency's own steps are offered to that agency only: a handler who sees another agency's record by place may not
    answer for it. Call it inside ``acting()``; ``facts`` saves a query where the page has them already.
    """
    facts = facts or record.facts
    return [action for action in record.service.procedure if not why_not(action, actor, record, facts)]


def why_not(action: Action, actor: Actor, record: Register, facts: Any) -> str:
    """Return why the actor may not take the action on the record now, in a sentence; "" where it fits.

    That the actor sees the record is the row policy's to say, and is not asked again here.
    """
    if action.creates:
        return _("这一步用来登记新的事项。")
    if record.erased:
        return _("内容已经销毁。")
    if action.effect is Effect.MORE and not record.service.extras:
        return _("本市没有给这项业务加自己的栏目。")
    if all(role.code != actor.role for role in action.by):
        return _("只有{roles}可以做。").format(roles=listed(role.title for role in action.by))
    if not action.leaves(record.stage_code):
        stages = listed(stage.title for stage in action.sources)
        return _("现在是“{stage}”，在“{stages}”时才可以做。").format(stage=record.stage.title, stages=stages)
    if ROLES[actor.role].scope is Scope.AGENCY and record.agency_id != actor.agency:
        return _("现在由{agency}负责，要由负责的单位做。").format(agency=record.agency.short)
    if action.clock is Clock.PAUSE and record.paused_at:
        return _("计时已经暂停。")
    if action.clock is Clock.RESUME and not record.paused_at:
        return _("计时没有暂停。")
    if action.effect is Effect.RELEASE and record.held_until is None:
        return _("没有暂缓销毁。")
    if action.guard and not action.guard.holds(getattr(facts, action.guard.column)):
        fact = record.service.facts.get(action.guard.column)
        return _("条件不满足：{what}。").format(what=fact.verbose_name if fact else action.guard.column)
    return ""


def owed(record: Register) -> tuple[Action, datetime] | None:
    """Return the action that answers the running deadline, with that deadline; None where nothing is owed."""
    action = record.service.procedure.owed(record.stage_code)
    return (action, record.due_at) if action and record.due_at else None
