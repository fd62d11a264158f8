"""Second factor 动态口令: one-time codes of a phone (TOTP, RFC 6238) and ten recovery codes.

The secret is sealed under the master key, bound to its account, and read only through ``kernel.factor``. A code counts in
its own step of thirty seconds and one step around it, and never twice. Wrong codes lock as wrong passwords do.
"""

import hmac
import secrets
import time
from base64 import b32encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import connection
from django.utils.translation import gettext as _

from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor
from gongzhi.kernel.keys import keyed_hash, open_secret, seal_secret
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused, failed, forgive, locked

STEP = 30  # seconds
WINDOW = 1  # steps before and after
DIGITS = 6
RECOVERY = 10
_SECRET_BYTES = 20  # RFC 4226, section 4: 160 bits are recommended
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Factor:
    """What an account has: ``proven`` once the phone has shown a code, and how many recovery codes are left."""

    secret: bytes
    proven: bool
    left: int


def factor_of(account: int) -> Factor | None:
    """Return the account's second factor, None where it has none. Ask only for who has proven the password."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed, proven, left_over FROM kernel.factor(%s)", [account])
        row = cursor.fetchone()
    return Factor(open_secret(factor_purpose(account), row[0]), row[1], row[2]) if row else None


def has_factor(account: int) -> bool:
    """Return whether signing in as the account asks for a code."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proven FROM kernel.factor(%s)", [account])
        row = cursor.fetchone()
    return bool(row and row[0])


def begin(actor: Actor) -> bytes:
    """Return the secret that the person's phone is to learn: the one begun before, or a new one. Raises Absent."""
    held = factor_of(actor.account)
    if held is not None:
        if held.proven:
            raise Absent
        return held.secret
    secret = secrets.token_bytes(_SECRET_BYTES)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kernel.begin_factor(%s, %s)", [actor.post, seal_secret(factor_purpose(actor.account), secret)]
        )
    return secret


def prove(actor: Actor, code: str) -> list[str]:
    """Switch the second factor on with the phone's first code; return the recovery codes, shown this once. Raises Invalid."""
    held = factor_of(actor.account)
    if held is None or held.proven:
        raise Absent
    step = _step(held.secret, code)
    if step is None:
        raise Invalid({"code": [_("动态口令不对。请看手机上现在的六位数字；手机的时间要准。")]})
    codes = _recovery()
    change(
        actor, "prove_factor", "bigint, bytea[]", [step, [_kept(actor.account, one) for one in codes]],
        {"account": actor.account},
    )  # fmt: skip
    return codes


def renew(actor: Actor) -> list[str]:
    """Make ten new recovery codes; the old ones hold no more. Raises Absent."""
    codes = _recovery()
    hashes = [_kept(actor.account, one) for one in codes]
    change(actor, "new_recovery", "bytea[]", [hashes], {"account": actor.account})
    return codes


def drop(actor: Actor, account: int) -> None:
    """Take the second factor of an account away: one's own, or as an administrator for a lost phone. Raises Absent."""
    change(actor, "drop_factor", "bigint", [account], {"account": account})


def check(account: int, code: str) -> None:
    """Take a code of the phone, or a recovery code, of who has proven the password. Raises SignInRefused."""
    key = f"\x1ffactor:{account}"  # no login can be typed like this
    locked(key, _("动态口令"))
    held = factor_of(account)
    if held is None or not held.proven:
        raise SignInRefused(_("这个账号没有动态口令。"))
    plain = "".join(letter for letter in code.casefold() if letter.isalnum())
    if plain.isdecimal() and len(plain) == DIGITS:
        step = _step(held.secret, plain)
        good = step is not None and _asked("SELECT kernel.take_step(%s, %s)", account, step)
    else:
        good = bool(plain) and _asked("SELECT kernel.take_recovery(%s, %s)", account, _kept(account, plain))
    if not good:
        failed(key)
        raise SignInRefused(_("动态口令不对，或已经用过。请等手机显示下一个，再输入一次。"))
    forgive(key)


def address_of(secret: bytes, login: str, issuer: str) -> str:
    """Return the otpauth address that a phone reads from the QR code."""
    return _totp(secret).get_provisioning_uri(login, issuer)


def spelled(secret: bytes) -> str:
    """Return the secret as it is typed into a phone that cannot read the QR code: base32 in groups of four."""
    text = b32encode(secret).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def code_at(secret: bytes, moment: float) -> str:
    """Return the code of a moment, in seconds since 1970."""
    return _totp(secret).generate(int(moment)).decode()


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP, enforce_key_length=False)  # noqa: S303 (RFC 6238's usual hash)


def _step(secret: bytes, code: str) -> int | None:
    """Return the time step whose code this is, within the window."""
    plain = "".join(letter for letter in code if not letter.isspace())
    now = int(time.time()) // STEP
    for step in (now, now - WINDOW, now + WINDOW):
        if plain.isascii() and hmac.compare_digest(code_at(secret, step * STEP), plain):
            return step
    return None


def _recovery() -> list[str]:
    """Return ten codes of ten letters (49 bits each), in two groups."""
    made = ["".join(secrets.choice(_LETTERS) for _letter in range(10)) for _code in range(RECOVERY)]
    return [f"{code[:5]}-{code[5:]}" for code in made]


def _kept(account: int, code: str) -> bytes:
    plain = "".join(letter for letter in code.casefold() if letter.isalnum())
    return keyed_hash("recovery code", f"{account}:{plain}")


def factor_purpose(account: int) -> str:
    """Return what binds an account's sealed secret to the account."""
    return f"second factor {account}"


def _asked(sql: str, *arguments: int | bytes) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(arguments))
        row = cursor.fetchone()
    return bool(row and row[0])
