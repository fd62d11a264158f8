"""Addresses of the people who work here: personal data of staff, encrypted like a party's fields.

An address is put by its owner, who proves it with a code that was sent there, or by an administrator, whose entry stays
unproven until the owner has done the same. Every change is a line in the directory's chain; the line names account and
channel, never the address.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.act import execute
from gongzhi.kernel.addresses import NO_MAIL, mail
from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.keys import keyed_hash, new_key, open_field, seal_field, unwrap, wrap
from gongzhi.kernel.limits import allow
from gongzhi.kernel.models import Contact
from gongzhi.kernel.models.contacts import CHANNELS
from gongzhi.kernel.normal import normal
from gongzhi.kernel.refusals import Absent, Invalid

CODE_HOLDS = timedelta(minutes=15)
CODES_AN_HOUR = 5


@dataclass(frozen=True, slots=True)
class Address:
    """An opened address, and since when it is proven (None: not yet)."""

    text: str
    verified_at: datetime | None


def contacts(actor: Actor) -> dict[str, Contact]:
    """Return the actor's own addresses by channel, masked."""
    with acting(actor):
        return {held.channel: held for held in Contact.objects.filter(account=actor.account)}


def put(actor: Actor, channel: str, text: str) -> str:
    """Put one's own address and return the code that must be sent there. Raises Invalid."""
    _may_ask(actor.account)
    code = _new_code()
    _put(actor, actor.account, channel, text, code)
    return code


def put_for(actor: Actor, account: int, channel: str, text: str) -> None:
    """Put an account's address as an administrator; it stays unproven. Raises Invalid and Absent."""
    _put(actor, account, channel, text, None)


def new_code(actor: Actor, channel: str) -> str:
    """Return a new code for one's own address that is not proven yet. Raises Invalid and Absent."""
    _may_ask(actor.account)
    code = _new_code()
    done = execute(
        "SELECT kernel.new_contact_code(%s::bigint, %s::text, %s::bytea, %s::timestamptz)",
        [actor.post, channel, _code_hash(actor.account, channel, code), timezone.now() + CODE_HOLDS],
    )
    if not done[0]:
        raise Absent
    return code


def confirm(actor: Actor, channel: str, code: str) -> None:
    """Prove one's own address with the code. Raises Invalid."""
    digits = normal("code", code)
    answer = change(
        actor, "confirm_contact", "text, bytea", [channel, _code_hash(actor.account, channel, digits)],
        {"account": actor.account, "channel": channel},
    )  # fmt: skip
    if answer == "wrong":
        raise Invalid({"code": [_("验证码不对，请检查后重新输入。")]})
    if answer == "ended":
        raise Invalid({"code": [_("验证码已失效，请重新获取。")]})


def drop(actor: Actor, account: int, channel: str) -> None:
    """Forget an address: one's own, or as an administrator. Raises Absent."""
    change(
        actor, "drop_contact", "bigint, text", [account, channel], {"account": account, "channel": channel},
    )  # fmt: skip


def address_of(actor: Actor, account: int, channel: str) -> Address | None:
    """Return an account's address: for the account itself, and for the clock, which sends. None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, address, verified_at FROM kernel.contact(%s, %s, %s)", [actor.post, account, channel]
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Address(open_field(unwrap(row[0]), _place(account), channel, row[1]), row[2])


def reachable(account: int, channel: str = "mail") -> bool:
    """Return whether the account is open and has a proven address of this kind."""
    return bool(execute("SELECT kernel.reachable(%s::bigint, %s::text)", [account, channel])[0])


def checked(channel: str, text: str) -> str:
    """Return an address in the form that is kept. Raises Invalid.

    Mail: an ordinary address, the domain in its ASCII form. Mobile: E.164; a number without a country is taken for a mainland
    mobile, which is all that can be told apart without one.
    """
    if channel == "mail":
        kept = mail(text)
        if not kept:
            raise Invalid({"address": [str(NO_MAIL)]})
        return kept
    if channel != "sms":
        raise Invalid({"channel": [_("没有这种联系方式。")]})
    digits = normal("phone", text)
    made = f"+86{digits}" if re.fullmatch(r"1[3-9]\d{9}", digits) else re.sub(r"^00", "+", digits)
    if not re.fullmatch(r"\+[1-9]\d{6,14}", made):
        raise Invalid({"address": [_("请填写手机号码；境外号码以 + 和国家代码开头。")]})
    return made


def masked(channel: str, address: str) -> str:
    """Return an address as its owner's page shows it."""
    if channel == "mail":
        local, _at, domain = address.rpartition("@")
        return f"{local[:1]}***@{domain}"[:80]
    return f"{address[:-8]}****{address[-4:]}"


def _put(actor: Actor, account: int, channel: str, text: str, code: str | None) -> None:
    if channel not in CHANNELS:
        raise Invalid({"channel": [_("没有这种联系方式。")]})
    address, key = checked(channel, text), new_key()
    change(
        actor, "put_contact", "bigint, text, bytea, bytea, text, bytea, timestamptz",
        [
            account, channel, wrap(key), seal_field(key, _place(account), channel, address), masked(channel, address),
            _code_hash(account, channel, code) if code else None, timezone.now() + CODE_HOLDS if code else None,
        ],
        {"account": account, "channel": channel},
    )  # fmt: skip


def _place(account: int) -> UUID:
    """Return what binds a ciphertext to its account, as a party's id binds the party's."""
    return uuid5(NAMESPACE_OID, f"gongzhi account {account}")


def _new_code() -> str:
    return f"{secrets.randbelow(10**6):06}"


def _code_hash(account: int, channel: str, code: str) -> bytes:
    return keyed_hash("contact code", f"{account} {channel} {code}".encode())


def _may_ask(account: int) -> None:
    if not allow(f"contact:{account}", count=CODES_AN_HOUR, seconds=3600):
        raise Invalid({"address": [_("获取验证码的次数太多了，请一小时后再试。")]})
