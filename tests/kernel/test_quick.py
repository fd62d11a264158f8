"""The short way through a form's checks says what the long way says, or says nothing."""

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.kernel.forms import Person, PointField
from gongzhi.kernel.quick import UNSURE, way
from gongzhi.kernel.words import index_words

FIELDS: dict[str, forms.Field] = {
    "short": forms.CharField(max_length=5, required=False),
    "must": forms.CharField(max_length=20),
    "endless": forms.CharField(required=False),
    **dict(Person("").formfields("asker")),
}
given_values = st.one_of(
    st.text(max_size=24), st.text(st.sampled_from(" \t\n\0-+13805\ud800甲"), max_size=24), st.none(), st.integers(),
    st.booleans(), st.lists(st.text(max_size=3), max_size=2),
)  # fmt: skip


@given(st.sampled_from(sorted(FIELDS)), given_values)
def test_both_ways_say_the_same(name: str, value: Any) -> None:
    field = FIELDS[name]
    short = way(field)
    assert short is not None
    told = short(value)
    if told is not UNSURE:
        assert told == field.clean(value)
        told.encode()


def test_usual_values_take_the_short_way(crew: Any) -> None:
    for name, value in (("short", " 甲 "), ("must", "x" * 20), ("asker_phone", "138 0517 1234")):
        short = way(FIELDS[name])
        assert short is not None
        assert short(value) == value.strip()


@pytest.mark.parametrize("field", [PointField(), forms.IntegerField(), forms.CharField(strip=False)])
def test_other_fields_have_none(field: forms.Field) -> None:
    assert way(field) is None
    with pytest.raises(ValidationError):
        field.clean(None)


def test_words_at_the_ends_of_lines_are_found() -> None:
    assert set(index_words(["street light\nbroken", "路灯\r\n2号"])) >= {"light", "broken", "路灯", "2", "号"}
    assert index_words(["a" * 50]) == ["a" * 40]
    assert index_words([]) == []
