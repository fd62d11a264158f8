"""Looking at a person's fields is an act: a purpose is stated and written down, and only then the fields are shown.

Two steps, two transactions. In one, a rollback would keep the name and lose the log.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel.act import execute
from gongzhi.kernel.canonical import canonical
from gongzhi.kernel.context import Actor, ContextError, acting
from gongzhi.kernel.forms import SHOWN_FIELDS
from gongzhi.kernel.keys import open_field, unwrap
from gongzhi.kernel.models import Party
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.tongue import later

TOLD = "told"
"""Purpose of the one look that no person takes: the clock opens an e-mail address to tell its owner."""
TOLD_TITLE = later("有结果了，按本人要求发邮件告知")


def ask(actor: Actor, party: UUID, purpose: str, fields: Sequence[str] = ()) -> UUID:
    """Write down that the actor looks at these fields of the person (all that are known and shown, if none are named).

    Returns the disclosure for ``take``. Raises Invalid (no such purpose or field) and Absent.
    """
    _outside()
    with acting(actor):
        found = Party.objects.select_related("record").filter(pk=party).first()
    if found is None:
        raise Absent
    if purpose not in dict(found.record.service.purposes):
        raise Invalid({"purpose": [_("请选择查看个人信息的用途。")]})
    if "mail" in fields:
        raise Invalid({"fields": [_("电子邮箱只用来自动告知结果，不能查看。")]})
    wanted = [name for name in SHOWN_FIELDS if name in (fields or found.known.split())]
    if not wanted or set(fields) - set(found.known.split()):
        raise Invalid({"fields": [_("没有登记这一项个人信息。")]})
    return _ask(actor, found, purpose, wanted)


def mail_of(clock: Actor, party: UUID) -> str:
    """Return the address of a person who wants to be told; that it is opened has been committed before. Raises Absent.

    ``clock`` is the clock's actor: no post of a person's gets an address.
    """
    _outside()
    with acting(clock):
        found = Party.objects.select_related("record").filter(pk=party).first()
    if found is None or "mail" not in found.known.split():
        raise Absent
    disclosure = _ask(clock, found, TOLD, ["mail"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.take_mail(%s, %s)", [clock.post, disclosure])
        row = cursor.fetchone()
    if row is None:
        raise Absent
    return open_field(unwrap(row[1]), row[0], "mail", row[2])


def _ask(actor: Actor, party: Party, purpose: str, wanted: Sequence[str]) -> UUID:
    """Commit the disclosure and return it. Raises Absent."""
    record = party.record
    disclosure, entry, now = uuid7(), uuid7(), timezone.now()
    body = canonical(
        {
            "v": 1, "id": str(entry), "record": str(record.pk), "service": record.service_code, "number": record.number,
            "action": "disclose", "post": actor.post, "at": now.isoformat(timespec="microseconds"), "party": str(party.pk),
            "purpose": purpose, "fields": wanted, "disclosure": str(disclosure),
        }
    )  # fmt: skip
    done = execute(
        "SELECT kernel.ask(%s::bigint, %s::uuid, %s::uuid, %s::uuid, %s::timestamptz, %s::text, %s::text, %s::text)",
        [actor.post, party.pk, disclosure, entry, now, purpose, " ".join(wanted), body],
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


def _outside() -> None:
    if connection.in_atomic_block:
        raise ContextError("a look is a transaction of its own; call it outside acting()")
