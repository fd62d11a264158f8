"""The city's own fields of a service: a JSON Schema in the city pack (``extras/<service>.json``), and no migration.

Each property becomes a fact like the declared ones, so form, page, API, list, import and export treat it alike; its value
stands in the column ``more``. The whole schema (JSON Schema 2020-12) holds on what is entered, also what no single field
can say: ``required``, ``if``/``then``, ``dependentRequired``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from jsonschema import Draft202012Validator, SchemaError

from gongzhi.kernel.fields import Code, Day, Fact, Flag, Json, Line, Measure, Text, Whole
from gongzhi.kernel.pack import PackError, pack_file

_LONG = 200  # characters: from here on a text gets several lines


@dataclass(frozen=True)
class Extras:
    """The city's own fields of one service: facts by name, and the schema that holds between them."""

    facts: Mapping[str, Fact] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)

    def faults(self, values: Mapping[str, Json]) -> dict[str, list[str]]:
        """Return what the schema says against the values, by field name; "" for what concerns several."""
        made: dict[str, list[str]] = {}
        if self.schema:
            given = {name: value for name, value in values.items() if value not in ("", None)}
            for error in Draft202012Validator(self.schema).iter_errors(given):
                name, text = _blamed(error, self.facts)
                made.setdefault(name, []).append(text)
        return made


@cache
def extras(service: str) -> Extras:
    """Return the city's own fields of this service; none where the pack has no schema for it. Raises PackError."""
    said = pack_file(settings.CITY, f"extras/{service}.json")
    if said is None:
        return Extras()
    try:
        Draft202012Validator.check_schema(said)
        facts = {
            name: _fact(name, about, name in said.get("required", ())) for name, about in said["properties"].items()
        }
    except (SchemaError, KeyError, TypeError, ValueError) as error:
        raise PackError(
            _("extras/{service}.json 不是可用的 JSON Schema：{error}").format(service=service, error=error)
        ) from error
    return Extras(facts, said)


def _fact(name: str, about: Mapping[str, Any], required: bool) -> Fact:
    """Return the fact that a property of the schema describes. Raises ValueError for a type that has none."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError(_("字段名“{name}”只能用英文字母、数字和下划线").format(name=name))
    options: dict[str, Any] = {"blank": not required, "help_text": about.get("description", "")}
    title = str(about.get("title", name))
    made: Fact
    match about:
        case {"oneOf": [*choices]}:
            made = Code(title, codes={str(one["const"]): str(one["title"]) for one in choices}, **options)
        case {"enum": [*choices]}:
            made = Code(title, codes={str(one): str(one) for one in choices}, **options)
        case {"type": "boolean"}:
            made = Flag(title, **options)
        case {"type": "integer"}:
            made = Whole(title, least=about.get("minimum", 0), most=about.get("maximum", 2**31 - 1), **options)
        case {"type": "string", "format": "decimal"}:
            made = Measure(title, unit=about.get("x-unit", ""), **options)
        case {"type": "string", "format": "date"}:
            made = Day(title, **options)
        case {"type": "string"}:
            longest = int(about.get("maxLength", 120))
            made = (Text if longest > _LONG else Line)(title, max_length=longest, **options)
        case _:
            raise ValueError(
                _("字段“{name}”的类型 {get!r} 不能用；小数请写成 string 加 format decimal").format(
                    name=name, get=about.get("type")
                )
            )
    made.name = name
    return made


def _blamed(error: Any, facts: Mapping[str, Fact]) -> tuple[str, str]:
    """Return the field that an error concerns, and a sentence for the person who fills the form."""
    if error.path:
        name = str(error.path[0])
        title = facts[name].verbose_name if name in facts else name
        return name, _("“{title}”的内容不符合本市的规定。").format(title=title)
    missing = next(
        (
            name
            for name in facts
            if error.validator in ("required", "dependentRequired") and f"'{name}' is" in error.message
        ),
        "",
    )
    return missing, _("请填写这一项。") if missing else str(
        error.schema.get("title") or _("附加信息之间不一致，请检查。")
    )
