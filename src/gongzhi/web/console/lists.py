"""The list of a service, with the filters that its declaration names."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from gongzhi.kernel.context import Actor
from gongzhi.kernel.fields import Code, Fact
from gongzhi.kernel.models import Register
from gongzhi.kernel.search import find
from gongzhi.kernel.service import Service, services
from gongzhi.web.asked import Choices, agencies, code_choices
from gongzhi.web.paging import Paged
from gongzhi.web.who import chosen_place, in_place, may_create, page, reads

ORDERS = {"": ("-opened_at",), "due": ("due_at",), "old": ("opened_at",)}
ORDER_WORDS = {"": "最新的在前", "due": "最急的在前", "old": "最早的在前"}
STATES = {"": "全部", "open": "在办", "late": "已超期", "closed": "已结束"}


@dataclass
class Filter:
    """One filter above a list: a select with groups, and what is chosen."""

    name: str
    label: str
    groups: Choices
    value: str


def declared(code: str) -> Service:
    """Return the service; Http404 where there is none."""
    try:
        return services()[code]
    except KeyError:
        raise Http404 from None


def filters_of(service: Service, request: HttpRequest) -> list[Filter]:
    """Return the filters of a service's list: state, stage, agency, and its own codes."""
    chosen = request.GET
    made = [
        Filter("state", "状态", [("", list(STATES.items()))], chosen.get("state", "")),
        Filter("stage", "环节", [("", [(s.code, s.title) for s in service.procedure.stages])], chosen.get("stage", "")),
        Filter("agency", "责任单位", agencies(), chosen.get("agency", "")),
    ]
    for name in service.filters:
        fact = service.facts[name]
        if isinstance(fact, Code):
            made.append(Filter(name, str(fact.verbose_name), code_choices(fact), chosen.get(name, "")))
    made.append(Filter("order", "排列", [("", list(ORDER_WORDS.items()))], chosen.get("order", "")))
    return made


def apply(service: Service, filters: list[Filter], found: "QuerySet[Register]") -> "QuerySet[Register]":
    """Return the records that pass the filters; a value that is no choice is passed over."""
    facts = Q()
    for given in filters:
        known = {code for _, rows in given.groups for code, _ in rows}
        if not given.value or given.value not in known:
            given.value = ""
            continue
        match given.name:
            case "state":
                found = found.filter(_state(given.value))
            case "stage":
                found = found.filter(stage_code=given.value)
            case "agency":
                found = found.filter(agency=int(given.value))
            case "order":
                pass
            case name:
                facts &= Q(**{f"{name}__in": _with_below(service.facts[name], given.value)})
    if facts:
        found = found.filter(pk__in=service.model._default_manager.filter(facts).values("pk"))
    order = next((given.value for given in filters if given.name == "order"), "")
    return found.order_by(*ORDERS[order])


def _with_below(fact: Fact, value: str) -> list[str]:
    """Return the code, and those that stand under it where it heads a group."""
    for _, rows in code_choices(fact):
        if rows and rows[0][0] == value and len(rows) > 1 and isinstance(fact, Code) and fact.source:
            return [code for code, _ in rows]
    return [value]


def _state(value: str) -> Q:
    match value:
        case "open":
            return Q(closed_at=None)
        case "closed":
            return Q(closed_at__isnull=False)
        case _:
            return Q(closed_at=None, paused_at=None, due_at__lt=timezone.now()) & ~Q(due_source="")


@reads
def listing(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show the records of a service that the actor sees."""
    service = declared(code)
    filters = filters_of(service, request)
    base = Register.objects.filter(in_place(chosen_place(request, actor)), service_code=code)
    paged = Paged.of(request, apply(service, filters, base.select_related("agency", "place")))
    facts = service.model._default_manager.in_bulk([record.pk for record in paged.rows])
    return page(
        request, actor, "web/console/list.html", service=service, paged=paged, filters=filters,
        columns=[service.facts[name] for name in service.lists], facts=facts, active=f"s-{code}",
        filtered=any(given.value for given in filters if given.name != "order"), may_create=may_create(actor, service),
    )  # fmt: skip


@reads
def search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what is found by number or words, over everything the actor sees."""
    text = request.GET.get("q", "").strip()[:100]
    rows: list[Any] = find(actor, text, 50) if text else []
    return page(request, actor, "web/console/search.html", q=text, rows=rows, most=50)
