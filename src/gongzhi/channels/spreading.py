"""From notices to messages: who hears of it, by which channel, when; and what comes together goes together.

Two steps. ``spread`` writes down, for each notice once, who shall have it when. ``gather`` makes one message of everything that is due
for one person on one channel, by what the person's posts see at that moment; not more than one in five minutes, none while the channel's
server is away. So a night, an import or a dead server ends in one mail with counts, not in hundreds.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import override

from gongzhi.channels.choices import CHANNELS, NEVER, chosen, how, when
from gongzhi.channels.config import SettingsWrong, configured, site
from gongzhi.channels.models import SENDING, WAITING, Choice, Delivery, Message, Outage
from gongzhi.channels.queue import HOLDS, store
from gongzhi.channels.wording import Board, Item, Told, notices
from gongzhi.kernel.context import acting, actors_of, clock_actor
from gongzhi.kernel.duties import owed_by
from gongzhi.kernel.models import Notice, Register

GAP = timedelta(minutes=5)
_BATCH = 500
_PEOPLE = 500
_OF_NOTICES = "notices"
_OF_DEADLINES = ("amber", "red")


def spread(now: datetime | None = None) -> int:
    """Write down who shall have the new notices, and when. Returns how many notices were looked at."""
    now, clock, total = now or timezone.now(), clock_actor(), 0
    open_channels = {channel for channel in CHANNELS if configured(channel)}
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT notice, kind, at, account, channel FROM kernel.unspread(%s, %s)", [clock.post, _BATCH]
            )
            rows = cursor.fetchall()
            wanted = [
                (notice, kind, account, channel)
                for notice, kind, _at, account, channel in rows
                if channel in open_channels
            ]
            choices = {held.account_id: held for held in Choice.objects.filter(account__in={row[2] for row in wanted})}
            made = []
            for notice, kind, account, channel in wanted:
                due = when(choices.get(account) or Choice(account_id=account), channel, kind, now)
                if due is not None:
                    made.append(Delivery(notice_id=notice, account_id=account, channel=channel, kind=kind, due_at=due))
            Delivery.objects.bulk_create(made, ignore_conflicts=True)
            told = sorted({row[0] for row in rows})
            if told:
                cursor.execute("SELECT kernel.mark_spread(%s, %s)", [clock.post, told])
        total += len(told)
        if len(told) < _BATCH:
            return total


def gather(now: datetime | None = None) -> int:
    """Make messages of what is due. Returns how many."""
    now, made = now or timezone.now(), 0
    try:
        site()
    except SettingsWrong:
        return 0  # gongzhi check says so; a mail without links would be of no use
    for channel in CHANNELS:
        if not configured(channel) or Outage.objects.filter(channel=channel).exists():
            continue
        due = Delivery.objects.filter(channel=channel, message=None, dropped=False, due_at__lte=now)
        for account in due.values_list("account", flat=True).distinct().order_by("account")[:_PEOPLE]:
            made += _gather(account, channel, now)
    return made


def _gather(account: int, channel: str, now: datetime) -> int:
    earlier = Message.objects.filter(account=account, channel=channel, kind=_OF_NOTICES)
    if earlier.filter(Q(state__in=(WAITING, SENDING)) | Q(made_at__gt=now - GAP)).exists():
        return 0
    held = Delivery.objects.filter(account=account, channel=channel, message=None, dropped=False, due_at__lte=now)
    rows = dict(held.order_by("pk").values_list("pk", "notice_id"))
    choice = chosen(account)
    with override(choice.language or settings.LANGUAGE_CODE):
        seen, board = _seen(account, list(rows.values()), now)
        seen = {key: item for key, item in seen.items() if how(choice, channel, item.kind) != NEVER}
        told = Told([seen[notice] for notice in rows.values() if notice in seen], board)
        said = notices(account, channel, told) if told.items else None
    with transaction.atomic():
        message = (
            store(
                channel, account, said, once=f"notices:{account}:{channel}:{max(rows)}", holds=HOLDS, kind=_OF_NOTICES
            )
            if said
            else None
        )
        carried = [key for key, notice in rows.items() if notice in seen]
        Delivery.objects.filter(pk__in=carried).update(message=message)
        Delivery.objects.filter(pk__in=set(rows) - set(carried)).update(dropped=True)
    return int(message is not None)


def _seen(account: int, keys: Iterable[int], now: datetime) -> tuple[dict[int, Item], Board]:
    """Return the notices that the account's posts see at this moment and that still matter, and what they owe."""
    seen: dict[int, Item] = {}
    board = Board()
    day_ends = timezone.localtime(now).replace(hour=23, minute=59, second=59, microsecond=999999)
    for actor in actors_of(account):
        with acting(actor):
            for notice in Notice.objects.filter(pk__in=keys, agency=actor.own).select_related("record"):
                if notice.kind in _OF_DEADLINES and notice.record.closed_at is not None:
                    continue
                seen.setdefault(notice.pk, Item.of(notice))
            counts = Register.objects.filter(owed_by(actor), paused_at=None).aggregate(
                late=Count("pk", filter=Q(due_at__lt=now)),
                today=Count("pk", filter=Q(due_at__gte=now, due_at__lte=day_ends)),
            )
            board.late += counts["late"]
            board.today += counts["today"]
    return seen, board
