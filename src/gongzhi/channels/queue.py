"""What is to be sent. Queueing is one INSERT and never waits for a server; the worker sends.

post_mail(account, Said("重设密码", (Line("请点击链接重设密码：", url),)), once=f"reset:{link.pk}", holds=timedelta(hours=1))
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from gongzhi.channels.config import configured
from gongzhi.channels.models import SENT, WAITING, Choice, Delivery, Message
from gongzhi.kernel.contacts import reachable
from gongzhi.kernel.context import acting, clock_actor
from gongzhi.kernel.keys import new_key, open_field, seal_field, unwrap, wrap

HOLDS = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Line:
    """One paragraph; with ``url``, a link whose text it is. ``head`` makes it a small heading."""

    text: str
    url: str = ""
    head: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says, in the reader's language already.

    ``short`` is the text of a short message. ``list_id`` names the list that a mail belongs to (a kind of notice), ``stop`` the
    address that ends it; both empty where there is nothing to unsubscribe from.
    """

    subject: str
    lines: Sequence[Line]
    short: str = ""
    list_id: str = ""
    stop: str = ""
    language: str = ""


def language_of(account: int) -> str:
    """Return the language in which the account wants to be written to."""
    chosen = Choice.objects.filter(account=account).values_list("language", flat=True).first()
    return chosen or settings.LANGUAGE_CODE


def post_mail(account: int, said: Said, *, once: str, holds: timedelta = HOLDS) -> bool:
    """Queue a mail to the account's proven address. Returns False, and queues nothing, where it cannot be reached by mail.

    ``once``: the same name is the same mail, and is sent once. After ``holds`` it is not sent any more.
    """
    return post("mail", account, said, once=once, holds=holds)


def post(
    channel: str, account: int, said: Said, *, once: str, holds: timedelta = HOLDS, to: str = "", kind: str = ""
) -> bool:
    """Queue a message. ``to`` names an address that is not proven yet (for the code that proves it), or no longer kept."""
    if not configured(channel) or not (to or reachable(account, channel)):
        return False
    store(channel, account, said, once=once, holds=holds, to=to, kind=kind)
    return True


def store(
    channel: str, account: int | None, said: Said, *, once: str, holds: timedelta, to: str = "", kind: str = "",
    party: UUID | None = None, due: datetime | None = None,
) -> UUID | None:  # fmt: skip
    """Write the message down; return its id, None where its name is taken already.

    It is for an account, for an address (``to``), or for a party; and goes out not before ``due``.
    """
    key, made, now = new_key(), uuid7(), timezone.now()
    if account is not None and not said.language:
        said = replace(said, language=language_of(account))
    words = orjson.dumps({"to": to, **asdict(said), "lines": [asdict(line) for line in said.lines]}).decode()
    found, fresh = Message.objects.get_or_create(
        once=once[:120],
        defaults={
            "id": made, "channel": channel, "account_id": account, "party_id": party, "kind": kind, "key": wrap(key), "made_at": now,
            "sealed": seal_field(key, made, channel, words), "due_at": due or now, "ends_at": (due or now) + holds,
        },
    )  # fmt: skip
    return found.pk if fresh else None


def opened(message: Message) -> tuple[str, Said]:
    """Return a message's own recipient ("" for the account's proven address, or the party's) and its words."""
    words = orjson.loads(open_field(unwrap(message.key), message.pk, message.channel, message.sealed))
    return words.pop("to"), Said(**{**words, "lines": [Line(**line) for line in words["lines"]]})


def again(message: UUID, now: datetime | None = None) -> bool:
    """Queue a message once more that failed or whose fate is unsure; it may then arrive twice. False where nothing is left of it."""
    now = now or timezone.now()
    return bool(
        Message.objects.filter(pk=message, state__in=("failed", "unsure"))
        .exclude(sealed=b"")
        .update(state=WAITING, tries=0, due_at=now, ends_at=now + HOLDS, error="")
    )


def forget(records: Iterable[UUID]) -> int:
    """Drop what is still to be told of records that were erased; return how many messages lost their words.

    What a waiting message also says of other records is gathered anew. Of one that failed or may have gone out a row
    without words stays.
    """
    clock, erased = clock_actor(), list(records)
    with acting(clock):
        with connection.cursor() as cursor:
            cursor.execute("SELECT kernel.erased_notices(%s, %s)", [clock.post, erased])
            gone = [row[0] for row in cursor.fetchall()]
        about = Q(deliveries__notice__in=gone) | Q(party__record__in=erased)
        found = dict(Message.objects.filter(about).exclude(sealed=b"").values_list("pk", "state"))
        waiting = [key for key, state in found.items() if state == WAITING]
        Delivery.objects.filter(message__in=waiting, notice__in=gone).update(message=None, dropped=True)
        Delivery.objects.filter(message__in=waiting).update(message=None)
        Message.objects.filter(pk__in=waiting, state=WAITING).delete()
        Message.objects.filter(pk__in=found).update(sealed=b"", key=b"")
    return len(found)


def sweep(now: datetime | None = None) -> int:
    """Forget what is older than 30 days, and blank the words of what was sent. The worker calls it."""
    now = now or timezone.now()
    Message.objects.filter(state=SENT).exclude(sealed=b"").update(sealed=b"", key=b"")
    return Message.objects.filter(made_at__lt=now - timedelta(days=30)).exclude(state=WAITING).delete()[0]
