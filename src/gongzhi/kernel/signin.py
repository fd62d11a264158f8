"""Signing in: Argon2id hashes, a lock-out that an attacker cannot turn into a way to learn which names exist."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.limits import allow
from gongzhi.kernel.models import SignInTry

TRIES = 5
LOCKED_MINUTES = 15

_hasher = PasswordHasher()  # RFC 9106, low-memory profile
_NOBODY = _hasher.hash("nobody has this password")


class SignInRefused(Exception):
    """Not signed in; the sentence is the same for a wrong name and a wrong password."""


def hash_password(password: str) -> str:
    """Return what is kept of a password; which ones are accepted says ``kernel.passwords``."""
    return _hasher.hash(password)


def sign_in(login: str, password: str, address: str) -> int:
    """Return the account's id. ``address`` is where the person comes from (60 tries an hour). Raises SignInRefused."""
    if not allow(f"signin:{address}", count=60, seconds=3600):
        raise SignInRefused(_("从您这里登录的次数太多了，请一小时后再试。"))
    return prove_password(login, password)


def prove_password(login: str, password: str) -> int:
    """Return the id of the account whose password this is. Raises SignInRefused; five wrong ones lock the login."""
    login = login.strip().casefold()[:60]
    locked(login, _("密码"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, password FROM kernel.credentials(%s)", [login])
        account, kept = cursor.fetchone() or (None, "")
    if not _verify(kept, password) or account is None:
        failed(login)
        raise SignInRefused(_("账号或密码不对，请检查后重新输入。"))
    forgive(login)
    return int(account)


def locked(key: str, what: str) -> None:
    """Refuse while the lock-out of ``key`` runs; ``what`` was typed wrongly. Raises SignInRefused."""
    until = SignInTry.objects.filter(login=key).values_list("until", flat=True).first()
    if until and until > timezone.now():
        minutes = max(1, round((until - timezone.now()).total_seconds() / 60))
        raise SignInRefused(
            _("{what}连续输错 {tries} 次，这个账号已暂停登录，请 {minutes} 分钟后再试，或请管理员重设密码。").format(
                what=what, tries=TRIES, minutes=minutes
            )
        )


def forgive(key: str) -> None:
    """Forget the wrong tries of ``key``."""
    SignInTry.objects.filter(login=key).delete()


def _verify(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept or _NOBODY, password[:200]) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


def failed(login: str) -> None:
    """Count; the count of an unknown name is kept too, so that a lock-out tells nothing about who exists."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sign_in_try AS t (login, count, since) VALUES (%s, 1, now())
            ON CONFLICT (login) DO UPDATE
               SET count = CASE WHEN t.since < now() - interval '1 hour' OR t.until < now() THEN 1 ELSE t.count + 1 END,
                   since = CASE WHEN t.since < now() - interval '1 hour' OR t.until < now() THEN now() ELSE t.since END,
                   until = CASE WHEN t.until < now() THEN NULL ELSE t.until END
            """,
            [login],
        )
        cursor.execute(
            "UPDATE sign_in_try SET until = now() + make_interval(mins => %s) WHERE login = %s AND count >= %s AND until IS NULL",
            [LOCKED_MINUTES, login, TRIES],
        )
