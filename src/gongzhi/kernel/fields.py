"""Typed columns of a service: each knows how it is entered, written in an entry, searched and shown.

A *fact* is a Django model field with three more attributes. ``words`` marks free text: an entry holds only a salted
digest of it, and the words stand encrypted beside. ``search`` feeds the search index. ``listed`` puts it in lists and
filters.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from gongzhi.kernel import money
from gongzhi.kernel.codes import titles
from gongzhi.kernel.dates import day
from gongzhi.kernel.masking import shown
from gongzhi.tongue import later

Json = str | int | bool | None


class Fact:
    """What the kernel asks of a column beyond what Django asks.

    ``sql`` is the type of the generated functions' parameter, ``python`` the type in which API and exports give the value.
    ``ranges`` lets lists narrow it from a least to a most.
    """

    words = False
    search = False
    listed = False
    ranges = False
    sql = "text"
    python: type = str
    verbose_name: Any
    help_text: Any
    name: str
    null: bool

    @property
    def empty(self) -> str:
        """SQL of the column's value when nothing was said."""
        return "NULL" if self.null else "''"

    def stored(self, value: Any) -> Any:
        """Return a cleaned form value as the column holds it."""
        if value in ("", None):
            return self.given_nothing()
        return value

    def given_nothing(self) -> Any:
        """Return what the column holds when the form was left empty."""
        field: Any = self
        return field.default if field.has_default() else (None if self.null else "")

    def deconstruct(self) -> Any:
        """Return what a migration needs of the column: no words for people, whose change is no change of the database."""
        name, path, args, options = super().deconstruct()  # type: ignore[misc]
        return (
            name,
            path,
            args,
            {key: value for key, value in options.items() if key not in ("verbose_name", "help_text")},
        )

    def typed(self, value: Any) -> Any:
        """Return a held value as a form shows it and takes it back."""
        return "" if value is None else value

    def entry_value(self, value: Any) -> Json:
        """Return the value as it stands in an entry's canonical text (never called for ``words``)."""
        return value if value is None or isinstance(value, (str, int, bool)) else str(value)

    def display(self, value: Any) -> str:
        """Return the value as people read it."""
        return "" if value is None else str(value)


class _Words(Fact):
    """Words that a person typed."""

    words = True

    def from_db_value(self, value: Any, _expression: Any, connection: Any) -> Any:
        """Return them with personal numbers masked (``kernel.masking``)."""
        return shown(value, connection.alias)


class Text(_Words, models.TextField):
    """Free text of several lines; ``max_length`` in characters, held by form and by CHECK."""

    def __init__(
        self, verbose_name: Any = None, *, search: bool = False, max_length: int = 4000, **options: Any
    ) -> None:
        self.search = search
        super().__init__(verbose_name, max_length=max_length, **options)

    def formfield(self, **options: Any) -> Any:
        """Return a text area that refuses what is too long."""
        return super().formfield(**{"widget": forms.Textarea(attrs={"rows": 4}), **options})


class Line(_Words, models.CharField):
    """Free text of one line."""

    def __init__(
        self, verbose_name: Any = None, *, search: bool = False, max_length: int = 120, **options: Any
    ) -> None:
        self.search = search
        super().__init__(verbose_name, max_length=max_length, **options)


class Whole(Fact, models.IntegerField):
    """A whole number between ``least`` and ``most``, both included."""

    listed = ranges = True
    sql = "int"
    python = int

    def __init__(self, verbose_name: Any = None, *, least: int = 0, most: int = 2**31 - 1, **options: Any) -> None:
        self.least, self.most = least, most
        super().__init__(verbose_name, **_nothing_allowed(options))

    @property
    def empty(self) -> str:
        """NULL, or zero where the column counts."""
        return "NULL" if self.null else "0"

    def stored(self, value: Any) -> Any:
        """Return the number."""
        return self.given_nothing() if value in ("", None) else int(value)

    def deconstruct(self) -> Any:
        """Keep the bounds in migrations, because a CHECK is made of them."""
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "least": self.least, "most": self.most}

    def formfield(self, **options: Any) -> Any:
        """Return a number field with both bounds."""
        return super().formfield(**{"min_value": self.least, "max_value": self.most, **options})


class DayField(forms.DateField):
    """A day as it is typed or sent; whatever is neither a text nor a day is refused in a sentence."""

    def to_python(self, value: Any) -> date | None:
        """Return the day, None where nothing was said. Raises ValidationError."""
        return super().to_python(value if isinstance(value, str | date) or value is None else str(value))


class Day(Fact, models.DateField):  # type: ignore[type-arg]
    """A day of the calendar between 1800 and 2199."""

    listed = ranges = True
    sql = "date"

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        super().__init__(verbose_name, **_nothing_allowed(options))

    def formfield(self, **options: Any) -> Any:
        """Return a field for a day, in the way the browser's own calendar writes it."""
        return super().formfield(
            **{
                "form_class": DayField,
                "validators": [_in_calendar],
                "input_formats": ["%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日"],
                **options,
            }
        )

    def display(self, value: Any) -> str:
        """2026年11月23日."""
        if isinstance(value, str) and value:
            value = date.fromisoformat(value)
        return day(value)


def _in_calendar(value: date) -> None:
    if not 1800 <= value.year < 2200:
        raise ValidationError(_("年份应在 1800 到 2199 之间。"))


YES_NO: Mapping[str, str] = {"yes": later("是"), "no": later("否")}
_YES, _NO = (
    frozenset(("yes", "true", "1", "on", "是", "有")),
    frozenset(("no", "false", "0", "off", "否", "无")),
)


class FlagChoice(forms.Field):
    """Yes or no; nothing said is neither."""

    choices = list(YES_NO.items())

    def to_python(self, value: Any) -> bool | None:
        """Return the truth value, None where nothing was said."""
        if value in self.empty_values or isinstance(value, bool):
            return value if isinstance(value, bool) else None
        said = str(value).strip().casefold()
        if said not in _YES | _NO:
            raise ValidationError(_("请选择“是”或“否”。"))
        return said in _YES


class Flag(Fact, models.BooleanField):  # type: ignore[type-arg]
    """Yes or no."""

    listed = True
    sql = "boolean"
    python = bool

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        super().__init__(verbose_name, **_nothing_allowed(options))

    @property
    def empty(self) -> str:
        """NULL, or no."""
        return "NULL" if self.null else "false"

    def formfield(self, **options: Any) -> Any:
        """Return a choice of two."""
        required = options.pop("required", not self.blank)
        return FlagChoice(label=self.verbose_name, help_text=self.help_text, required=required)

    def display(self, value: Any) -> str:
        """是, 否, or nothing."""
        return "" if value is None else str(YES_NO["yes" if value else "no"])


class Measure(Fact, models.DecimalField):  # type: ignore[type-arg]
    """A decimal number with a unit, between zero and ``most``; never a float, so that entries stay exact."""

    listed = ranges = True
    sql = "numeric"
    python = Decimal

    def __init__(
        self, verbose_name: Any = None, *, unit: str = "", places: int = 2, most: int = 10**9, **options: Any
    ) -> None:
        self.unit, self.places, self.most = unit, places, most
        options.update(max_digits=len(str(most)) + places, decimal_places=places)
        super().__init__(verbose_name, **_nothing_allowed(options))

    def deconstruct(self) -> Any:
        """Keep in migrations what the column and its CHECK are made of."""
        name, path, args, options = super().deconstruct()
        options = {key: value for key, value in options.items() if key not in ("max_digits", "decimal_places")}
        return name, path, args, {**options, "places": self.places, "most": self.most}

    def formfield(self, **options: Any) -> Any:
        """Return a number field with both bounds."""
        return super().formfield(**{"min_value": 0, "max_value": self.most, **options})

    def stored(self, value: Any) -> Any:
        """Return the number with the column's decimals."""
        if value in ("", None):
            return self.given_nothing()
        return Decimal(value).quantize(Decimal(1).scaleb(-self.places))

    def display(self, value: Any) -> str:
        """86.50 m²."""
        if value in ("", None):
            return ""
        return f"{Decimal(value):,.{self.places}f}{f' {self.unit}' if self.unit else ''}"


class MoneyField(forms.Field):
    """An amount in the city's currency, typed with a decimal point; the value is in the smallest unit (fen, cent)."""

    def to_python(self, value: Any) -> int | None:
        """Return the amount in the currency's smallest unit, None where nothing was given."""
        if value in self.empty_values:
            return None
        try:
            amount = Decimal(money.bare(str(value))).scaleb(money.decimals())
        except InvalidOperation:
            raise ValidationError(_("请填写金额，例如 {plain}。").format(plain=money.plain(128000))) from None
        if not amount.is_finite() or not 0 <= amount <= 10**15:
            raise ValidationError(_("金额超出了可以填写的范围。"))
        if amount != amount.to_integral_value():
            raise ValidationError(_("金额最多 {decimals} 位小数。").format(decimals=money.decimals()))
        return int(amount)


class Money(Fact, models.BigIntegerField):  # type: ignore[type-arg]
    """An amount of money in the smallest unit (fen, cent) of the city's currency."""

    listed = ranges = True
    sql = "bigint"
    python = int

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        super().__init__(verbose_name, **_nothing_allowed(options))

    def formfield(self, **options: Any) -> Any:
        """Return a field that takes an amount with a decimal point."""
        required = options.pop("required", not self.blank)
        return MoneyField(label=self.verbose_name, help_text=self.help_text, required=required)

    def typed(self, value: Any) -> Any:
        """1280.00."""
        return "" if value is None else money.plain(value)

    def display(self, value: Any) -> str:
        """1,280.00 with the currency's sign, as the language of the moment writes it."""
        return "" if value is None else money.shown(value)


def _nothing_allowed(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options; a column that may be left empty and has no default holds NULL then."""
    if options.get("blank") and "default" not in options:
        options["null"] = True
    return options


class CodeChoice(forms.ChoiceField):
    """A select whose values are looked up: Django's own builds the whole list for each check."""

    def __init__(self, *, codes: Callable[[], Mapping[str, str]], **options: Any) -> None:
        self.codes = codes
        super().__init__(**options)

    def valid_value(self, value: Any) -> bool:
        """Return whether the list has the code."""
        return str(value) in self.codes()


class Code(Fact, models.CharField):
    """A code of a list: fixed (``codes``) or the city's own (``source``, the name of a list in the city pack)."""

    listed = True

    def __init__(
        self, verbose_name: Any = None, *, codes: Mapping[str, str] | None = None, source: str = "", **options: Any
    ) -> None:
        self.codes, self.source = dict(codes or {}), source
        options.setdefault("max_length", 40)
        super().__init__(verbose_name, **options)

    def titles(self) -> Mapping[str, str]:
        """Return title by code, in the order of the list."""
        return self.codes or titles(self.source)

    def formfield(self, **options: Any) -> Any:
        """Return a select of the list; it is read when the form is made, so a new list shows at once."""
        required = options.pop("required", not self.blank)
        first = [] if required and self.codes else [("", _("请选择"))]
        return CodeChoice(
            codes=self.titles,
            choices=lambda: [*first, *self.titles().items()],
            label=self.verbose_name,
            help_text=self.help_text,
            required=required,
        )

    def display(self, value: Any) -> str:
        """Return the title, or the code where the list no longer has it."""
        return str(self.titles().get(value, value)) if value else ""
