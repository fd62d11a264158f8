"""Finding the records of a service in which a person has a telephone number that somebody gives: the caller's, most often.

Searching for a person is a look at a person, so it goes as a look goes (``kernel.parties``): a purpose of the service's list, a
line that is committed before anything is answered, and for each record that is found a look which the person can read. Keyed
hashes are compared and nothing is opened. What is not the actor's to see is neither found nor counted, and the number stands in
no line, address or log. One service at a time: nothing is put together across registers.
"""

import secrets
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel.canonical import SALT_BYTES, canonical, salted
from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor
from gongzhi.kernel.forms import check_phone
from gongzhi.kernel.keys import keyed_hash
from gongzhi.kernel.limits import allow
from gongzhi.kernel.normal import normal
from gongzhi.kernel.parties import choices, outside
from gongzhi.kernel.purposes import LOOKING, SOUGHT, Purpose
from gongzhi.kernel.refusals import Absent, Invalid, TooOften
from gongzhi.kernel.service import Service

MOST = 50
"""Records that one search finds, the newest."""
_TIMES, _SECONDS = 120, 3600  # searches of one account: whoever tries numbers out is slow


def reasons(service: Service, actor: Actor) -> list[Purpose]:
    """Return the purposes for which the actor may search; none where nobody's number is kept. A search is never under a seal."""
    if not service.phoned or all(role.code != actor.role for role in LOOKING):
        return []
    return [one for one in choices(service, actor) if not one.sealed]


def seek(actor: Actor, service: Service, phone: str, purpose: str) -> list[UUID]:
    """Return the newest records, at most MOST, that the actor sees and in which a person has this number, however it is written.

    Raises Absent (a service or role that searches nobody), Invalid (no such purpose, no number), TooOften.
    """
    outside()
    offered = reasons(service, actor)
    if not offered:
        raise Absent
    chosen = next((one for one in offered if one.code == purpose), None)
    errors = {} if chosen else {"purpose": [_("请选择查看个人信息的用途。")]}
    try:
        check_phone(normal("phone", phone[:60]))
    except ValidationError as error:
        errors["phone"] = list(error.messages)
    if errors or chosen is None:
        raise Invalid(errors)
    if not allow(f"seek {actor.account}", count=_TIMES, seconds=_SECONDS):
        raise TooOften
    index, salt = keyed_hash("phone", phone), secrets.token_bytes(SALT_BYTES)
    line = change(
        actor, "seek_person", "text, text", [service.code, chosen.code],
        {"service": service.code, "purpose": chosen.code, "by": "phone", "sought": salted(index.hex(), salt)},
    )  # fmt: skip
    return _found(actor, service, chosen, line, index, salt)


def _found(actor: Actor, service: Service, why: Purpose, line: UUID, index: bytes, salt: bytes) -> list[UUID]:
    now = timezone.now()
    body = canonical(
        {
            "v": 1, "id": "<id>", "record": "<record>", "service": service.code, "number": "<number>", "action": "disclose",
            "post": actor.post, "at": now.isoformat(timespec="microseconds"), "party": "<party>", "purpose": why.code,
            "basis": str(why.basis), "fields": [SOUGHT], "disclosure": "<disclosure>", "with": {}, "until": None,
        }
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM kernel.sought(%s, %s, %s, %s, %s, %s, %s::uuid[], %s::uuid[])",
            [actor.post, line, index, salt, now, body, [uuid7() for _ in range(MOST)], [uuid7() for _ in range(MOST)]],
        )  # fmt: skip
        return [row[0] for row in cursor.fetchall()]
