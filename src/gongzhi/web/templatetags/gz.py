"""How dates, deadlines, stages and counts are written on a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from typing import Any

from django import template
from django.template.defaulttags import CsrfTokenNode
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gongzhi.kernel import workdays
from gongzhi.kernel.context import Actor
from gongzhi.kernel.dates import brief, day, hour, moment
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.models import Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.procedure import Stage, cited
from gongzhi.tongue import listed

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return a Tabler icon that screen readers pass over; the word stands beside it."""
    return format_html('<i class="ti ti-{}" aria-hidden="true"></i>', name)


@register.simple_tag
def emergency() -> str:
    """Return the numbers to call in an emergency, as a list in a sentence; "" where the pack names none."""
    return listed(city().emergency)


@register.simple_tag
def example_point() -> str:
    """Return a position in the city, as a form takes it."""
    lon, lat = city().centre
    return f"{lon:.2f},{lat:.2f}"


@register.simple_tag
def hotline() -> str:
    """Return the number that residents may call, "" where the city has none."""
    return city().hotline


class FormTokens(CsrfTokenNode):
    """Django's token and, on a page of the console, the post that the page was made for (``who.signed`` compares it)."""

    def render(self, context: template.Context) -> SafeString:
        """Return the hidden fields."""
        token, actor = SafeString(super().render(context)), context.get("actor")
        if not isinstance(actor, Actor):
            return token
        return format_html('{}<input type="hidden" name="acting" value="{}">', token, actor.post)


@register.tag("csrf_token")
def form_tokens(_parser: Any, _token: Any) -> FormTokens:
    """Take the place of Django's tag, so that no form of the console can forget it."""
    return FormTokens()


for written in (moment, brief, day):
    register.filter(written.__name__, written)
register.filter("cited", cited)


@register.filter
def count(number: int | None) -> str:
    """1,280."""
    return "" if number is None else f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """Return a share (0–1) as 93.4%."""
    return "" if share is None else f"{100 * share:.1f}%"


@register.filter
def decimal(number: float | None) -> str:
    """0.934."""
    return "" if number is None else f"{number:.3f}"


@register.filter
def size(number: int) -> str:
    """1.2 MB."""
    if number >= 2**20:
        return f"{number / 2**20:.1f} MB"
    return f"{max(1, round(number / 1024))} KB"


@dataclass(frozen=True)
class Due:
    """A deadline in words, with the tone that colours it: late, today, soon, fine, paused, none."""

    tone: str
    word: str
    icon: str
    at: datetime | None


def due_of(record: Register, now: datetime | None = None) -> Due:
    """Return how the record stands to its deadline."""
    now = now or timezone.now()
    if record.closed_at:
        return Due("none", _("已结束"), "circle-check", None)
    if record.paused_at:
        return Due("paused", _("计时已暂停"), "player-pause", record.due_at)
    if record.due_at is None:
        return Due("none", _("没有期限"), "minus", None)
    days = workdays.left(now, record.due_at)
    if not record.due_source:
        return Due("none", _("{day}自动办结").format(day=brief(record.due_at)), "clock-check", record.due_at)
    if record.due_at < now:
        return Due(
            "late",
            ngettext("超期 {days} 个工作日", "超期 {days} 个工作日", -days).format(days=-days)
            if days < 0
            else _("今天已超期"),
            "alert-triangle",
            record.due_at,
        )
    local = timezone.localtime(record.due_at)
    if local.date() == timezone.localdate(now):
        return Due("today", _("今天 {time} 到期").format(time=hour(record.due_at)), "clock-exclamation", record.due_at)
    soon = record.amber_at is not None and record.amber_at <= now
    return Due(
        "soon" if soon else "fine",
        ngettext("还剩 {days} 个工作日", "还剩 {days} 个工作日", days).format(days=days),
        "clock-hour-4" if soon else "clock",
        record.due_at,
    )


@register.simple_tag
def due(record: Register) -> SafeString:
    """Show the record's deadline: icon, words, and the day itself."""
    return due_html(record)


def due_html(record: Register, now: datetime | None = None) -> SafeString:
    """Return the record's deadline as a page shows it."""
    made = due_of(record, now)
    title = f' title="{escape(moment(made.at))}"' if made.at else ""
    written = f'<span class="due due-{made.tone}"{title}>{icon(made.icon)} {escape(made.word)}</span>'
    return mark_safe(written)  # noqa: S308  (tone and icon are named above, the words are escaped)


@register.simple_tag
def stage(here: Stage) -> SafeString:
    """Show a stage: icon and word."""
    return stage_html(here)


def stage_html(here: Stage) -> SafeString:
    """Return a stage as a page shows it."""
    over = "" if here.open else " stage-over"
    written = f'<span class="stage{over}">{icon(here.icon)} {escape(str(here.title))}</span>'
    return mark_safe(written)  # noqa: S308  (the title is escaped, the icon is made by icon())


@register.filter
def shown(fact: Fact, values: Mapping[str, Any]) -> str:
    """Return one fact of a row as people read it."""
    return fact.display(values.get(fact.name))


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """Return a value by a key that is a variable."""
    return mapping.get(key) if mapping else None
