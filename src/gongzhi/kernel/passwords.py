"""Passwords: what is accepted, how one's own is changed, and links that let a person choose one.

A link is good once and for a while; the database keeps its hash. Setting a password raises the account's epoch, so that
every session and every token of the account ends.
"""

import secrets
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor, acting, portal_actor
from gongzhi.kernel.limits import allow
from gongzhi.kernel.models import Account
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused, forgive, hash_password, prove_password

RESET_MINUTES = 30
FIRST_MINUTES = 7 * 24 * 60
"""How long the link of a new account holds: people are told of it in a meeting or by post."""
SHORTEST, LONGEST = 10, 200


@dataclass(frozen=True)
class Opened:
    """The account whose password a link sets."""

    account: int
    login: str
    name: str


@cache
def _common() -> CommonPasswordValidator:
    return CommonPasswordValidator()


def checked(password: str, login: str = "") -> str:
    """Return what is kept of a password that is good enough. Raises Invalid with a sentence for one that is not."""
    try:
        if not SHORTEST <= len(password) <= LONGEST:
            raise Invalid({"password": [_("密码应有 {least} 到 {most} 个字符。").format(least=SHORTEST, most=LONGEST)]})
        _common().validate(password)
    except ValidationError as error:
        raise Invalid({"password": [_("这个密码太常见，容易被猜到，请换一个。")]}) from error
    if len(set(password)) < 4:
        raise Invalid({"password": [_("这个密码太简单，请换一个。")]})
    if login and login.casefold() in password.casefold() and len(password) - len(login) < SHORTEST // 2:
        raise Invalid({"password": [_("密码不能只是登录名加几个字，请换一个。")]})
    return hash_password(password)


def change_own(actor: Actor, old: str, new: str) -> None:
    """Change one's own password; the old one is asked for. Raises Invalid."""
    with acting(actor):
        login = Account.objects.values_list("login", flat=True).get(pk=actor.account)
    try:
        prove_password(login, old)
    except SignInRefused as refused:
        raise Invalid({"old": [str(refused)]}) from refused
    if old == new:
        raise Invalid({"password": [_("新密码和原来的一样，请换一个。")]})
    put(actor, actor.account, checked(new, login))


def put(actor: Actor, account: int, kept: str) -> None:
    """Give an account the password of which ``kept`` is what ``checked`` returned; its sessions and tokens end."""
    change(
        actor, "put_account", "bigint, text, text, boolean, text", [account, None, None, None, kept],
        {"account": account, "password": True},
    )  # fmt: skip


def make_link(actor: Actor, account: int, *, first: bool = False) -> str:
    """Return the secret of a link that sets the account's password, as an administrator. Raises Absent.

    It holds for half an hour, or for a week where it is the ``first`` of a new account; earlier ones end.
    """
    secret = secrets.token_urlsafe(32)
    minutes = FIRST_MINUTES if first else RESET_MINUTES
    change(
        actor, "make_link", "bigint, bytea, int", [account, _hash(secret), minutes],
        {"account": account, "minutes": minutes},
    )  # fmt: skip
    return secret


def ask_link(login: str, address: str) -> tuple[int, str] | None:
    """Return (account, the secret of a link) for a person who has forgotten the password, None where there is no account.

    The caller sends the link to the account's own address and tells nobody which of the two it was. At most three an hour
    for one login and twenty for one ``address``: more are answered with None.
    """
    login = login.strip().casefold()[:60]
    if not allow(f"reset:{address}", count=20, seconds=3600) or not allow(f"reset-of:{login}", count=3, seconds=3600):
        return None
    secret = secrets.token_urlsafe(32)
    with connection.cursor() as cursor:
        cursor.execute("SELECT kernel.ask_link(%s, %s, %s)", [login, _hash(secret), RESET_MINUTES])
        row = cursor.fetchone()
    return (int(row[0]), secret) if row and row[0] else None


def open_link(secret: str) -> Opened | None:
    """Return whose password the link sets, None for one that was used, has expired or never was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, login, name FROM kernel.open_link(%s)", [_hash(secret)])
        row = cursor.fetchone()
    return Opened(*row) if row else None


def use_link(secret: str, password: str) -> None:
    """Set the password that the link's holder has chosen. Raises Invalid, and Absent for a link that holds no more."""
    opened = open_link(secret)
    if opened is None:
        raise Absent
    kept = checked(password, opened.login)
    change(portal_actor(), "use_link", "bytea, text", [_hash(secret), kept], {"account": opened.account})
    forgive(opened.login)


def _hash(secret: str) -> bytes:
    """Return what is kept of a link: 256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()
