"""Roles 角色: what a post is for, and how far it sees.

Rights come from posts (account + agency + role + place), nothing else. A role's scope says which records its posts see;
the rule itself stands once, in ``sql/rights.sql``.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.utils.functional import lazy
from django.utils.translation import get_language

from gongzhi.kernel.city import read_city
from gongzhi.tongue import filled, later


class Scope(StrEnum):
    """How far a role sees."""

    AREA = "area"  # every record whose place lies in the post's place, and those its agency owes
    AGENCY = "agency"  # the records its agency owes
    NONE = "none"  # nothing by itself; acts for residents who prove a record with its follow-up code


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of post. ``code`` stands in the database, ``title`` is what people read."""

    code: str
    title: str
    scope: Scope


def _area() -> str:
    """Return what the city calls its parts: a county, a district."""
    here = read_city(settings.CITY)
    return here.level(here.area).title_in(get_language() or here.language)


OPERATOR = Role("operator", later("受理员"), Scope.AREA)
HANDLER = Role("handler", later("承办人"), Scope.AGENCY)
CENTRE = Role("centre", filled(later("{level}中心"), level=lazy(_area, str)()), Scope.AREA)
MANAGER = Role("manager", later("督办员"), Scope.AREA)
ADMIN = Role("admin", later("管理员"), Scope.AREA)
GRID = Role("grid", later("网格员"), Scope.AREA)
PORTAL = Role("portal", later("网上门户"), Scope.NONE)
CLOCK = Role("clock", later("时钟"), Scope.AREA)
LOADER = Role("loader", later("历史导入"), Scope.AREA)

ROLES: dict[str, Role] = {
    role.code: role for role in (OPERATOR, HANDLER, CENTRE, MANAGER, ADMIN, GRID, PORTAL, CLOCK, LOADER)
}
STAFF: tuple[Role, ...] = (OPERATOR, HANDLER, CENTRE, MANAGER, ADMIN, GRID)
