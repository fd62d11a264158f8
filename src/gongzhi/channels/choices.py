"""What people choose: which kinds of notice come by which channel, at once, once a day or never; and how it is ended by a link."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gongzhi.channels.models import Choice, Delivery
from gongzhi.channels.times import next_digest, quiet_end
from gongzhi.tongue import sense

NOW, DIGEST, NEVER = "now", "digest", "never"
KINDS = MappingProxyType({
    "red": _("已超期"), "escalated": sense("notice", "催办"), "amber": _("快到期"), "assigned": _("新转来"), "task": _("任务"), "changed": _("有变化"),
})  # fmt: skip
"""The kinds of notice, the most urgent first."""
CHANNELS = MappingProxyType({"mail": _("邮件"), "sms": _("短信")})
WAYS = MappingProxyType({NOW: _("立即"), DIGEST: _("每日汇总"), NEVER: _("不要")})
URGENT = ("red", "escalated")
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "mail": {"red": NOW, "escalated": NOW, "amber": DIGEST, "assigned": NOW, "task": NOW, "changed": DIGEST},
    "sms": dict.fromkeys(KINDS, NEVER),
}
ALL = "all"


def ways(channel: str) -> list[str]:
    """Return what may be chosen for a channel; nobody wants a digest as a short message."""
    return [NOW, NEVER] if channel == "sms" else [NOW, DIGEST, NEVER]


def chosen(account: int) -> Choice:
    """Return what the account chose, with the defaults where it chose nothing."""
    return Choice.objects.filter(account=account).first() or Choice(account_id=account)


def how(choice: Choice, channel: str, kind: str) -> str:
    """Return how this kind comes by this channel."""
    key = f"{channel}:{kind}"
    if key in choice.stopped:
        return NEVER
    wanted = choice.how.get(key)
    return wanted if wanted in ways(channel) else _DEFAULTS[channel].get(kind, NEVER)


def when(choice: Choice, channel: str, kind: str, at: datetime) -> datetime | None:
    """Return when a notice of this kind goes out that was made at ``at``; None: never."""
    match how(choice, channel, kind):
        case "now":
            passes = choice.urgent_passes and kind in URGENT
            return at if passes else quiet_end(at, choice.quiet_from, choice.quiet_until)
        case "digest":
            return next_digest(at, choice.digest_hour)
        case _:
            return None


def keep(choice: Choice, now: datetime | None = None) -> None:
    """Keep a choice; what waits already follows it."""
    now = now or timezone.now()
    with transaction.atomic():
        choice.save()
        for waiting in Delivery.objects.select_for_update().filter(
            account=choice.account_id, message=None, dropped=False
        ):
            due = when(choice, waiting.channel, waiting.kind, now)
            Delivery.objects.filter(pk=waiting.pk).update(**({"dropped": True} if due is None else {"due_at": due}))


# --- ended by a link ------------------------------------------------------------------------------------------------


def stop_token(account: int, channel: str, kind: str) -> str:
    """Return what a link carries that ends this kind (or ``all``) by this channel for this account, without signing in."""
    return signing.Signer(salt="gongzhi.unsubscribe", sep="~").sign(f"{account}.{channel}.{kind}")


def read_token(token: str) -> tuple[int, str, str] | None:
    """Return account, channel and kind of a token, None for one that we did not make."""
    try:
        account, channel, kind = signing.Signer(salt="gongzhi.unsubscribe", sep="~").unsign(token).split(".")
    except (signing.BadSignature, ValueError):
        return None
    return (int(account), channel, kind) if channel in CHANNELS and (kind == ALL or kind in KINDS) else None


def stop(account: int, channel: str, kind: str) -> None:
    """End this kind by this channel. Doing it twice is doing it once."""
    _set(account, channel, kind, stopped=True)


def resume(account: int, channel: str, kind: str) -> None:
    """Undo ``stop``: what was chosen before is chosen again."""
    _set(account, channel, kind, stopped=False)


def stopped(account: int, channel: str, kind: str) -> bool:
    """Return whether a link has ended this kind by this channel."""
    return set(_keys(channel, kind)) <= set(chosen(account).stopped)


def _set(account: int, channel: str, kind: str, *, stopped: bool) -> None:
    with transaction.atomic():
        Choice.objects.get_or_create(account_id=account)
        choice = Choice.objects.select_for_update().get(account=account)
        keys = set(_keys(channel, kind))
        choice.stopped = sorted(set(choice.stopped) | keys if stopped else set(choice.stopped) - keys)
        choice.save(update_fields=["stopped"])


def _keys(channel: str, kind: str) -> Iterable[str]:
    return [f"{channel}:{one}" for one in (KINDS if kind == ALL else [kind])]
