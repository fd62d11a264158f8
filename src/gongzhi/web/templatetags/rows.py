"""Rows of records and options of a select, written out in one go.

Fifty rows of eight cells through the template language cost more than everything else on a list's page together
(``docs/performance.md``). Every text that comes from outside is escaped here, by ``_text``.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from gongzhi.kernel.models import Register
from gongzhi.web.templatetags.gz import brief, due_html, stage_html
from gongzhi.web.templatetags.language import data, data_lang

register = template.Library()
_LONGEST = 60  # characters of a fact in a list


@register.simple_tag
def list_rows(table: Iterable[tuple[Register, Mapping[str, Any]]], columns: Sequence[Any], pick: bool) -> SafeString:
    """Return the rows of a service's list; with ``pick`` each has a box to choose it for a bulk act."""
    now = timezone.now()
    return _joined(
        f"<tr>{_pick(record) if pick else ''}{''.join(_cell(record, facts, column, now) for column in columns)}</tr>"
        for record, facts in table
    )


@register.simple_tag
def record_rows(rows: Iterable[Register], own: bool) -> SafeString:
    """Return the rows of a table of records; ``own`` shows when they came instead of who owes them."""
    now, came = timezone.now(), escape(_("登记"))
    return _joined(
        f"<tr>{_title(record)}<td>{stage_html(record.stage)}</td><td>{due_html(record, now)}</td>"
        f"<td>{_own(record.place.name)}</td>"
        f"{_came(record, came) if own else f'<td>{_own(record.agency.short)}</td>'}</tr>"
        for record in rows
    )


@register.simple_tag
def options(groups: Iterable[tuple[str, Iterable[tuple[str, str]]]], chosen: str) -> SafeString:
    """Return the options of a select with their groups; those without a code are left out."""
    made = []
    for group, rows in groups:
        written = "".join(
            f'<option value="{_text(code)}"{" selected" if code == chosen else ""}{data_lang(title)}>{_text(title)}</option>'
            for code, title in rows
            if code
        )
        made.append(f'<optgroup label="{_text(group)}">{written}</optgroup>' if group else written)
    return _joined(made)


def _pick(record: Register) -> str:
    number = _text(record.number)
    return (
        f'<td class="c-pick"><input type="checkbox" class="form-check-input" name="number" value="{number}" '
        f'aria-label="{escape(_("选择 {number}").format(number=record.number))}"></td>'
    )


def _cell(record: Register, facts: Mapping[str, Any], column: Any, now: datetime) -> str:
    if column.fact:
        text = column.fact.display(facts.get(column.fact.name))
        shown = Truncator(text).chars(_LONGEST) if len(text) > _LONGEST else text
        return f'<td class="c-fact{"" if text else " c-none"}" data-label="{_text(column.label)}">{_own(shown)}</td>'
    match column.name:
        case "title":
            return _title(record)
        case "stage":
            return f"<td>{stage_html(record.stage)}</td>"
        case "due":
            return f"<td>{due_html(record, now)}</td>"
        case "place":
            return f"<td>{_own(record.place.name)}</td>"
        case "agency":
            return f"<td>{_own(record.agency.short)}</td>"
    return _came(record, escape(column.label))


def _came(record: Register, label: str) -> str:
    return f'<td class="when" data-label="{label}">{brief(record.opened_at)}</td>'


def _title(record: Register) -> str:
    number = _text(record.number)
    return (
        f'<td class="what"><a href="/work/r/{number}" data-row>{_own(record.title)}</a>'
        f'<span class="number">{number}</span></td>'
    )


def _own(text: object) -> str:
    """Return words of the city's own: marked as Chinese on a page in another language."""
    made = data(text)
    return made if isinstance(made, SafeString) else _text(made)


def _text(text: object) -> str:
    return escape(str(text))


def _joined(parts: Iterable[str]) -> SafeString:
    return mark_safe("\n".join(parts))  # noqa: S308  (made above, where every text is escaped)
