"""Identities from outside: which person of which identity provider signs in as which account.

A link is made and ended by an administrator, never at a sign-in; each is a line in the directory's chain. An e-mail address
is no proof of an account.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor
from gongzhi.kernel.refusals import Invalid


@dataclass(frozen=True)
class Identity:
    """A person at a provider: the issuer's address and its name for the person."""

    id: int
    issuer: str
    subject: str
    linked_at: datetime


def account_of(issuer: str, subject: str) -> int | None:
    """Return the open account of a person whom the provider has just vouched for."""
    return _one("SELECT kernel.identity(%s, %s)", issuer, subject)


def link(actor: Actor, account: int, issuer: str, subject: str) -> int:
    """Link a person of a provider with an account, as an administrator; return the link. Raises Invalid, Absent."""
    issuer, subject = issuer.strip(), subject.strip()
    if not issuer or len(issuer) > 200:
        raise Invalid({"issuer": [_("请填写认证服务的地址，不超过 {most} 个字符。").format(most=200)]})
    if not subject or len(subject) > 255:
        raise Invalid({"subject": [_("请填写认证服务给这个人的编号，不超过 {most} 个字符。").format(most=255)]})
    if _one("SELECT kernel.identity(%s, %s)", issuer, subject):
        raise Invalid({"subject": [_("这个外部身份已经连到一个账号，请先解除。")]})
    said = {"account": account, "issuer": issuer}
    return int(change(actor, "link_identity", "bigint, text, text", [account, issuer, subject], said))


def unlink(actor: Actor, identity: int) -> None:
    """End a link, as an administrator. Raises Absent."""
    change(actor, "unlink_identity", "bigint", [identity], {"identity": identity})


def identities(actor: Actor, account: int) -> list[Identity]:
    """Return the identities of an account: one's own, or as its administrator."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.identities(%s, %s)", [actor.post, account])
        rows = cursor.fetchall()
    return [Identity(*row) for row in rows]


def _one(sql: str, *arguments: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(arguments))
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] else None
