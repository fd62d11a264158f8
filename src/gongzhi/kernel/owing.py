"""What follows from an action: who owes the record, until when, and what is written beside it."""

from datetime import date, timedelta
from typing import cast
from uuid import UUID

import orjson
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel import workdays
from gongzhi.kernel.context import acting
from gongzhi.kernel.dates import day
from gongzhi.kernel.draft import Draft
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.procedure import CITY, SAME, Clock, Effect, Gives
from gongzhi.kernel.refusals import Invalid
from gongzhi.kernel.roles import CLOCK
from gongzhi.kernel.service import cared

MOST_HELD = 5 * 366
"""Days of the longest hold; a longer one is renewed, so that somebody looks at it again."""


def agency(draft: Draft) -> int | None:
    """Return the agency that the action gives the record to. Raises Invalid where the city has none of the kind."""
    match draft.action.gives:
        case Gives.CHOSEN:
            chosen: int = draft.values["agency"]
            return chosen
        case Gives.DISPATCH | Gives.CENTRE as kind:
            known = draft.memo.atlas
            path = known.places[draft.values["place"]][0] if draft.action.creates else draft.found.place_path
            agency = known.nearest(kind.value, path)
            if agency is None and kind is Gives.CENTRE:
                agency = known.nearest(Gives.DISPATCH.value, path)
            if agency is None:
                raise Invalid({"": [_("本市资料里没有可以接收的受理单位，请联系管理员。")]})
            return agency
        case Gives.FILER:
            with acting(draft.actor):
                filer = Register.objects.filter(pk=cast("UUID", draft.record)).values_list(
                    "filed_by__agency", flat=True
                )
                return int(filer.get())
        case Gives.BEFORE:
            return _before(draft)
        case _:
            return draft.actor.agency if draft.action.effect is Effect.TASK or draft.action.creates else None


def _before(draft: Draft) -> int:
    """Return the agency that owed the record when it last came to the action's target stage."""
    with acting(draft.actor):
        came = Entry.objects.filter(record=draft.record, stage_to=draft.action.target.code).order_by("-seq")
        for body in came.values_list("body", flat=True):
            agency = orjson.loads(body).get("agency")
            if agency is not None:
                return int(agency)
    return int(draft.found.agency)


def deadline(draft: Draft) -> None:
    """Work out the deadline that the action begins, moves, or ends. One that a history tells is the city's own rule."""
    action, at = draft.action, draft.at
    due, source = None, ""
    known = (action.target.code, at) if action.target is not SAME and draft.told is None else None
    if known in draft.memo.deadlines:
        due, amber, source = draft.memo.deadlines[known]
        draft.arguments.update(due=due, amber=amber, source=source)
        return
    if action.target is not SAME:
        owed = draft.service.procedure.owed(action.target.code)
        if owed and owed.within:
            due = draft.told.due if draft.told else workdays.due(at, owed.within.days)
            source = "" if CLOCK in owed.by or due is None else str(CITY if draft.told else owed.source)
    elif draft.found is not None and draft.found.due_at is not None:
        owed = draft.service.procedure.owed(draft.found.stage)
        source = str(owed.source) if owed else ""
        if action.clock is Clock.RESUME:
            due = workdays.shift(draft.found.due_at, draft.found.paused_at or at, at)
        elif action.clock is Clock.EXTEND:
            days = _asked(draft)
            due = (
                workdays.due(draft.found.due_at, days) if days else draft.found.due_at
            )  # none asked: the guard refuses
    amber = workdays.amber(at, due) if due and source else None
    if known:
        draft.memo.deadlines[known] = due, amber, source
    draft.arguments.update(due=due, amber=amber, source=source)


def _asked(draft: Draft) -> int:
    with acting(draft.actor):
        days = draft.service.model._default_manager.values_list("asked_days", flat=True).get(
            pk=cast("UUID", draft.record)
        )
    return int(days)


def effect(draft: Draft) -> None:
    """Work out what the action's effect writes. Raises Invalid."""
    values, arguments = draft.values, draft.arguments
    match draft.action.effect:
        case Effect.LINK:
            with acting(draft.actor):
                number = str(values["other"]).strip().upper()
                other = (
                    Register.objects.filter(number=number)
                    .exclude(pk=cast("UUID", draft.record))
                    .values_list("pk", "service_code")
                    .first()
                )
            if other and other[1] != draft.service.code and {other[1], draft.service.code} & set(cared()):
                raise Invalid({"other": [_("关怀业务的记录不与其他业务的记录关联。")]})
            if other is None:
                raise Invalid({"other": [_("没有这个编号的另一条记录，或您看不到它。请检查编号。")]})
            arguments["other"] = other[0]
        case Effect.TASK:
            arguments.update(
                task=uuid7(), task_title=values["task"], task_due=workdays.due(draft.at, values["task_days"])
            )
        case Effect.TASK_DONE:
            try:
                arguments["task"] = UUID(str(values["task_id"]))
            except ValueError:
                raise Invalid({"task_id": [_("没有这项任务。")]}) from None
        case Effect.HOLD:
            arguments["held_until"] = _held(values["held_until"])


def _held(until: date) -> date:
    """Return the last day of a hold. Raises Invalid: a hold ends, and not before it begins."""
    today = timezone.localdate()
    last = today + timedelta(days=MOST_HELD)
    if not today <= until <= last:
        raise Invalid(
            {"held_until": [_("应在今天到 {last} 之间；到时还要保留，可以再办一次。").format(last=day(last))]}
        )
    return until
