"""How dates, deadlines, stages and counts are written on a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gongzhi.kernel import workdays
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.models import Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.procedure import Stage

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return a Tabler icon that screen readers pass over; the word stands beside it."""
    return format_html('<i class="ti ti-{}" aria-hidden="true"></i>', name)


@register.simple_tag
def hotline() -> str:
    """Return the number that residents may call, "" where the city has none."""
    return city().hotline


@register.filter
def moment(at: datetime | None) -> str:
    """2026年11月23日 14:05."""
    return f"{timezone.localtime(at):%Y年%-m月%-d日 %H:%M}" if at else ""


@register.filter
def brief(at: datetime | None) -> str:
    """11月23日 14:05, with the year where it is another one."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return f"{local:%-m月%-d日 %H:%M}" if local.year == timezone.localdate().year else f"{local:%Y年%-m月%-d日}"


@register.filter
def day(on: date | datetime | None) -> str:
    """2026年11月23日."""
    if on is None:
        return ""
    if isinstance(on, datetime):
        on = timezone.localtime(on)
    return f"{on:%Y年%-m月%-d日}"


@register.filter
def count(number: int | None) -> str:
    """1,280."""
    return "" if number is None else f"{number:,}"


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
        return Due("none", "已结束", "circle-check", None)
    if record.paused_at:
        return Due("paused", "计时已暂停", "player-pause", record.due_at)
    if record.due_at is None:
        return Due("none", "没有期限", "minus", None)
    days = workdays.left(now, record.due_at)
    if not record.due_source:
        return Due("none", f"{brief(record.due_at)}自动办结", "clock-check", record.due_at)
    if record.due_at < now:
        return Due("late", f"超期 {-days} 个工作日" if days < 0 else "今天已超期", "alert-triangle", record.due_at)
    local = timezone.localtime(record.due_at)
    if local.date() == timezone.localdate(now):
        return Due("today", f"今天 {local:%H:%M} 到期", "clock-exclamation", record.due_at)
    soon = record.amber_at is not None and record.amber_at <= now
    return Due("soon" if soon else "fine", f"还剩 {days} 个工作日", "clock-hour-4" if soon else "clock", record.due_at)


@register.inclusion_tag("web/part/due.html")
def due(record: Register) -> dict[str, Any]:
    """Show the record's deadline: icon, words, and the day itself."""
    return {"due": due_of(record)}


@register.inclusion_tag("web/part/stage.html")
def stage(here: Stage) -> dict[str, Any]:
    """Show a stage: icon and word."""
    return {"stage": here}


@register.filter
def shown(fact: Fact, values: Mapping[str, Any]) -> str:
    """Return one fact of a row as people read it."""
    return fact.display(values.get(fact.name))


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """Return a value by a key that is a variable."""
    return mapping.get(key) if mapping else None
