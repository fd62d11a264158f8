"""Checks of the declarations: an incomplete or contradictory service stops the start-up with an id and a hint."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from gongzhi.kernel.contradictions import contradictions
from gongzhi.kernel.fields import Whole
from gongzhi.kernel.forms import OWN_FIELDS, BoundForm
from gongzhi.kernel.procedure import Action, Effect, Gives
from gongzhi.kernel.purposes import LOOKING, MOST_SEALED, TOLD
from gongzhi.kernel.service import Service, services


@register("gongzhi")
def check_services(app_configs: Any, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 (Django gives it)
    """Check every declared service."""
    return [message for service in services().values() for message in check_service(service)]


def check_service(service: Service) -> Iterator[CheckMessage]:
    """Yield what is wrong with one declaration."""
    whole = [*_actions(service)]
    yield from whole
    if not whole:  # the rest asks for what these say is missing
        yield from contradictions(service)
    columns = set(service.facts)
    for what in ("lists", "filters", "public", "plate"):
        for name in getattr(service, what):
            if name not in columns:
                yield Error(
                    f"{service.code}: {what} names {name!r}, which is no column.",
                    hint=f"Columns are: {', '.join(sorted(columns))}.",
                    id="gongzhi.E007",
                )
    if service.title_from and service.title_from not in columns:
        yield Error(
            f"{service.code}: title_from names {service.title_from!r}, which is no column.",
            hint="Name a text column of the service, or leave it empty and ask for a title in the form.",
            id="gongzhi.E008",
        )
    if not service.reasons:
        yield Error(
            f"{service.code}: no purpose of a look is declared.",
            hint="Add purposes=(Purpose(code, title, basis), …): persons, and numbers in texts, are shown for one only.",
            id="gongzhi.E009",
        )
    yield from _purposes(service)
    forms = [form for action in service.procedure if (form := _form(service, action))]
    asked = any("mail" in person.fields for form in forms for person in form.persons.values())
    if asked and not any(action.outcome for action in service.procedure):
        yield Error(
            f"{service.code}: a form asks for an e-mail address, but no action is an outcome to tell.",
            hint='Give the actions that answer or end the matter outcome=True, or leave "mail" out of the person\'s fields.',
            id="gongzhi.E027",
        )


def _purposes(service: Service) -> Iterator[CheckMessage]:
    for code, count in Counter(purpose.code for purpose in service.purposes).items():
        if count > 1 or code == TOLD or not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", code):
            yield Error(
                f"{service.code}: the purpose {code!r} is declared twice, or its code cannot be kept.",
                hint="Give each purpose a code of its own, of small letters; 'told' is the clock's.",
                id="gongzhi.E028",
            )
    for purpose in service.purposes:
        if not set(purpose.by) <= set(LOOKING):
            yield Error(
                f"{service.code}: the purpose {purpose.code!r} is for a role that looks at nobody's fields.",
                hint=f"Roles are: {', '.join(role.code for role in LOOKING)}.",
                id="gongzhi.E029",
            )
        if not 0 <= purpose.sealed <= MOST_SEALED or (purpose.sealed and not purpose.by):
            yield Error(
                f"{service.code}: of the purpose {purpose.code!r} a person would never hear, or anyone could choose it.",
                hint=f"A sealed purpose ends after at most {MOST_SEALED} days, and names in by= who may choose it.",
                id="gongzhi.E030",
            )


def _actions(service: Service) -> Iterator[CheckMessage]:
    actions = service.procedure.actions
    for code, count in Counter(action.code for action in actions).items():
        if count > 1:
            yield Error(
                f"{service.code}: the action {code!r} is declared {count} times.",
                hint="Give each action a code of its own; note, attach, link, task, task_done and escalate are taken.",
                id="gongzhi.E001",
            )
    if sum(action.creates for action in actions) != 1:
        yield Error(
            f"{service.code}: exactly one action must make the record.",
            hint="Give one action NEW as its sources, and no other.",
            id="gongzhi.E002",
        )
        return
    reached = {action.target.code for action in actions}
    for stage in service.procedure.stages:
        if stage.code not in reached:
            yield Error(
                f"{service.code}: no action leads to the stage {stage.code!r}.",
                hint="Add the action, or drop the stage from the sources.",
                id="gongzhi.E003",
            )
        if stage.open and not any(a.leaves(stage.code) and not a.anywhere for a in actions):
            yield Error(
                f"{service.code}: the open stage {stage.code!r} has no way out.",
                hint="Add an action that leaves it, or declare the stage with open=False.",
                id="gongzhi.E004",
            )
    for action in actions:
        yield from _action(service, action)


def _form(service: Service, action: Action) -> BoundForm | None:
    """Return the action's form, None where it writes a column that the service does not have."""
    try:
        return BoundForm(service, action.form)
    except KeyError:
        return None


def _action(service: Service, action: Action) -> Iterator[CheckMessage]:
    columns = service.facts
    form = _form(service, action)
    if form is None:
        yield Error(
            f"{service.code}.{action.code}: its form writes a column that the service does not have.",
            hint=f"Columns are: {', '.join([*columns, *OWN_FIELDS])}.",
            id="gongzhi.E005",
        )
        return
    needed = list(action.counts) + ([action.guard.column] if action.guard else [])
    for name in needed:
        if not isinstance(columns.get(name), Whole):
            yield Error(
                f"{service.code}.{action.code}: counts and guard need a Whole column, {name!r} is none.",
                hint="Declare the column as Whole(…, default=0, blank=True).",
                id="gongzhi.E006",
            )
    for name in action.clears:
        if name not in columns:
            yield Error(
                f"{service.code}.{action.code}: clears names {name!r}, which is no column.",
                hint=f"Columns are: {', '.join(columns)}.",
                id="gongzhi.E012",
            )
    if action.gives is Gives.CHOSEN and "agency" not in form.form.required:
        yield Error(
            f"{service.code}.{action.code}: the agency is chosen, but its form does not insist on one.",
            hint='Add "agency" to the form\'s writes and required.',
            id="gongzhi.E010",
        )
    for effect, name in ((Effect.LINK, "other"), (Effect.TASK, "task"), (Effect.TASK_DONE, "task_id")):
        if action.effect is effect and name not in form.extras:
            yield Error(
                f"{service.code}.{action.code}: the effect {effect.value!r} needs the form field {name!r}.",
                hint="See gongzhi.kernel.universal for the forms of these effects.",
                id="gongzhi.E011",
            )
