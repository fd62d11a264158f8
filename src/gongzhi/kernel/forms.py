"""What an action asks for. One declaration makes the page's form, the API's schema and the check inside ``act()``.

``writes`` names columns: of the service, or of the record itself (``title``, ``place``, ``agency``, ``point``). A class
attribute that is a fact stands in the entry alone. A ``Person`` becomes a party of the record.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.text import format_lazy
from django.utils.translation import gettext as _

from gongzhi.kernel.addresses import NO_MAIL, mail
from gongzhi.kernel.extras import Extras, extras
from gongzhi.kernel.fields import Fact, Json
from gongzhi.kernel.models.places import city
from gongzhi.kernel.quick import UNSURE, way
from gongzhi.tongue import later

if TYPE_CHECKING:
    from gongzhi.kernel.service import Service

SHOWN_FIELDS: Mapping[str, str] = {"name": later("姓名"), "phone": later("电话"), "address": later("住址")}
"""What is shown of a person to who states a purpose."""
PERSON_FIELDS: Mapping[str, str] = {**SHOWN_FIELDS, "mail": later("电子邮箱")}
"""What may be kept of a person. An e-mail address is shown to nobody: the clock alone opens it, to tell the person."""
INDEXED_FIELDS = ("phone", "mail")
"""Of which a keyed hash is kept, by which equal ones are found without reading them."""
_MAIL_HINT = later("有结果时发一封邮件告知，没有别的用途。地址加密保存，工作人员看不到；随时可以退订。")
_PHONE = re.compile(r"^\+?[0-9(][0-9 \-()]{4,19}$")


def check_phone(value: str) -> None:
    """Raise ValidationError where the text is no telephone number."""
    if not _PHONE.fullmatch(value):
        example = city().phone
        raise ValidationError(
            _("请填写电话号码，只含数字，例如 {example}。").format(example=example)
            if example
            else _("请填写电话号码，只含数字。")
        )


class PlaceField(forms.IntegerField):
    """The id of a place."""

    kind = "place"


class AgencyField(forms.IntegerField):
    """The id of an agency."""

    kind = "agency"


class PointField(forms.Field):
    """A position, (longitude, latitude) in degrees of WGS-84; also accepted as the text ``lon,lat``."""

    kind = "point"

    def to_python(self, value: Any) -> tuple[float, float] | None:
        """Return the pair, or None where nothing was given."""
        if value in self.empty_values:
            return None
        try:
            parts = value.replace("\uff0c", ",").split(",") if isinstance(value, str) else list(value)
            lon, lat = (float(part) for part in parts)
        except (TypeError, ValueError) as error:
            lon, lat = city().centre
            raise ValidationError(
                _("位置应为“经度,纬度”，例如 {lon:.2f},{lat:.2f}。").format(lon=lon, lat=lat)
            ) from error
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise ValidationError(_("位置超出了经纬度的范围。"))
        return round(lon, 6), round(lat, 6)


class MailField(forms.CharField):
    """The e-mail address of a person who wants to be told."""

    kind = "mail"

    def clean(self, value: Any) -> str:
        """Return the address as it is kept. Raises ValidationError."""
        text = str(super().clean(value))
        kept = mail(text) if text else ""
        if text and not kept:
            raise ValidationError(NO_MAIL)
        return kept


class Person:
    """A person or organisation named in the form: fields ``<role>_name``, ``<role>_phone`` …, kept as a Party."""

    def __init__(self, label: str, *, fields: tuple[str, ...] = ("name", "phone"), required: bool = False) -> None:
        self.label, self.fields, self.required = label, fields, required

    def formfields(self, role: str) -> Iterator[tuple[str, forms.Field]]:
        """Yield one form field for each personal field."""
        for name in self.fields:
            label = format_lazy(later("{who}{what}"), who=self.label, what=PERSON_FIELDS[name])
            if name == "mail":
                made: forms.CharField = MailField(label=label, required=False, max_length=254, help_text=_MAIL_HINT)
            else:
                checks = [check_phone] if name == "phone" else []
                made = forms.CharField(label=label, required=self.required, max_length=120, validators=checks)
            yield f"{role}_{name}", made


class Form:
    """Base of every action's form; an action without a form uses this class itself, which asks for nothing."""

    writes: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    """Columns that this form insists on although the service may leave them empty."""
    labels: ClassVar[Mapping[str, str]] = {}
    """Labels of the record's own columns where the general ones would be unclear."""

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG003 (for those who override)
        """Return what is wrong between fields, by field name; an empty mapping when all is well."""
        return {}


def asks(*writes: str, required: tuple[str, ...] = (), **more: Any) -> type[Form]:
    """Return a form that writes these columns; ``more`` are facts of the entry alone, or persons, by name."""
    return type("Asks", (Form,), {"writes": writes, "required": required, "__doc__": "", **more})


def whole_text(value: Any) -> Any:
    """Return the value; half a character (a lone surrogate) can be kept by nothing that follows. Raises ValidationError."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValidationError(_("这里有无法保存的字符，请删去后重新输入。")) from error
    return value


def _in_plain_words(field: forms.Field) -> None:
    """Say what is wrong as one says it to a person: Django speaks of fields and variables."""
    field.error_messages["required"] = later("请填写这一项。")
    for validator in field.validators:
        if isinstance(validator, MaxLengthValidator):
            validator.message = later("最多 %(limit_value)d 个字，现在有 %(show_value)d 个。")


Cleaned = dict[tuple[str, str | int | None], Any]
"""What the fields of one form made of values that come again and again."""
_SHORT = 40


def _short(value: Any) -> TypeGuard[str | int | None]:
    """Whether a value is worth remembering; 1, True and 1.0 would be one key, so only exact types are."""
    kind = type(value)
    return value is None or kind is int or (kind is str and len(value) <= _SHORT)


class BoundForm:
    """A form as one service's action uses it: its fields in order, and where each value goes."""

    def __init__(self, service: "Service", form: type[Form], *, parted: bool = False, more: bool = False) -> None:
        self.form = form
        self.city: Extras = extras(service.code) if more else Extras()
        self.columns: dict[str, Fact] = {}
        self.extras: dict[str, Fact] = {}
        self.persons: dict[str, Person] = {}
        self.parted = parted
        writes = form.writes if not parted or WHOLE in form.writes else (WHOLE, *form.writes)
        self.own: tuple[str, ...] = tuple(name for name in writes if name in OWN_FIELDS)
        self.writes = writes
        for name in form.writes:
            if name not in OWN_FIELDS:
                self.columns[name] = service.fact(name)
        for base in reversed(form.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, Fact):
                    value.name = name
                    self.extras[name] = value
                elif isinstance(value, Person):
                    self.persons[name] = value

    @cached_property
    def fields(self) -> dict[str, forms.Field]:
        """The Django form fields by name: the record's own and the service's first, then persons, then extras."""
        made: dict[str, forms.Field] = {}
        for name in self.writes:
            must = name in self.form.required or name == WHOLE
            if name in OWN_FIELDS:
                made[name] = OWN_FIELDS[name](must)
                made[name].label = self.form.labels.get(name, made[name].label)
            else:
                fact: Any = self.columns[name]
                made[name] = fact.formfield(**({"required": True} if must else {}))
        for role, person in self.persons.items():
            made.update(person.formfields(role))
        for name, extra in (self.city.facts | self.extras).items():  # type: ignore[operator]
            column: Any = extra
            made[name] = column.formfield()
            made[name].label = column.verbose_name
        for field in made.values():
            _in_plain_words(field)
        return made

    def clean(self, raw: Mapping[str, Any], held: Cleaned | None = None) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Return (values, errors): every field checked, then the form as a whole. Unknown names are errors.

        ``held`` remembers good short values from one form to the next.
        """
        values: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        fields = self.fields
        for name, field, short in self._ways:
            given = raw.get(name)
            if short and (value := short(given)) is not UNSURE:
                values[name] = value
                continue
            key = (name, given) if _short(given) else None
            if key and held and key in held:
                values[name] = held[key]
                continue
            try:
                values[name] = whole_text(field.clean(given))
            except ValidationError as error:
                errors[name] = list(error.messages)
            else:
                if key and held is not None:
                    held[key] = values[name]
        for name in raw:
            if name not in fields:
                errors[name] = [_("这一项不属于此表单。")]
        if not errors:
            errors = {name: [text] for name, text in self.form.check(values).items()}
            if self.city.facts:
                errors |= self.city.faults(self.more(values))
        return values, errors

    @cached_property
    def _ways(self) -> list[tuple[str, forms.Field, Callable[[Any], Any] | None]]:
        return [(name, field, way(field)) for name, field in self.fields.items()]

    def more(self, values: Mapping[str, Any]) -> dict[str, Json]:
        """Return the values of the city's own fields, as JSON keeps them."""
        return {name: fact.entry_value(fact.stored(values.get(name))) for name, fact in self.city.facts.items()}

    @cached_property
    def said(self) -> dict[str, Fact]:
        """Every fact that the form asks for: the service's, the city's, and those of the entry alone."""
        return {**self.columns, **self.city.facts, **self.extras}

    def form_class(self) -> type[forms.Form]:
        """Return a Django form of the same fields, for pages."""
        return type(self.form.__name__, (forms.Form,), dict(self.fields))


WHOLE = "whole"
"""Form field of a part: the number of the record that it belongs to."""

OWN_FIELDS: Mapping[str, Any] = {
    WHOLE: lambda must: forms.CharField(label=later("所属事项编号"), max_length=40, required=must),
    "title": lambda must: forms.CharField(label=later("标题"), max_length=120, required=must),
    "place": lambda must: PlaceField(label=later("所属地点"), required=must),
    "agency": lambda must: AgencyField(label=later("责任单位"), required=must),
    "point": lambda must: PointField(label=later("位置"), required=must),
}
