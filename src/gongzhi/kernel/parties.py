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
from gongzhi.kernel.forms import PERSON_FIELDS
from gongzhi.kernel.keys import open_field, unwrap
from gongzhi.kernel.models import Party
from gongzhi.kernel.refusals import Absent, Invalid


def ask(actor: Actor, party: UUID, purpose: str, fields: Sequence[str] = ()) -> UUID:
    """Write down that the actor looks at these fields of the person (all that are known, if none are named).

    Returns the disclosure for ``take``. Raises Invalid (no such purpose or field) and Absent.
    """
    _outside()
    with acting(actor):
        found = Party.objects.select_related("record").filter(pk=party).first()
        if found is None:
            raise Absent
        service = found.record.service
        number, record = found.record.number, found.record_id
    if purpose not in dict(service.purposes):
        raise Invalid({"purpose": [_("请选择查看个人信息的用途。")]})
    wanted = [name for name in PERSON_FIELDS if name in (fields or found.known.split())]
    if not wanted or set(fields) - set(found.known.split()):
        raise Invalid({"fields": [_("没有登记这一项个人信息。")]})
    disclosure, entry, now = uuid7(), uuid7(), timezone.now()
    body = canonical(
        {
            "v": 1, "id": str(entry), "record": str(record), "service": service.code, "number": number,
            "action": "disclose", "post": actor.post, "at": now.isoformat(timespec="microseconds"), "party": str(party),
            "purpose": purpose, "fields": wanted, "disclosure": str(disclosure),
        }
    )  # fmt: skip
    done = execute(
        "SELECT kernel.ask(%s::bigint, %s::uuid, %s::uuid, %s::uuid, %s::timestamptz, %s::text, %s::text, %s::text)",
        [actor.post, party, disclosure, entry, now, purpose, " ".join(wanted), body],
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
    return {name: open_field(key, party, name, text) for name, text in zip(PERSON_FIELDS, sealed, strict=True) if text}


def _outside() -> None:
    if connection.in_atomic_block:
        raise ContextError("a look is a transaction of its own; call it outside acting()")
