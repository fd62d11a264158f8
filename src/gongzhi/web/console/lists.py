"""The list of a service: narrowed, ordered and with the columns one wants, all of it in the address."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from gongzhi.kernel.context import Actor
from gongzhi.kernel.fields import YES_NO, Code, Day, Fact, Flag
from gongzhi.kernel.models import Register
from gongzhi.kernel.narrow import DEFAULT_ORDER, ORDERS, SPANS, STATES, Narrowing, narrow, reach, sortable
from gongzhi.kernel.search import find, numbered
from gongzhi.kernel.seeking import reasons
from gongzhi.kernel.service import Service, services
from gongzhi.web.asked import Choices, agencies, code_choices
from gongzhi.web.console.views import views_of
from gongzhi.web.paging import MOST, Paged
from gongzhi.web.who import chosen_place, in_place, may_create, page, reads

_OWN = ("page", "cols", "view")
"""Names in the address that do not narrow."""
_COUNTED = 10_000


@dataclass(frozen=True)
class Filter:
    """One filter above a list: a select with groups, or the two ends of a span (``kind`` select, date or number)."""

    name: str
    label: str
    kind: str
    groups: Choices
    value: str = ""
    least: str = ""
    most: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the list: ``turn`` is the order that its head sets when it is clicked, ``sorted`` how it stands now."""

    name: str
    label: str
    css: str = ""
    turn: str = ""
    sorted: str = ""
    fact: Fact | None = None


def declared(code: str) -> Service:
    """Return the service; Http404 where there is none."""
    try:
        return services()[code]
    except KeyError:
        raise Http404 from None


def given(data: QueryDict) -> dict[str, str]:
    """Return what the address says of narrowing; of a name that stands twice the values together."""
    return {
        name: ",".join(filter(None, data.getlist(name)))
        for name in data
        if name not in _OWN and not name.startswith("_")
    }


def filters_of(service: Service, said: Narrowing) -> list[Filter]:
    """Return the filters of a service's list: state, stage, agency, its facts, and the days."""
    value = said.given.get
    made = [_select("state", _("状态"), [("", list(STATES.items()))], said)] if service.timed else []
    made.append(_select("stage", _("环节"), [("", [(s.code, s.title) for s in service.procedure.stages])], said))
    if service.timed:
        made.append(_select("agency", _("责任单位"), agencies(), said))
    for fact in (*service.narrowing, *service.extras.values()):
        made += _of_fact(fact, said)
    for name, (_column, label) in SPANS.items():
        if name == "opened" or service.timed:
            made.append(Filter(name, label, "date", [], least=value(f"{name}.from", ""), most=value(f"{name}.to", "")))
    return made


def _select(name: str, label: str, groups: Choices, said: Narrowing) -> Filter:
    return Filter(name, label, "select", groups, said.given.get(name, ""))


def _of_fact(fact: Fact, said: Narrowing) -> Iterable[Filter]:
    label = str(fact.verbose_name)
    if isinstance(fact, Code):
        yield _select(fact.name, label, code_choices(fact), said)
    elif isinstance(fact, Flag):
        yield _select(fact.name, label, [("", list(YES_NO.items()))], said)
    elif fact.ranges:
        ends = (said.given.get(f"{fact.name}.{end}", "") for end in ("from", "to"))
        yield Filter(fact.name, label, "date" if isinstance(fact, Day) else "number", [], "", *ends)


def columns_of(service: Service, said: Narrowing, chosen: str) -> list[Column]:
    """Return the columns: the record's own, and the facts that the address names or the service declares."""
    known = service.all_facts
    facts = [known[name] for name in chosen.split(",") if name in known] if chosen else service.columns
    made = [Column("title", _("事项"), "what"), Column("stage", _("环节"))]
    if service.timed:
        made.append(Column("due", _("期限")))
    made += [Column(fact.name, str(fact.verbose_name), "c-fact", fact=fact) for fact in facts]
    made.append(Column("place", _("地点")))
    if service.timed:
        made.append(Column("agency", _("责任单位"), "c-agency"))
    made.append(Column("opened", _("登记"), "when"))
    return [_turned(column, said.order) for column in made]


def _turned(column: Column, order: str) -> Column:
    if column.name not in ORDERS and not sortable(column.fact):
        return column
    held = order.removeprefix("-") == column.name
    down = order.startswith("-")
    first = "-" if column.name == "opened" or (column.fact and column.fact.ranges) else ""
    turn = (column.name if down else f"-{column.name}") if held else f"{first}{column.name}"
    return Column(
        column.name,
        column.label,
        column.css,
        turn,
        ("descending" if down else "ascending") if held else "",
        column.fact,
    )


def stages_of(service: Service, base: Any) -> list[tuple[Any, int]]:
    """Return how many records stand in each open stage; nothing where there are too many to count at every look."""
    some = base.filter(service_code=service.code, closed_at=None).order_by()[:_COUNTED].values_list("stage_code")
    sql, given = some.query.sql_with_params()
    with connection.cursor() as cursor:  # the rights are tested once; through the ORM the records would be read again
        cursor.execute(f"SELECT s.stage, count(*) FROM ({sql}) AS s(stage) GROUP BY 1", given)
        counted = dict(cursor.fetchall())
    if sum(counted.values()) >= _COUNTED:
        return []
    return [(stage, counted[stage.code]) for stage in service.procedure.stages if counted.get(stage.code)]


@reads
def listing(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show the records of a service that the actor sees."""
    service = declared(code)
    said = narrow(service, actor, given(request.GET))
    base = Register.objects.filter(in_place(chosen_place(request, actor)) & reach(actor))
    records = said.newest(MOST, base) if said.unindexed else said.records(base)
    paged = Paged.of(request, records.select_related("agency", "place"))
    facts = {row.pk: row for row in service.model._default_manager.filter(pk__in=[r.pk for r in paged.rows])}
    chosen = request.GET.get("cols", "")
    columns = columns_of(service, said, chosen)
    here = urlencode({**said.given, **({"cols": chosen} if chosen else {})})
    without = urlencode(
        {name: text for name, text in said.given.items() if name != "order"} | ({"cols": chosen} if chosen else {})
    )
    shown = {column.name for column in columns}
    return page(
        request, actor, "web/console/list.html", service=service, paged=paged, said=said, columns=columns, here=here,
        without_order=f"{without}&" if without else "", filters=filters_of(service, said), active=f"s-{code}",
        table=[(record, service.values(facts[record.pk])) for record in paged.rows if record.pk in facts],
        may_create=may_create(actor, service) and not service.part_of, stages=stages_of(service, base),
        views=views_of(actor, service), cols=[(fact, fact.name in shown) for fact in service.all_facts.values()],
        bulk=bulk_actions(actor, service), default_order=DEFAULT_ORDER, faults=list(said.faults.values()),
        seeks=bool(reasons(service, actor)),
    )  # fmt: skip


def bulk_actions(actor: Actor, service: Service) -> list[Any]:
    """Return the actions that the actor's role may do to many records at once."""
    return [
        action for action in service.procedure
        if action.direct and not action.creates and any(role.code == actor.role for role in action.by)
        and not service.form(action).persons
    ]  # fmt: skip


@reads
def search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what is found by number or words, over everything the actor sees."""
    text = request.GET.get("q", "").strip()[:100]
    rows: list[Any] = find(actor, text, 50) if text else []
    seek = [service for service in services().values() if reasons(service, actor)]
    return page(
        request, actor, "web/console/search.html", q=text, rows=rows, most=50, seek=seek, numbered=numbered(text),
    )  # fmt: skip
