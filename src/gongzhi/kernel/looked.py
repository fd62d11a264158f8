"""Who looked at me: what the holder of a follow-up code reads of the looks at the own fields (charter 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gongzhi.kernel.context import follow_hash
from gongzhi.kernel.forms import PERSON_FIELDS
from gongzhi.kernel.history import purpose_title
from gongzhi.kernel.parties import WORDS
from gongzhi.kernel.procedure import cited
from gongzhi.kernel.purposes import SOUGHT, TOLD
from gongzhi.kernel.roles import ROLES
from gongzhi.kernel.service import Service
from gongzhi.tongue import later, listed

_FIELDS = {**PERSON_FIELDS, WORDS: later("文字里的号码"), SOUGHT: later("按电话查到这件事")}


@dataclass(frozen=True)
class Look:
    """One look at a person's fields, in words; ``sealed_until`` is when the seal over it ended, None where there was none."""

    at: datetime
    agency: str
    role: str
    code: str
    purpose: str
    basis: str
    """The rule that allowed it; "" for looks of before that was kept."""
    fields: list[str]
    sealed_until: datetime | None


def looked(service: Service, number: str, code: str) -> list[Look]:
    """Return the looks that the person with this follow-up code may know of, the newest first; none for a wrong code."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.looked(%s, %s)", [number.strip().upper(), follow_hash(code)])
        rows: list[Any] = cursor.fetchall()
    return [
        Look(
            at, agency, _("系统自动") if purpose == TOLD else str(ROLES[role].title), purpose,
            purpose_title(service, purpose), cited(basis), [str(_FIELDS[name]) for name in fields.split()], until,
        )
        for at, agency, role, purpose, basis, fields, until in rows
    ]  # fmt: skip


def table(looks: Sequence[Look]) -> Iterator[list[str]]:
    """Yield the looks as rows of a table, its head first; times in the city's own, to the second."""
    yield [
        _("时间"), _("单位"), _("岗位"), pgettext("disclosure", "用途"), _("依据"), _("看了什么"), _("暂不告知到"),
    ]  # fmt: skip
    for look in looks:
        yield [
            _moment(look.at), look.agency, look.role, look.purpose, look.basis, listed(look.fields),
            _moment(look.sealed_until) if look.sealed_until else "",
        ]  # fmt: skip


def plain(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Return the looks as JSON values: moments in ISO 8601, with the purpose's code beside its words."""
    return [
        {
            "at": look.at.isoformat(timespec="seconds"), "agency": look.agency, "role": look.role,
            "purpose": {"code": look.code, "title": look.purpose}, "basis": look.basis, "fields": look.fields,
            "sealed_until": look.sealed_until.isoformat(timespec="seconds") if look.sealed_until else None,
        }
        for look in looks
    ]  # fmt: skip


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
