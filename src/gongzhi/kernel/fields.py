"""Typed columns of a service: each knows how it is entered, written in an entry, searched and shown.

A *fact* is a Django model field with three more attributes. ``words`` marks free text: an entry holds only a salted
digest of it, and the words stand encrypted beside. ``search`` feeds the search index. ``listed`` puts it in lists and
filters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.db import models

from gongzhi.kernel.codes import titles

Json = str | int | bool | None


class Fact:
    """What the kernel asks of a column beyond what Django asks."""

    words = False
    search = False
    listed = False
    verbose_name: Any
    name: str

    def deconstruct(self) -> Any:
        """Return what a migration needs of the column: no words for people, whose change is no change of the database."""
        name, path, args, options = super().deconstruct()  # type: ignore[misc]
        return (
            name,
            path,
            args,
            {key: value for key, value in options.items() if key not in ("verbose_name", "help_text")},
        )

    def entry_value(self, value: Any) -> Json:
        """Return the value as it stands in an entry's canonical text (never called for ``words``)."""
        return value if value is None or isinstance(value, (str, int, bool)) else str(value)

    def display(self, value: Any) -> str:
        """Return the value as people read it."""
        return "" if value is None else str(value)


class Text(Fact, models.TextField):
    """Free text of several lines; ``max_length`` in characters, held by form and by CHECK."""

    words = True

    def __init__(
        self, verbose_name: Any = None, *, search: bool = False, max_length: int = 4000, **options: Any
    ) -> None:
        self.search = search
        super().__init__(verbose_name, max_length=max_length, **options)

    def formfield(self, **options: Any) -> Any:
        """Return a text area that refuses what is too long."""
        return super().formfield(**{"widget": forms.Textarea(attrs={"rows": 4}), **options})


class Line(Fact, models.CharField):
    """Free text of one line."""

    words = True

    def __init__(
        self, verbose_name: Any = None, *, search: bool = False, max_length: int = 120, **options: Any
    ) -> None:
        self.search = search
        super().__init__(verbose_name, max_length=max_length, **options)


class Whole(Fact, models.IntegerField):
    """A whole number between ``least`` and ``most``, both included."""

    def __init__(self, verbose_name: Any = None, *, least: int = 0, most: int = 2**31 - 1, **options: Any) -> None:
        self.least, self.most = least, most
        super().__init__(verbose_name, **options)

    def deconstruct(self) -> Any:
        """Keep the bounds in migrations, because a CHECK is made of them."""
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "least": self.least, "most": self.most}

    def formfield(self, **options: Any) -> Any:
        """Return a number field with both bounds."""
        return super().formfield(**{"min_value": self.least, "max_value": self.most, **options})


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
        first = [] if required and self.codes else [("", "请选择")]
        return CodeChoice(
            codes=self.titles,
            choices=lambda: [*first, *self.titles().items()],
            label=self.verbose_name,
            help_text=self.help_text,
            required=required,
        )

    def display(self, value: Any) -> str:
        """Return the title, or the code where the list no longer has it."""
        return self.titles().get(value, value) if value else ""
