"""Delegation 代理: a post lent to a colleague from one day to another, and what is handed over with it.

A delegate holds a post of their own that stands for the other person's: it sees and does what that post does, every entry
says 乙 代 甲, and it ends by itself. Who may lend what stands in ``kernel.lend_post``; here are the sentences for what
does not fit.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.canonical import SALT_BYTES, salted
from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor, acting, named
from gongzhi.kernel.models import Entry, Post
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import ADMIN, ROLES, STAFF

LONGEST_DAYS = 366
LONGEST_NOTE = 2000
_STAFF = [role.code for role in STAFF]


@dataclass(frozen=True)
class Lent:
    """A delegation: ``post`` is the delegate's, ``lent`` the one it stands for; ``until`` is the first day after it."""

    post: int
    lent: int
    lender: int
    lender_name: str
    delegate: int
    delegate_name: str
    agency: str
    role: str
    place: str
    since: date
    until: date
    note: str
    lent_by: str
    lent_at: datetime
    ended_at: datetime | None

    @property
    def role_title(self) -> str:
        """The role in words."""
        return str(ROLES[self.role].title)

    @property
    def last(self) -> date:
        """The last day."""
        return self.until - timedelta(days=1)

    @property
    def state(self) -> str:
        """``coming``, ``running``, ``back`` (taken back before its last day) or ``over``."""
        today = timezone.localdate()
        if self.until <= today or self.until <= self.since:
            return "back" if self.ended_at else "over"
        return "running" if self.since <= today else "coming"


def lend(actor: Actor, post: int, to: int, since: date, last: date, note: str = "") -> int:
    """Lend a post to an account from ``since`` to ``last``, both included; return the delegate's post.

    One's own post, to a colleague of the same agency; as an administrator any post of the own area but the own ones.
    Raises Invalid with a sentence for what does not fit, Absent for a post that is not the actor's to lend.
    """
    note = note.strip()
    today = timezone.localdate()
    with acting(actor):
        lent = Post.objects.select_related("account").filter(pk=post, role__in=_STAFF).first()
        own = Post.objects.get(pk=actor.post)
        held = [one for one in Post.objects.filter(account_id=to, account__active=True, behalf=None, role__in=_STAFF)
                if one.since <= today and (one.until is None or one.until > today)]  # fmt: skip
        taken = Post.objects.filter(behalf_id=post, since__lte=last, until__gt=since).exclude(until__lte=F("since"))
        other = taken.values_list("account__name", flat=True).first()
    if lent is None or (lent.account_id != actor.account and actor.role != ADMIN.code):
        raise Absent
    errors = {
        "post": _whether(actor, own, lent), "to": _whom(actor, lent, to, held), **_when(lent, since, last, today),
    }  # fmt: skip
    if other and not any(errors.values()):
        errors["since"] = _("这段时间已经由{who}代理。请先收回，或改日期。").format(who=other)
    if len(note) > LONGEST_NOTE:
        errors["note"] = _("交接说明不超过 {most} 个字。").format(most=LONGEST_NOTE)
    if any(errors.values()):
        raise Invalid({name: [text] for name, text in errors.items() if text})
    salt = secrets.token_bytes(SALT_BYTES)
    return int(
        change(
            actor, "lend_post", "bigint, bigint, date, date, text, bytea",
            [post, to, since, last + timedelta(days=1), note, salt],
            {"post": post, "to": to, "since": since.isoformat(), "last": last.isoformat(), "note": salted(note, salt)},
        )
    )  # fmt: skip


def _whether(actor: Actor, own: Post, lent: Post) -> str:
    """Return why the post cannot be lent at all, "" where it can."""
    if own.behalf_id or lent.behalf_id:
        return _("代理的岗位不能再转给别人。请用自己的岗位办理。")
    if lent.account_id == actor.account and lent.role == ADMIN.code:
        return _("管理员岗位不能自己转给别人代理，请另一位管理员办理。")
    return ""


def _whom(actor: Actor, lent: Post, to: int, held: list[Post]) -> str:
    """Return why it cannot be lent to this account, whose posts of today are ``held``."""
    if not held:
        return _("请选择一位有岗位的同事。")
    if to == lent.account_id:
        return _("不能由本人代理自己的岗位。")
    if lent.account_id != actor.account:
        return _("管理员不能指定自己代理别人的岗位，请另一位管理员办理。") if to == actor.account else ""
    if all(one.agency_id != lent.agency_id for one in held):
        return _("自己只能请本单位的同事代理；请别的单位的人代理，要由管理员办理。")
    return ""


def _when(lent: Post, since: date, last: date, today: date) -> dict[str, str]:
    """Return what is wrong with the days."""
    errors = {"since": "", "last": ""}
    if since < today:
        errors["since"] = _("开始的日期不能早于今天。")
    elif since < lent.since:
        errors["since"] = _("这个岗位从 {day} 起才有效。").format(day=lent.since.isoformat())
    if last < since:
        errors["last"] = _("结束的日期不能早于开始的日期。")
    elif (last - since).days >= LONGEST_DAYS:
        errors["last"] = _("一次代理最长一年。")
    elif lent.until and last >= lent.until:
        day = (lent.until - timedelta(days=1)).isoformat()
        errors["last"] = _("这个岗位到 {day} 为止，代理不能更长。").format(day=day)
    return errors


def end(actor: Actor, post: int) -> None:
    """Take a delegation back, or give it back: it ends at once. ``post`` is the delegate's. Raises Absent."""
    change(actor, "end_lending", "bigint", [post], {"post": post})


def lendings(actor: Actor) -> list[Lent]:
    """Return the delegations that the person lent or holds, and for an administrator those of the area; newest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.lendings(%s)", [actor.post])
        rows = cursor.fetchall()
    return [replace(Lent(*row), lent_by=named(row[12])) for row in rows]


def done_for(actor: Actor, limit: int = 200) -> list[Entry]:
    """Return what delegates did for the person, newest first; call it inside ``acting()``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT entry FROM kernel.done_for(%s, %s)", [actor.post, limit])
        found = [row[0] for row in cursor.fetchall()]
    return list(
        Entry.objects.filter(pk__in=found)
        .select_related("record", "account", "agency", "post__behalf__account")
        .order_by("-at")
    )
