"""Who may do what, and why: for an administrator who is asked "why can she see this?".

The answers come from the rule of the row policies itself (``kernel.allowed`` on ``kernel.reach``) and from the table of the
procedures; there is no second implementation that could disagree. Every look is a line in the directory's chain, committed
before anything is answered.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from gongzhi.kernel.buttons import why_not
from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor, actor_of, actors_of, named
from gongzhi.kernel.models import Register
from gongzhi.kernel.roles import ROLES, Scope
from gongzhi.kernel.service import Service, services


@dataclass(frozen=True)
class Seer:
    """A post of today and whether it sees the record: by its area, because its agency owes it, or not at all."""

    post: int
    account: int
    name: str
    agency: int
    agency_title: str
    role: str
    place: str
    sees: bool
    by_area: bool
    by_agency: bool

    @property
    def role_title(self) -> str:
        """The role in words."""
        return str(ROLES[self.role].title)

    def why(self, record: Register) -> list[str]:
        """Return the rules by which the post sees the record, or those by which it does not."""
        area = {"area": self.place, "place": record.place.name}
        if self.sees:
            reasons = []
            if self.by_area:
                reasons.append(_("岗位管辖“{area}”，这件事在“{place}”，在管辖范围里。").format(**area))
            if self.by_agency:
                reasons.append(_("这件事现在由{agency}负责，岗位属于这个单位。").format(agency=self.agency_title))
            return reasons
        match ROLES[self.role].scope:
            case Scope.AREA:
                text = _(
                    "岗位管辖“{area}”，这件事在“{place}”，不在管辖范围里；负责单位是{agency}，也不是这个岗位的单位。"
                )
                return [text.format(agency=record.agency.short, **area)]
            case Scope.AGENCY:
                text = _("这类岗位只看本单位负责的事；这件事现在由{agency}负责。")
                return [text.format(agency=record.agency.short)]
            case _scope:
                return [_("这类岗位自己什么都看不到，只能替凭查询码的人办理。")]


@dataclass(frozen=True)
class Group:
    """How many people of an agency see the record in one role."""

    agency: int
    agency_title: str
    role: str
    people: int

    @property
    def role_title(self) -> str:
        """The role in words."""
        return str(ROLES[self.role].title)


@dataclass(frozen=True)
class Verdict:
    """An action, and why a post may not take it now ("" where it may)."""

    code: str
    title: str
    why_not: str


def look(actor: Actor, about: str) -> UUID:
    """Write down that the administrator looks at ``record <id>`` or ``account <id>``; return the line. Raises Absent."""
    line: UUID = change(actor, "look_rights", "text", [about], {"about": about})
    return line


def seers(
    actor: Actor, line: UUID, record: UUID, *, account: int | None = None, agency: int | None = None, role: str = "",
    start: int = 0, count: int = 1000,
) -> list[Seer]:  # fmt: skip
    """Return the posts of an account with what they see of the record, or everyone who sees it, narrowed and paged."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM kernel.rights_on(%s, %s, %s, %s) s "
            "WHERE (%s::bigint IS NULL OR s.agency = %s) AND (%s = '' OR s.role = %s) OFFSET %s LIMIT %s",
            [actor.post, line, record, account, agency, agency, role, role, start, count],
        )
        rows = cursor.fetchall()
    return [Seer(row[0], row[1], named(row[2]), *row[3:]) for row in rows]


def groups(actor: Actor, line: UUID, record: UUID) -> list[Group]:
    """Return how many people see the record, by agency and role, the most first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.agency, s.agency_title, s.role, count(DISTINCT s.account) FROM kernel.rights_on(%s, %s, %s, NULL) s "
            "GROUP BY s.agency, s.agency_title, s.role ORDER BY count(DISTINCT s.account) DESC, s.agency, s.role",
            [actor.post, line, record],
        )
        return [Group(*row) for row in cursor.fetchall()]


def verdicts(seer: Seer, record: Register) -> list[Verdict]:
    """Return every action of the record with why this post may not take it now; call it where the record can be read."""
    held, facts = actor_of(seer.post), record.facts
    made = []
    for action in record.service.procedure:
        if action.creates or not action.direct:
            continue
        hidden = "" if seer.sees else _("这个岗位看不到这件事。")
        made.append(Verdict(action.code, str(action.title), hidden or why_not(action, held, record, facts)))
    return made


def may_by_service(account: int) -> list[tuple[Actor, list[tuple[Service, list[str]]]]]:
    """Return for each post of an account what its role does in each service: the titles of the actions."""
    made = []
    for held in actors_of(account):
        rows = []
        for service in services().values():
            titles = [str(a.title) for a in service.procedure if any(role.code == held.role for role in a.by)]
            if titles:
                rows.append((service, titles))
        made.append((held, rows))
    return made
