"""Narrowing: one language for lists, saved views, exports, bulk acts and the API.

A narrowing is a flat set of names and texts, as an address carries them:

=================================  ==========================================================================
``state``                          ``open``, ``late``, ``closed``
``stage``, ``agency``, a code      one value, or several separated by commas; a head of the city's categories
                                   means all that stand under it
``place``                          id of a place; what lies below it counts
``opened``, ``due``, ``closed``    a span of days: ``opened.from=2026-11-01&opened.to=2026-11-30``, both ends included
a number, amount or day            ``area.from=50&area.to=90``; without an end the span is open there
a yes or no                        ``yes``, ``no``
``q``                              words that the record must have
``order``                          ``opened``, ``due``, ``number``, ``title`` or a fact; ``-`` before it turns it round
=================================  ==========================================================================
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField, DecimalField, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.codes import below
from gongzhi.kernel.context import Actor
from gongzhi.kernel.fields import YES_NO, Code, Fact, Flag, Measure, Whole
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.search import find_keys
from gongzhi.kernel.service import Service
from gongzhi.tongue import later, listed

STATES: Mapping[str, str] = {"open": later("在办"), "late": later("已超期"), "closed": later("已结束")}
SPANS: Mapping[str, tuple[str, str]] = {
    "opened": ("opened_at", later("登记日期")), "due": ("due_at", later("期限")), "closed": ("closed_at", later("结束日期")),
}  # fmt: skip
ORDERS: Mapping[str, str] = {"opened": "opened_at", "due": "due_at", "number": "number", "title": "title"}
DEFAULT_ORDER = "-opened"
_MOST_FOUND = 5000  # records that words may find in one list
_LONGEST = 200


@dataclass
class Narrowing:
    """What a list is narrowed to: the texts that were understood, and what is wrong with the others, by name."""

    service: Service
    given: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    register: Q = field(default_factory=Q)
    facts: Q = field(default_factory=Q)
    order: str = DEFAULT_ORDER

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.given.keys() - {"order"})

    def records(self, base: "QuerySet[Register] | None" = None) -> "QuerySet[Register]":
        """Return the records, in order; call it and read it inside ``acting()``."""
        return self._ordered(self._found(base))

    def _found(self, base: "QuerySet[Register] | None") -> "QuerySet[Register]":
        found = (Register.objects.all() if base is None else base).filter(self.register, service_code=self.service.code)
        if self.facts:
            found = found.filter(pk__in=self.service.model._default_manager.filter(self.facts).values("pk"))
        return found

    @property
    def unindexed(self) -> bool:
        """Whether no index has the order, so that every record that fits is looked at: a fact, a title, deadlines of all."""
        name = self.order.removeprefix("-")
        return (
            name not in ORDERS or name == "title" or (name == "due" and self.given.get("state") not in ("open", "late"))
        )

    def newest(self, most: int, base: "QuerySet[Register] | None" = None) -> "QuerySet[Register]":
        """Return the newest ``most`` of the records, in order: for a page that must not wait until millions are ordered."""
        recent = self._found(base).order_by("-opened_at").values("pk")[:most]
        return self._ordered(Register.objects.filter(pk__in=recent))

    def _ordered(self, found: "QuerySet[Register]") -> "QuerySet[Register]":
        name, down = self.order.removeprefix("-"), self.order.startswith("-")
        if name in ORDERS:
            by = F(ORDERS[name])
            if name == "opened":  # as the index has it
                return found.order_by("-opened_at" if down else "opened_at", "-pk" if down else "pk")
            if name != "due":  # never empty; "nulls last" would keep the index from being read backwards
                return found.order_by(by.desc() if down else by.asc(), "-pk")
        else:
            rows = self.service.model._default_manager.filter(pk=OuterRef("pk"))
            rows = rows.annotate(value=compared(self.service, name))
            found = found.annotate(ordered_by=Subquery(rows.values("value")[:1]))
            by = F("ordered_by")
        return found.order_by(by.desc(nulls_last=True) if down else by.asc(nulls_last=True), "-pk")


def reach(actor: Actor, prefix: str = "") -> Q:
    """Return what the right of a post without an area comes to: as a condition, unlike in the row policy, it is read by an index.

    ``prefix`` leads to the register, e.g. ``record__``.
    """
    return Q(**{f"{prefix}agency": actor.own}) if actor.own is not None and not actor.low else Q()


def narrow(service: Service, actor: Actor, given: Mapping[str, str]) -> Narrowing:
    """Return the narrowing that the texts say; names that are none of the service's are faults. Call it inside ``acting()``."""
    made = Narrowing(service)
    made.register = reach(actor)
    for name, said in given.items():
        text = said.strip()[:_LONGEST]
        if not text:
            continue
        try:
            _one(made, actor, name, text)
        except (ValueError, ValidationError) as error:
            made.faults[name] = error.messages[0] if isinstance(error, ValidationError) else str(error)
        else:
            made.given[name] = text
    return made


def _one(made: Narrowing, actor: Actor, name: str, text: str) -> None:
    """Add one condition. Raises ValueError and ValidationError with a sentence."""
    head, _other, end = name.rpartition(".")
    if end in ("from", "to") and head:
        _span(made, head, end, text)
    elif name in _REGISTER:
        made.register &= _REGISTER[name](made.service, text)
    elif name == "q":
        made.register &= Q(pk__in=find_keys(actor, text, _MOST_FOUND, made.service.code))
    elif name == "order":
        made.order = _order(made.service, text)
    elif name in made.service.all_facts:
        made.facts &= _fact(made.service, name, text)
    else:
        raise ValueError(_("这项业务没有这个筛选条件。"))


def _state(_other: Service, text: str) -> Q:
    match text:
        case "open":
            return Q(closed_at=None)
        case "closed":
            return Q(closed_at__isnull=False)
        case "late":
            return Q(closed_at=None, paused_at=None, due_at__lt=timezone.now()) & ~Q(due_source="")
    raise ValueError(_("状态只能是：{known}。").format(known=listed(STATES)))


def _stage(service: Service, text: str) -> Q:
    codes = text.split(",")
    known = {stage.code for stage in service.procedure.stages}
    if set(codes) - known:
        raise ValueError(_("环节只能是：{known}。").format(known=listed(sorted(known))))
    asked = Q(stage_code__in=codes)
    # Said a second time, so that it is read from the indexes of what is open: who sees little would search through everything.
    return asked & Q(closed_at=None) if all(service.procedure.stage(code).open for code in codes) else asked


def _agency(_other: Service, text: str) -> Q:
    return Q(agency__in=[_key(part) for part in text.split(",")])


def _place(_other: Service, text: str) -> Q:
    place = Place.objects.filter(pk=_key(text)).first()
    if place is None:
        raise ValueError(_("没有这个地点。"))
    return Q(place_path__gte=place.path, place_path__lt=place.high)


def _key(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise ValueError(_("应为编号。"))
    return int(text)


_REGISTER: Mapping[str, Callable[[Service, str], Q]] = {
    "state": _state, "stage": _stage, "agency": _agency, "place": _place,
}  # fmt: skip


def _span(made: Narrowing, name: str, end: str, text: str) -> None:
    if name in SPANS:
        day = _day(text)
        column = SPANS[name][0]
        if end == "from":
            made.register &= Q(**{f"{column}__gte": _midnight(day)})
        else:
            made.register &= Q(**{f"{column}__lt": _midnight(day + timedelta(days=1))})
        return
    fact = made.service.all_facts.get(name)
    if fact is None or not fact.ranges:
        raise ValueError(_("这一项不能按范围筛选。"))
    lookup = GreaterThanOrEqual if end == "from" else LessThanOrEqual
    made.facts &= Q(lookup(compared(made.service, name), _value(made.service, name, text)))


def _fact(service: Service, name: str, text: str) -> Q:
    fact, key = service.all_facts[name], name if name in service.facts else f"more__{name}"
    if isinstance(fact, Flag):
        if text not in YES_NO:
            raise ValueError(_("只能是 yes 或 no。"))
        return Q(**{key: text == "yes"})
    if isinstance(fact, Code):
        codes = [code for part in text.split(",") for code in below(fact.source, part)]
        known = fact.titles()
        if any(code not in known for code in codes):
            raise ValueError(_("没有这个选项。"))
        return Q(**{f"{key}__in": codes})
    if fact.ranges:
        return Q(Exact(compared(service, name), _value(service, name, text)))
    raise ValueError(_("文字请用 q 查找。"))


def compared(service: Service, name: str) -> Any:
    """Return the expression by which the fact is compared and ordered: of the city's own a number is one, not its text."""
    if name in service.facts:
        return F(name)
    fact = service.extras[name]
    if isinstance(fact, Measure):
        return Cast(KeyTextTransform(name, "more"), DecimalField(max_digits=30, decimal_places=fact.places))
    if isinstance(fact, Whole):
        return Cast(KeyTextTransform(name, "more"), BigIntegerField())
    return KeyTextTransform(name, "more")


def _value(service: Service, name: str, text: str) -> Any:
    """Return the text as it is compared with the column. Raises ValidationError."""
    fact: Any = service.all_facts[name]
    value = fact.stored(fact.formfield(required=False).clean(text))
    return value.isoformat() if isinstance(value, date) and name in service.extras else value


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(_("日期应写成 2026-11-23。")) from None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _order(service: Service, text: str) -> str:
    name = text.removeprefix("-")
    if name not in ORDERS and not sortable(service.all_facts.get(name)):
        raise ValueError(_("不能按这一项排列。"))
    return text


def sortable(fact: Fact | None) -> bool:
    """Return whether a list can be ordered by the fact."""
    return fact is not None and not fact.words
