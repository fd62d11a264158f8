"""Short ways through the checks of a form, for values with nothing wrong; the others go the whole way, which has the words.

Django asks a text field in a dozen calls what two comparisons tell. A test holds that both ways say the same.
"""

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator

UNSURE: Final = object()
"""Not told: ask the field itself."""


def way(field: forms.Field) -> Callable[[Any], Any] | None:
    """Return what gives the field's clean value, or UNSURE; None for a field that has no shorter way."""
    if type(field) is not forms.CharField or not field.strip or field.empty_value:
        return None
    own = (MaxLengthValidator, ProhibitNullCharactersValidator)
    longest, checks = field.max_length or 0, [check for check in field.validators if type(check) not in own]

    def text(value: Any) -> Any:
        if type(value) is not str or len(value) > longest or "\0" in value:
            return UNSURE
        kept = value.strip()
        try:
            if not kept.isascii():
                kept.encode()
            for check in checks:
                check(kept)
        except (UnicodeEncodeError, ValidationError):
            return UNSURE
        return kept or UNSURE

    return text
