"""Contradictions in a declaration that each part of it hides: what nobody can do, reach, fill, find or tell apart."""

import re
from collections import Counter
from collections.abc import Iterator

from django.core.checks import CheckMessage, Error

from gongzhi.kernel.forms import OWN_FIELDS, BoundForm
from gongzhi.kernel.procedure import SAME, Action, Clock, Stage
from gongzhi.kernel.roles import Scope
from gongzhi.kernel.service import Service, services

_NUMBER = re.compile(r"[A-Za-z一-鿿]{1,6}\{year\}\{serial:06\}")
"""What the search takes for a number, and what the generated functions make."""


def contradictions(service: Service) -> Iterator[CheckMessage]:
    """Yield them; every form of the service must be one that can be bound."""
    yield from _stages(service)
    for action in service.procedure:
        yield from _deed(service, action)
    yield from _facts(service)
    yield from _number(service)
    yield from _parts(service)
    yield from _care(service)


def _stages(service: Service) -> Iterator[CheckMessage]:
    held: dict[str, Stage] = {}
    for action in service.procedure:
        for stage in (*action.sources, action.target):
            if stage is not SAME and held.setdefault(stage.code, stage) != stage:
                yield Error(
                    f"{service.code}: two stages have the code {stage.code!r}.",
                    hint="Declare a stage once, at module level, and name it in the actions.",
                    id="gongzhi.E013",
                )
    reached: set[str] = set()
    fresh = {service.creating.target.code}
    while fresh:
        reached |= fresh
        fresh = {
            a.target.code for a in service.procedure for code in reached if a.target is not SAME and a.leaves(code)
        }
        fresh -= reached
    for code in held.keys() - reached:
        yield Error(
            f"{service.code}: no way leads from {service.creating.code!r} to the stage {code!r}.",
            hint="Add the action that leads there from a stage that is reached.",
            id="gongzhi.E014",
        )


def _deed(service: Service, action: Action) -> Iterator[CheckMessage]:
    name = f"{service.code}.{action.code}"
    blind = [role for role in action.by if role.scope is Scope.NONE]
    if not action.by:
        yield Error(f"{name}: nobody may do it.", hint="Name at least one role in by.", id="gongzhi.E015")
    if not action.creates and bool(blind) != action.resident:
        yield Error(
            f"{name}: a role that sees nothing by itself acts with a follow-up code, and only such a role does.",
            hint="Give resident=True together with PORTAL in by, or neither.",
            id="gongzhi.E016",
        )
    if action.within and (action.creates or action.anywhere):
        yield Error(
            f"{name}: its deadline never begins, because it answers no stage.",
            hint="A deadline belongs to the action that leaves a stage; what makes a record owes nothing before.",
            id="gongzhi.E017",
        )
    guard = action.guard
    moved = {
        column for other in service.procedure
        for column in (*other.counts, *(other.form.writes if not other.creates else ()))
    }  # fmt: skip
    if guard and not guard.holds(0) and guard.column not in moved:
        yield Error(
            f"{name}: its guard never holds, because nothing raises or writes {guard.column!r}.",
            hint="Let an action name the column in counts, or write it by its form.",
            id="gongzhi.E018",
        )
    if action.clock is Clock.EXTEND and "asked_days" not in service.facts:
        yield Error(
            f"{name}: a deadline is extended by the column 'asked_days', which the service does not have.",
            hint="Declare asked_days = Whole(…, default=0, blank=True), and an action that writes it.",
            id="gongzhi.E019",
        )


def _facts(service: Service) -> Iterator[CheckMessage]:
    written = {name for action in service.procedure for name in (*action.form.writes, *action.counts)}
    for name in service.facts.keys() - written:
        yield Error(
            f"{service.code}: nothing ever fills the column {name!r}.",
            hint="Name it in the writes of a form, or in the counts of an action, or drop it.",
            id="gongzhi.E020",
        )
    for name in service.filters:
        if name in service.facts and service.facts[name].words:
            yield Error(
                f"{service.code}: filters names {name!r}, which is free text.",
                hint="Words are found by the list's own search; filter by codes, numbers, days, amounts and yes or no.",
                id="gongzhi.E026",
            )
    titles = Counter(str(fact.verbose_name).strip() for fact in service.facts.values())
    own = {str(make(False).label) for make in OWN_FIELDS.values()}
    for title, count in titles.items():
        if count > 1 or title in own or not title:
            yield Error(
                f"{service.code}: the title {title!r} does not tell a column from the others.",
                hint="Titles head the columns of lists, exports and imports: give each fact one of its own.",
                id="gongzhi.E021",
            )
    searched = any(fact.search for fact in service.facts.values())
    titled = service.title_from or "title" in BoundForm(service, service.creating.form).own
    if not searched and not titled:
        yield Error(
            f"{service.code}: no word finds its records, and all have the same title.",
            hint="Name a text in title_from, ask for a title, or give a text search=True.",
            id="gongzhi.E022",
        )


def _number(service: Service) -> Iterator[CheckMessage]:
    prefix = service.number.partition("{")[0]
    twin = next(
        (o.code for o in services().values() if o.code != service.code and o.number.startswith(f"{prefix}{{")), ""
    )
    if not _NUMBER.fullmatch(service.number) or twin:
        yield Error(
            f"{service.code}: the numbers {service.number!r} are "
            + (f"those of {twin!r} too." if twin else "none that the search would know."),
            hint="One to six letters of its own, then {year}{serial:06}: numbers are unique in the whole city.",
            id="gongzhi.E023",
        )


def _parts(service: Service) -> Iterator[CheckMessage]:
    if service.part_of and (service.part_of not in services() or service.part_of == service.code):
        yield Error(
            f"{service.code}: part_of names {service.part_of!r}, which is no other service.",
            hint=f"Services are: {', '.join(services())}.",
            id="gongzhi.E024",
        )
    for action in service.procedure:
        if action.settles and not any(other.part_of == service.code for other in services().values()):
            yield Error(
                f"{service.code}.{action.code}: it waits for parts, and nothing is a part of the service.",
                hint="Drop settles=True, or give the service of the parts part_of.",
                id="gongzhi.E025",
            )


def _care(service: Service) -> Iterator[CheckMessage]:
    """Yield what would carry a record of care beyond its team: plates, titles in mails, parts or wholes of another kind."""
    beside = [other for other in services().values() if service.code == other.part_of or other.code == service.part_of]
    if service.care and service.plate:
        yield Error(
            f"{service.code}: a service of care has a plate, which anybody may scan.",
            hint="Drop plate: records of care are for their team alone.",
            id="gongzhi.E031",
        )
    if service.care and not service.quiet:
        yield Error(
            f"{service.code}: a service of care lets its titles go out by mail and calendar.",
            hint="Declare quiet=True beside care=True.",
            id="gongzhi.E032",
        )
    for other in beside:
        if other.care != service.care:
            yield Error(
                f"{service.code}: it and {other.code!r} are parts of each other, and only one of them is of care.",
                hint="Declare care=True on both, or on neither.",
                id="gongzhi.E033",
            )
