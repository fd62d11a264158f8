"""Deadlines as a calendar (iCalendar, RFC 5545) that phones and mail programs subscribe to.

The address is the secret; who fetches it reads as the post it was made for, by that post's rights of the moment, and nothing
once the post has ended. Deadlines are events, not to-dos: the calendars of phones leave subscribed to-dos out. An event ends
when the deadline does and marks no time as busy; its alarm is the amber of the platform.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_safe
from icalendar import Alarm, Calendar, Event, vDuration, vUri

from gongzhi.kernel.context import Actor, NoPost, acting, actor_of
from gongzhi.kernel.duties import owed_by
from gongzhi.kernel.keys import keyed_hash
from gongzhi.kernel.models import Register, Task
from gongzhi.web.models import CalendarFeed

AHEAD, LATE = 400, 100
"""The most deadlines ahead, and the most that are over, in one calendar: the nearest ones."""
_LENGTH = timedelta(minutes=30)
_EVERY = timedelta(hours=1)


def token_of(held: CalendarFeed) -> str:
    """Return the secret part of the address: the row's id and 160 bits of a keyed hash."""
    made = keyed_hash("calendar", held.pk.to_bytes(8) + bytes(held.nonce))[:20]
    return f"{held.pk}-{base64.b32encode(made).decode().lower()}"


def renew(actor: Actor, language: str) -> CalendarFeed:
    """Make the post's calendar, or give it a new address; the old one ends."""
    held, _made = CalendarFeed.objects.update_or_create(
        post_id=actor.post, defaults={"nonce": os.urandom(16), "language": language, "fetched_at": None}
    )
    return held


@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """Answer the calendar of an address. A wrong, revoked or ended one gets the same 404."""
    held = _held(token)
    try:
        actor = actor_of(held.post_id)
        with acting(actor), override(held.language):
            content = _calendar(request, actor).to_ical()
    except NoPost as error:
        raise Http404 from error
    if held.fetched_at is None or held.fetched_at < timezone.now() - _EVERY:
        CalendarFeed.objects.filter(pk=held.pk).update(fetched_at=timezone.now())
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response = HttpResponse(content, content_type="text/calendar; charset=utf-8")
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Content-Disposition"] = 'inline; filename="gongzhi.ics"'
    return get_conditional_response(request, etag=etag, response=response) or response


def _held(token: str) -> CalendarFeed:
    key = token.partition("-")[0]
    held = (
        CalendarFeed.objects.filter(pk=int(key)).first()
        if key.isascii() and key.isdecimal() and len(key) < 10
        else None
    )
    if held is None or not hmac.compare_digest(token_of(held).encode(), token.encode()):
        raise Http404
    return held


def _calendar(request: HttpRequest, actor: Actor) -> Calendar:
    made = Calendar()
    name = _("{agency} · {role} 的期限").format(agency=actor.agency_title, role=actor.role_title)
    made.add("prodid", "-//gongzhi//deadlines//ZH")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("name", name)  # RFC 7986; the next line is what older programs read
    made.add("x-wr-calname", name)
    made.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", vDuration(timedelta(hours=1)))
    now = timezone.now()
    for event in (*_records(request, actor, now), *_tasks(request, actor, now)):
        made.add_component(event)
    return made


def _records(request: HttpRequest, actor: Actor, now: datetime) -> Iterator[Event]:
    mine = Register.objects.filter(owed_by(actor), due_at__isnull=False, paused_at=None).select_related("place")
    for record in (
        *mine.filter(due_at__gte=now).order_by("due_at")[:AHEAD],
        *mine.filter(due_at__lt=now).order_by("-due_at")[:LATE],
    ):
        owed = record.service.procedure.owed(record.stage_code)
        what = str(owed.title) if owed else str(record.stage.title)
        event = _event(request, record, f"{record.pk}@gongzhi", what, record.due_at or now, record.stage_at, now)
        if record.amber_at and record.due_at and record.amber_at < record.due_at - _LENGTH:
            alarm = Alarm()
            alarm.add("action", "DISPLAY")
            alarm.add("description", event["summary"])
            alarm.add("trigger", record.amber_at - (record.due_at - _LENGTH))
            event.add_component(alarm)
        yield event


def _tasks(request: HttpRequest, actor: Actor, now: datetime) -> Iterator[Event]:
    if actor.own is None:
        return
    open_ones = Task.objects.filter(Q(agency=actor.own), done_at=None).select_related(
        "record", "record__place", "entry"
    )
    for task in open_ones.order_by("-due_at")[:LATE]:
        what = _("任务") if task.record.service.quiet else _("任务“{title}”").format(title=task.title)
        yield _event(request, task.record, f"{task.pk}@gongzhi", what, task.due_at, task.entry.at, now)


def _event(
    request: HttpRequest, record: Register, uid: str, what: str, due: datetime, since: datetime, now: datetime
) -> Event:
    said = record.number if record.service.quiet else f"{record.number} {record.title}"
    summary = _("{what} · {record}").format(what=what, record=said)
    local = timezone.localtime(due)
    address = request.build_absolute_uri(f"/work/r/{record.number}")
    event = Event()
    event.add("uid", uid)
    event.add(
        "dtstamp", since
    )  # without METHOD: when this revision was made, so that an unchanged calendar is unchanged
    event.add("last-modified", since)
    event.add("sequence", record.version)
    event.add("dtstart", due - _LENGTH)
    event.add("dtend", due)
    event.add("summary", _("已超期：{summary}").format(summary=summary) if due < now else summary)
    until = _("请在 {date} {time} 前办理。").format(date=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}")
    event.add("description", f"{until}\n{address}")
    event.add("location", record.place.name)
    event.add("url", vUri(address))
    event.add("transp", "TRANSPARENT")
    event.add("priority", 1 if due < now else 5)
    return event
