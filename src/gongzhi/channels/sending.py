"""Sending what waits: one worker a channel, one message at a time, at most once each.

Held by an advisory lock of the session, so that two workers never send the same; a lock goes with its process. ``about_to``
writes the state ``sending`` and commits at the last moment at which nothing has gone out. A worker that falls after it leaves
that state behind, and whoever takes the lock next calls the message ``unsure`` instead of sending it again: a notice is still on
the page, and the administrator sees the message and may send it once more. A server that is away costs one connection in
growing intervals, however much waits.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import MappingProxyType

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.channels.config import configured
from gongzhi.channels.mail import MailLine
from gongzhi.channels.models import FAILED, SENDING, SENT, UNSURE, WAITING, Message, Outage, Stopped
from gongzhi.channels.queue import opened
from gongzhi.channels.sms import SmsLine
from gongzhi.channels.transport import Down, Later, Line, Refused, Unsure
from gongzhi.kernel.contacts import address_of, masked
from gongzhi.kernel.context import clock_actor
from gongzhi.kernel.keys import KeysError
from gongzhi.kernel.parties import mail_of
from gongzhi.kernel.refusals import Absent

LINES: Mapping[str, Callable[[], Line]] = MappingProxyType({"mail": MailLine, "sms": SmsLine})
_LOCK = 0x677A6E6F  # "gzno", with the channel's number beside it
_BATCH = 100  # messages on one line; then it hangs up, as servers like it
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(minutes=15)
_TRIES = 8  # of one message that the server puts off: 1, 4, 16 minutes …, six hours at most between two
_ANY_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;]+")
log = logging.getLogger("gongzhi.channels")


def send_waiting(now: datetime | None = None) -> int:
    """Send what is due on every channel that has a server. Returns how many messages were sent."""
    return sum(_send(channel, now or timezone.now()) for channel in LINES if configured(channel))


def _send(channel: str, now: datetime) -> int:
    with _alone(channel) as mine:
        if not mine:
            return 0
        Message.objects.filter(channel=channel, state=SENDING).update(
            state=UNSURE, error=_("发送时程序中断，不知道对方是否已经收到。")
        )
        Message.objects.filter(channel=channel, state=WAITING, ends_at__lte=now).update(
            state=FAILED, sealed=b"", key=b"", error=_("过了有效期还没有发出去，已作废。")
        )
        due = Message.objects.filter(channel=channel, state=WAITING, due_at__lte=now)
        outage = Outage.objects.filter(channel=channel).first()
        if outage.next_at > now if outage else not due.exists():
            return 0  # a server that was away is asked again even where nothing waits: until then no message is made
        sent = 0
        try:
            with LINES[channel]() as line:
                for message in due.order_by("due_at", "made_at")[:_BATCH]:
                    sent += _one(line, message, now)
        except Down as down:
            _down(channel, str(down), now)
        else:
            Outage.objects.filter(channel=channel).delete()
        return sent


def _one(line: Line, message: Message, now: datetime) -> int:
    """Send one message and write down what came of it. Raises Down."""

    def about_to() -> None:
        if not Message.objects.filter(pk=message.pk, state=WAITING).update(state=SENDING):
            raise Later("somebody else has it")

    held = Message.objects.filter(pk=message.pk)
    to = ""
    try:
        to, said = opened(message)
        to = to or _address(message)
        line.send(message.pk, to, said, about_to)
    except Later as later:
        tries = message.tries + 1
        wait = min(timedelta(minutes=4 ** (tries - 1)), timedelta(hours=6))
        state = FAILED if tries >= _TRIES else WAITING
        held.update(state=state, tries=tries, due_at=now + wait, error=_masked(later, message, to))
        return 0
    except (Refused, KeysError) as refused:
        held.update(state=FAILED, error=_masked(refused, message, to))
        return 0
    except Down as down:
        # Whatever it is about this message, the others shall not wait behind it for ever.
        wait = min(timedelta(minutes=4**message.tries), timedelta(hours=6))
        held.filter(state=WAITING).update(tries=F("tries") + 1, due_at=now + wait)
        raise Down(_masked(down, message, to)) from down
    except Unsure as unsure:
        held.update(state=UNSURE, error=_masked(unsure, message, to))
        raise Down(_masked(unsure, message, to)) from unsure
    held.update(state=SENT, sent_at=timezone.now(), error="", sealed=b"", key=b"")
    return 1


def _address(message: Message) -> str:
    """Open the address that the message goes to: of a party's, each time is a look that is written down. Raises Refused."""
    if message.party_id:
        if Stopped.objects.filter(party=message.party_id).exists():
            raise Refused(_("收信人已退订。"))
        try:
            return mail_of(clock_actor(), message.party_id)
        except Absent as absent:
            raise Refused(_("收信人的地址已经不在了。")) from absent
    kept = address_of(clock_actor(), message.account_id or 0, message.channel)
    if kept is None or kept.verified_at is None:
        raise Refused(_("收信人已删除或更换了地址。"))
    return kept.text


def _masked(error: Exception, message: Message, to: str) -> str:
    """Return what went wrong without the address, which servers like to repeat: of a resident's mail, without any address."""
    text = str(error)
    if to:
        text = re.sub(re.escape(to), masked(message.channel, to), text, flags=re.IGNORECASE)
    if message.party_id:
        text = _ANY_ADDRESS.sub("***", text)
    return text[:300]


def _down(channel: str, error: str, now: datetime) -> None:
    """Write down that the server takes nothing, and when it is asked again."""
    held, fresh = Outage.objects.get_or_create(
        channel=channel, defaults={"since": now, "error": error[:300], "next_at": now + _FIRST}
    )
    if not fresh:
        wait = min(_FIRST * 2 ** min(held.tries, 10), _LONGEST)
        Outage.objects.filter(channel=channel).update(error=error[:300], tries=F("tries") + 1, next_at=now + wait)
    log.warning("%s: %s", channel, error)


@contextmanager
def _alone(channel: str) -> Iterator[bool]:
    number = sorted(("mail", "sms")).index(channel)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, number])
        row = cursor.fetchone()
    if not row or not row[0]:
        yield False
        return
    try:
        yield True
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, number])
