"""Looking at a person's fields is an act: a purpose is stated and written down, and only then the fields are shown.

Two steps, two transactions. In one, a rollback would keep the name and lose the log.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel.act import execute
from gongzhi.kernel.canonical import SALT_BYTES, canonical, salted
from gongzhi.kernel.context import Actor, ContextError, acting
from gongzhi.kernel.fields import Line
from gongzhi.kernel.forms import SHOWN_FIELDS, whole_text
from gongzhi.kernel.keys import open_field, seal_words, unwrap
from gongzhi.kernel.masking import unmasked
from gongzhi.kernel.models import Party, RecordKey, Register
from gongzhi.kernel.purposes import LOOKING, TOLD, TOLD_BASIS, Purpose
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.service import Service
from gongzhi.tongue import later

WORDS = "words"
"""What is looked at where it is not a person's fields but the record's texts, with the personal numbers in them."""
NOTE: Any = Line(later("补充说明"), blank=True, max_length=200)
"""Words of one's own beside the purpose; sealed like every remark, for colleagues alone."""


@dataclass(frozen=True)
class _Why:
    """The purpose as it is written down, and until when the person is not told."""

    code: str
    basis: str
    note: str = ""
    until: datetime | None = None


def choices(service: Service, actor: Actor) -> list[Purpose]:
    """Return the purposes that the actor's role may choose for a look in this service."""
    return [one for one in service.reasons.values() if any(role.code == actor.role for role in one.roles)]


def ask(
    actor: Actor, party: UUID, purpose: str, fields: Sequence[str] = (), *, note: str = "", until: date | None = None
) -> UUID:
    """Write down that the actor looks at these fields of the person (all that are known and shown, if none are named).

    ``note`` are words of the actor's own beside the purpose. ``until`` is the first day on which the person may know of the
    look, where the purpose is a sealed one. Returns the disclosure for ``take``. Raises Invalid (no such purpose or field,
    a seal without a right end) and Absent.
    """
    outside()
    with acting(actor):
        found = Party.objects.select_related("record").filter(pk=party).first()
    if found is None:
        raise Absent
    why = _why(found.record.service, actor, purpose, note, until)
    if "mail" in fields:
        raise Invalid({"fields": [_("电子邮箱只用来自动告知结果，不能查看。")]})
    wanted = [name for name in SHOWN_FIELDS if name in (fields or found.known.split())]
    if not wanted or set(fields) - set(found.known.split()):
        raise Invalid({"fields": [_("没有登记这一项个人信息。")]})
    return _ask(actor, found.record, found.pk, why, wanted)


def ask_words(actor: Actor, record: UUID, purpose: str, *, note: str = "", until: date | None = None) -> UUID:
    """Write down that the actor reads the record's texts with the personal numbers in them.

    Returns the disclosure for ``reading``. Raises as ``ask`` does.
    """
    outside()
    with acting(actor):
        found = Register.objects.filter(pk=record).first()
    if found is None:
        raise Absent
    return _ask(actor, found, found.pk, _why(found.service, actor, purpose, note, until), [WORDS])


def _why(service: Service, actor: Actor, purpose: str, note: str, until: date | None) -> _Why:
    """Return the purpose as it is written down. Raises Invalid, and Absent for a role that looks at nobody's fields."""
    if all(role.code != actor.role for role in LOOKING):
        raise Absent
    chosen = next((one for one in choices(service, actor) if one.code == purpose), None)
    if chosen is None:
        raise Invalid({"purpose": [_("请选择查看个人信息的用途。")]})
    return _Why(chosen.code, str(chosen.basis), _noted(note), _end(chosen, until))


def _noted(note: str) -> str:
    try:
        return str(whole_text(NOTE.formfield().clean(note)))
    except ValidationError as error:
        raise Invalid({"note": list(error.messages)}) from error


def _end(purpose: Purpose, until: date | None) -> datetime | None:
    """Return the moment at which the seal of a look ends. Raises Invalid."""
    if not purpose.sealed:
        if until is not None:
            raise Invalid({"until": [_("这个用途不能暂不告知本人。")]})
        return None
    today = timezone.localdate()
    last = today + timedelta(days=purpose.sealed)
    if until is None or not today < until <= last:
        raise Invalid({"until": [_("请填写从哪一天起告知本人，最晚 {last}。").format(last=last.isoformat())]})
    return timezone.make_aware(datetime.combine(until, time.min))


def mail_of(clock: Actor, party: UUID) -> str:
    """Return the address of a person who wants to be told; that it is opened has been committed before. Raises Absent.

    ``clock`` is the clock's actor: no post of a person's gets an address.
    """
    outside()
    with acting(clock):
        found = Party.objects.select_related("record").filter(pk=party).first()
    if found is None or "mail" not in found.known.split():
        raise Absent
    disclosure = _ask(clock, found.record, found.pk, _Why(TOLD, TOLD_BASIS), ["mail"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.take_mail(%s, %s)", [clock.post, disclosure])
        row = cursor.fetchone()
    if row is None:
        raise Absent
    return open_field(unwrap(row[1]), row[0], "mail", row[2])


def _ask(actor: Actor, record: Register, of: UUID, why: _Why, wanted: Sequence[str]) -> UUID:
    """Commit the disclosure and return it; ``of`` is the party, or the record itself. Raises Absent."""
    if record.erased:  # nothing is left to look at
        raise Absent
    disclosure, entry, now = uuid7(), uuid7(), timezone.now()
    heard, sealed = {}, None
    if why.note:
        salt = secrets.token_bytes(SALT_BYTES)
        heard["note"] = salted(why.note, salt)
        with acting(actor):
            wrapped = RecordKey.objects.filter(record=record).values_list("wrapped", flat=True).first()
        sealed = seal_words(unwrap(wrapped), record.pk, entry, {"note": {"new": why.note, "salt": salt.hex()}})
    until = why.until.isoformat(timespec="microseconds") if why.until else None
    body = canonical(
        {
            "v": 1, "id": str(entry), "record": str(record.pk), "service": record.service_code, "number": record.number,
            "action": "disclose", "post": actor.post, "at": now.isoformat(timespec="microseconds"),
            "party": str(of) if of != record.pk else None,
            "purpose": why.code, "basis": why.basis, "fields": wanted, "disclosure": str(disclosure), "with": heard,
            "until": until,
        }
    )  # fmt: skip
    done = execute(
        "SELECT kernel.ask(%s::bigint, %s::uuid, %s::uuid, %s::uuid, %s::timestamptz, %s::text, %s::text, %s::text, "
        "%s::bytea, %s::timestamptz)",
        [actor.post, of, disclosure, entry, now, why.code, " ".join(wanted), body, sealed, why.until],
    )
    if not done[0]:
        raise Absent
    return disclosure


def take(actor: Actor, disclosure: UUID) -> dict[str, str]:
    """Return the fields that a committed disclosure of the same post, at most ten minutes old, names. Raises Absent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.take(%s, %s)", [actor.post, disclosure])
        row = cursor.fetchone()
    if row is None:
        raise Absent
    party, wrapped, *sealed = row
    key = unwrap(wrapped)
    return {name: open_field(key, party, name, text) for name, text in zip(SHOWN_FIELDS, sealed, strict=True) if text}


@contextmanager
def reading(actor: Actor, disclosure: UUID) -> Iterator[Register]:
    """Read as the actor, with words as they were typed, the record that a committed disclosure names. Raises Absent."""
    with acting(actor), unmasked():
        with connection.cursor() as cursor:
            cursor.execute("SELECT kernel.take_words(%s, %s)", [actor.post, disclosure])
            row = cursor.fetchone()
        if row is None or row[0] is None:
            raise Absent
        yield Register.objects.select_related("agency", "place").get(pk=row[0])


def outside() -> None:
    """Raise ContextError within a transaction: what is written down there could be rolled back."""
    if connection.in_atomic_block:
        raise ContextError("a look is a transaction of its own; call it outside acting()")
