"""A form as a page shows it: made of the declaration, filled with what was typed, with what is wrong beside each field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from gongzhi.channels.results import tells
from gongzhi.kernel.directory import KINDS
from gongzhi.kernel.fields import Code, Fact, FlagChoice, MoneyField
from gongzhi.kernel.forms import WHOLE, AgencyField, BoundForm, MailField, PlaceField, PointField
from gongzhi.kernel.models import Agency, Place
from gongzhi.kernel.models.places import city, level_title
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.places import WIDTH
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Upload

Choices = list[tuple[str, list[tuple[str, str]]]]
"""Options by group; the group "" stands alone."""

RADIOS = 6


class Input(NamedTuple):
    """What a browser is told of a one-line field: its type, its looks, which keys a phone shows, what may be filled in."""

    type: str = "text"
    css: str = ""
    keys: str = ""
    fills: str = "off"
    letters: bool = False
    """Whether every letter counts as it was typed: no capitals and no spelling by the phone."""
    secret: bool = False
    """Whether what was typed is not written back into the page."""


_INPUTS = {
    "text": Input(),
    "tel": Input("tel"),
    "mail": Input(keys="email", letters=True),
    "number": Input("number", " short", fills=""),
    "money": Input(css=" short", keys="decimal", fills=""),
    "date": Input("date", " short", fills=""),
    "password": Input("password", fills="new-password", secret=True),
    "secret": Input("password", fills="current-password", secret=True),
    "code": Input(css=" short mono", keys="numeric", fills="one-time-code", secret=True),
}


@dataclass
class Asked:
    """One question of a form."""

    name: str
    label: str
    kind: str
    required: bool
    value: str = ""
    errors: list[str] = field(default_factory=list)
    hint: str = ""
    longest: int | None = None
    least: int | None = None
    most: int | None = None
    groups: Choices = field(default_factory=list)
    finer: list[tuple[str, str]] = field(default_factory=list)
    """For a place: what lies below the chosen one."""
    step: str = "1"
    unit: str = ""
    chosen: str = ""
    """For a place: the one of the list that holds the value."""

    @property
    def input(self) -> "Input":
        """How the one-line field of this kind is written."""
        return _INPUTS.get(self.kind, _INPUTS["text"])

    @property
    def described_by(self) -> str:
        """The ids of the hint and the error, for aria-describedby."""
        ids = [f"hint-{self.name}"] if self.hint else []
        return " ".join([*ids, f"error-{self.name}"] if self.errors else ids)


@dataclass
class Group:
    """Questions that belong together: one screen on a phone."""

    title: str
    asked: list[Asked]


def ask(
    service: Service, action: Action, values: Mapping[str, Any], errors: Mapping[str, Iterable[str]], *,
    hidden: Iterable[str] = (), without: Iterable[str] = (),
) -> list[Asked]:  # fmt: skip
    """Return the questions of an action's form, in the declared order."""
    bound = service.form(action)
    made = []
    for name, asked_field in bound.fields.items():
        if name in without or (isinstance(asked_field, MailField) and not tells()):
            continue  # an address that nothing would be sent to is not asked for
        value = values.get(name)
        text = _text(value)
        kind = "hidden" if name in hidden else _kind(asked_field, name)
        question = Asked(
            name, str(asked_field.label or name), kind, asked_field.required, text, list(errors.get(name, ())),
            str(asked_field.help_text or ""),
            longest=getattr(asked_field, "max_length", None),
            least=getattr(asked_field, "min_value", None), most=getattr(asked_field, "max_value", None),
        )  # fmt: skip
        if isinstance(asked_field, forms.DecimalField):
            question.step = str(10 ** -(asked_field.decimal_places or 0)) if asked_field.decimal_places else "1"
        question.unit = getattr(bound.said.get(name), "unit", "")
        _fill(question, bound, asked_field)
        made.append(question)
    return made


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return ",".join(str(part) for part in value)
        case _:
            return str(value)


def _kind(asked_field: forms.Field, name: str) -> str:
    match asked_field:
        case forms.Field(widget=forms.HiddenInput()):
            return "hidden"
        case PlaceField() | AgencyField() | PointField() | MailField():
            return asked_field.kind
        case forms.ChoiceField() | FlagChoice():
            return "select"
        case forms.DecimalField() | forms.IntegerField():  # a decimal is an integer field to Django
            return "number"
        case forms.DateField():
            return "date"
        case MoneyField():
            return "money"
    if isinstance(asked_field.widget, forms.Textarea):
        return "textarea"
    return "tel" if name.endswith("_phone") else "text"


def _fill(question: Asked, bound: BoundForm, asked_field: Any) -> None:
    match question.kind:
        case "place":
            question.groups = places_to_choose()
            choose_place(question)
        case "agency":
            question.groups = agencies()
        case "select":
            fact = bound.said.get(question.name)
            question.groups = code_choices(fact) if isinstance(fact, Code) else [("", list(asked_field.choices))]
            if len(question.groups) == 1 and len(question.groups[0][1]) <= RADIOS:
                question.kind = "radio"
                if question.value and not question.required:  # what was chosen can be taken back
                    question.groups = [("", [*question.groups[0][1], ("", _("不填"))])]


def choose_place(question: Asked) -> None:
    """Say which place of the list holds the question's value, and what may be chosen below it."""
    if not question.value.isdigit():
        return
    here = Place.objects.filter(pk=int(question.value)).first()
    if here is None:
        return
    depth = city().order[city().chosen] + 1
    top = Place.objects.filter(path=here.path[: depth * WIDTH]).first() or here
    question.chosen = str(top.pk)
    question.finer = below(top)


def places_to_choose() -> Choices:
    """Return the places of one list, down to the level that the city has for it, grouped by what lies above them."""
    here = city()
    shown = here.levels[: here.order[here.chosen] + 1]
    rows = Place.objects.filter(level__in=[level.code for level in shown], ended_on=None).values_list(
        "pk", "level", "name"
    )
    groups: Choices = []
    for pk, level, name in rows:
        if level == here.chosen and groups:
            groups[-1][1].append((str(pk), name))
        else:
            whole = (
                _("全市")
                if level == here.top
                else _("{name}（不清楚{level_title}）").format(name=name, level_title=level_title(here.below(level)))
            )
            groups.append((name, [(str(pk), whole)]))
    return groups


def below(place: Place) -> list[tuple[str, str]]:
    """Return the places below one of the list's last level, the deeper ones set in; none for a coarser one."""
    order, depth = city().order, city().order[city().chosen]
    if order.get(place.level) != depth:
        return []
    rows = Place.objects.filter(path__gt=place.path, path__lt=place.high, ended_on=None).values_list(
        "pk", "level", "name"
    )
    return [(str(pk), "　" * (order[level] - depth - 1) + name) for pk, level, name in rows]


def agencies() -> Choices:
    """Return the agencies of today, grouped by kind."""
    groups: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for agency in Agency.objects.filter(ended_on=None):
        groups.setdefault(agency.kind, []).append((str(agency.pk), agency.title))
    return [(KINDS.get(kind, kind), rows) for kind, rows in groups.items() if rows]


def code_choices(fact: Fact) -> Choices:
    """Return the options of a code; those of the city's tree of categories under their parents."""
    assert isinstance(fact, Code)  # noqa: S101  (for the type checker; the caller has just asked)
    if fact.source != "category":
        return [("", list(fact.titles().items()))]
    taxonomy = load_pack(settings.CITY).taxonomy
    parents = {row.code: row.title for row in taxonomy if row.parent is None}
    groups: dict[str, list[tuple[str, str]]] = {
        code: [(code, _("{title}(其他)").format(title=title))] for code, title in parents.items()
    }
    for row in taxonomy:
        if row.parent is not None:
            groups.setdefault(row.parent, []).append((row.code, row.title))
    return [(parents.get(code, code), rows) for code, rows in groups.items()]


def raw(data: QueryDict, bound: BoundForm, *, blanks: bool = False) -> dict[str, Any]:
    """Return what was posted for the form's fields; of a township and its village the finer one counts.

    With ``blanks`` a field that was sent empty is there too: for a form that edits, it clears.
    """
    typed: dict[str, Any] = {}
    for name in bound.fields:
        given = [text for text in data.getlist(name) if text.strip()]
        if given or (blanks and name in data):
            typed[name] = given[-1] if given else ""
    return typed


def uploads(request: HttpRequest) -> list[Upload]:
    """Return the files that came with the form."""
    return [Upload(file.name or _("文件"), file) for file in request.FILES.getlist("files")]  # type: ignore[arg-type]


_WHERE = ("place", "address", "point")


def grouped(asked: Iterable[Asked], service: Service) -> list[Group]:
    """Return the questions of the form that makes a record in groups: what, where, who. A register begins with where."""
    persons = service.form(service.creating).persons
    what: list[Asked] = []
    where: list[Asked] = []
    who: list[Asked] = []
    for question in asked:
        if any(question.name.startswith(f"{role}_") for role in persons):
            who.append(question)
        elif question.name in _WHERE:
            where.append(question)
        else:
            what.append(question)
    what.sort(key=lambda question: question.name != WHOLE)
    groups = [Group(_("什么事"), what), Group(_("在哪里"), where), Group(_("怎么联系"), who)]
    if not service.timed:
        groups = [Group(_("在哪里"), where), Group(_("基本情况"), what), Group(_("有关的人"), who)]
    return [group for group in groups if group.asked]
