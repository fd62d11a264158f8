"""What a notice says: it is kept as a kind and what it is about, and worded each time it is read, in the reader's language.

``about`` holds codes, ids and moments: ``due`` (ISO 8601), ``action`` (a code of the record's service), ``by`` (the id of the
agency that acted; missing where a resident did). Number and title come from the record, under the reader's own right, so that
a notice says what the record says, and forgets what the record forgets.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.dates import brief
from gongzhi.kernel.models import Agency, Entry, Notice, Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import services

_TITLE = 40  # characters of a record's title in a notice


def made_by(entry: Entry, action: Action) -> dict[str, Any]:
    """Return what a notice about this act keeps: which act, and which agency's it was."""
    resident = entry.account.login == "portal"
    return {"action": action.code} | ({} if resident else {"by": entry.agency_id})


def until(due: str, action: Action | None) -> dict[str, Any]:
    """Return what a notice keeps of a deadline: until when, and which action answers it."""
    return ({"due": due} if due else {}) | ({"action": action.code} if action else {})


def worded(notice: Notice, fill: Callable[..., str] = str.format, mark: Callable[[object], object] = str) -> str:
    """Return the notice's sentence in the language in use; read it with its record, inside ``acting()``.

    ``fill`` puts the parts into a sentence and ``mark`` is asked for each of the city's own words (number and title, names of
    agencies): a page sets both, so that such words can say their language. What a release before wrote is given as it stands; where
    that was erased, nothing is left to say but that the record changed.
    """
    if notice.text:
        return str(mark(notice.text))
    record, about = notice.record, notice.about
    what = fill(_("{number}《{title}》"), number=record.number, title=mark(record.title[:_TITLE]))
    at = brief(datetime.fromisoformat(about["due"])) if "due" in about else ""
    action = _title(record, about.get("action", ""))
    match notice.kind:
        case "task":
            return fill(_("{what}有一项任务交给您单位"), what=what)
        case "escalated":
            return fill(_("{what}已被催办，请尽快处理"), what=what)
        case "assigned" if at and action:
            return fill(_("{what}转到您单位，请在 {at} 前{title}"), what=what, at=at, title=action)
        case "assigned":
            return fill(_("{what}转到您单位"), what=what)
        case "amber" if at:
            return fill(_("{what}期限将到：{at}"), what=what, at=at)
        case "red" if at:
            return fill(_("{what}已经超期：{at}"), what=what, at=at)
        case _ if not action:
            return fill(_("{what}有变化"), what=what)
        case _:
            who = mark(_agency(about["by"])) if "by" in about else _("诉求人")
            return fill(_("{what}：{who}{action}"), what=what, who=who, action=action)


def _title(record: Register, action: str) -> str:
    """Return the action's title; nothing where the declaration no longer has it."""
    service = services().get(record.service_code)
    held = service.procedure.by_code.get(action) if service else None
    return str(held.title) if held else ""


def _agency(key: int) -> str:
    known = atlas().agencies.get(key)
    return known[2] if known else Agency.objects.get(pk=key).short  # one that has ended
