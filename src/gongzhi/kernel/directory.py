"""Changes of places, agencies, accounts and posts: acts of an administrator, written down in the directory's own chain.

Each function raises Absent where the post may not do it, and Invalid for what does not fit.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.chronicle import change
from gongzhi.kernel.context import Actor, named
from gongzhi.kernel.models import Agency, Place
from gongzhi.kernel.models.places import city, level_title
from gongzhi.kernel.passwords import checked, put
from gongzhi.kernel.places import child_path
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import ADMIN, CENTRE, GRID, HANDLER, MANAGER, OPERATOR
from gongzhi.tongue import later

KINDS = {"agency": later("职能单位"), "dispatch": later("受理中心"), "centre": CENTRE.title}
LOGIN = re.compile(r"[a-z0-9一-鿿][a-z0-9一-鿿._-]{1,59}")
GIVEN = (OPERATOR, HANDLER, CENTRE, MANAGER, ADMIN, GRID)
"""The roles that an administrator can give; those of the system's own parts cannot be given."""


def rename_place(actor: Actor, place: int, name: str, code: str, since: date) -> None:
    """Give a place a new name and statistics code from ``since`` on; the old ones stay with their dates."""
    _text("name", name, 60)
    _text("code", code, 20)
    change(
        actor, "rename_place", "bigint, text, text, date", [place, name, code, since],
        {"place": place, "name": name, "code": code, "since": since.isoformat()},
    )  # fmt: skip


def move_place(actor: Actor, place: int, parent: int) -> None:
    """Put a place with everything below it under another parent of the same level; its records follow."""
    here, above = _place("place", place), _place("parent", parent)
    wanted = city().above(here.level)
    if wanted != above.level:
        raise Invalid(
            {
                "parent": [
                    _("{level_title}只能归到{level_title2}之下。").format(
                        level_title=level_title(here.level), level_title2=level_title(wanted)
                    )
                    if wanted
                    else _("整座城市不能划转。")
                ]
            }
        )
    path = _free_path(above)
    change(
        actor, "move_place", "bigint, bigint, text", [place, parent, path],
        {"place": place, "parent": parent},
    )  # fmt: skip


def merge_places(actor: Actor, place: int, into: int, on: date) -> None:
    """End a place on a day and give its records, posts and names to another; what lies below must be moved first."""
    here, other = _place("place", place), _place("into", into)
    if here.pk == other.pk or here.level != other.level:
        raise Invalid({"into": [_("只能并入同一级的另一个地点。")]})
    if Place.objects.filter(parent=here, ended_on=None).exists():
        raise Invalid({"place": [_("它下面还有地点，请先把它们移到别处。")]})
    change(
        actor, "end_place", "bigint, bigint, date", [place, into, on],
        {"place": place, "into": into, "on": on.isoformat()},
    )  # fmt: skip


def split_place(actor: Actor, place: int, name: str, code: str, since: date) -> int:
    """Make a new place beside ``place``, under the same parent; return its id. What belongs to it is then moved there."""
    here = _place("place", place)
    if here.parent is None:
        raise Invalid({"place": [_("全市不能拆分。")]})
    return add_place(actor, here.parent_id or 0, name, code, since)


def add_place(actor: Actor, parent: int, name: str, code: str, since: date) -> int:
    """Make a new place under ``parent``, one level below it; return its id."""
    _text("name", name, 60)
    _text("code", code, 20)
    above = _place("parent", parent)
    level = city().below(above.level)
    if not level:
        raise Invalid({"parent": [_("{level_title}之下不再分级。").format(level_title=level_title(above.level))]})
    return int(
        change(
            actor,
            "add_place",
            "bigint, text, text, text, text, date",
            [parent, _free_path(above), level, name, code, since],
            {"parent": parent, "name": name, "code": code, "since": since.isoformat(), "level": level},
        )  # fmt: skip
    )


def add_agency(actor: Actor, code: str, title: str, short: str, kind: str, place: int) -> int:
    """Make an agency with its seat at ``place``; return its id."""
    return _put_agency(actor, None, code, title, short, kind, place, None)


def change_agency(
    actor: Actor, agency: int, title: str, short: str, kind: str, place: int, ended_on: date | None = None
) -> None:
    """Change an agency, or end it on a day."""
    held = Agency.objects.filter(pk=agency).first()
    if held is None:
        raise Absent
    _put_agency(actor, agency, held.code, title, short, kind, place, ended_on)


def _put_agency(
    actor: Actor, agency: int | None, code: str, title: str, short: str, kind: str, place: int, ended_on: date | None
) -> int:
    _text("code", code, 40)
    _text("title", title, 80)
    _text("short", short, 20)
    if kind not in KINDS:
        raise Invalid({"kind": [_("请选择单位类别。")]})
    _place("place", place)
    return int(
        change(
            actor,
            "put_agency",
            "bigint, text, text, text, text, bigint, date",
            [agency, code, title, short, kind, place, ended_on],
            {
                "agency": agency,
                "code": code,
                "title": title,
                "kind": kind,
                "place": place,
                "ended": ended_on.isoformat() if ended_on else None,
            },
        )  # fmt: skip
    )


def add_account(actor: Actor, login: str, name: str, password: str = "") -> int:
    """Make an account; return its id. It can sign in once it has a post, and a password (``passwords.make_link``)."""
    login = login.strip().casefold()
    if not LOGIN.fullmatch(login):
        raise Invalid({"login": [_("登录名应为 2 到 60 个字母、数字或汉字。")]})
    _text("name", name, 60)
    kept = checked(password, login) if password else ""
    return int(
        change(
            actor,
            "put_account",
            "bigint, text, text, boolean, text",
            [None, login, name, None, kept],
            {"login": login},
        )  # fmt: skip
    )


def set_password(actor: Actor, account: int, password: str) -> None:
    """Give an account a new password: one's own, or as an administrator; its sessions and tokens end."""
    put(actor, account, checked(password))


def rename_account(actor: Actor, account: int, name: str) -> None:
    """Change the name that people read; past acts show the new one, for they are the same person's."""
    _text("name", name, 60)
    change(
        actor, "put_account", "bigint, text, text, boolean, text", [account, None, name, None, None],
        {"account": account, "renamed": True},
    )  # fmt: skip


def close_account(actor: Actor, account: int, *, active: bool = False) -> None:
    """Close an account, or open it again; it cannot sign in or act while it is closed."""
    change(
        actor, "put_account", "bigint, text, text, boolean, text", [account, None, None, active, None],
        {"account": account, "active": active},
    )  # fmt: skip


def add_post(
    actor: Actor, account: int, agency: int, role: str, place: int, since: date | None = None, until: date | None = None
) -> int:
    """Give an account a post; return its id."""
    if role not in {given.code for given in GIVEN}:
        raise Invalid({"role": [_("请选择岗位类别。")]})
    _place("place", place)
    if agency not in atlas().agencies:
        raise Invalid({"agency": [_("没有这个单位，或它已经撤销。")]})
    since = since or timezone.localdate()
    return int(
        change(
            actor,
            "put_post",
            "bigint, bigint, bigint, text, bigint, date, date",
            [None, account, agency, role, place, since, until],
            {
                "account": account,
                "agency": agency,
                "role": role,
                "place": place,
                "since": since.isoformat(),
                "until": until.isoformat() if until else None,
            },
        )  # fmt: skip
    )


def end_post(actor: Actor, post: int, on: date | None = None) -> None:
    """End a post; its holder acts and sees with it no more from that day on (today, if none is given)."""
    on = on or timezone.localdate()
    change(
        actor, "put_post", "bigint, bigint, bigint, text, bigint, date, date", [post, None, None, None, None, None, on],
        {"ended": post, "until": on.isoformat()},
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One line of the directory's history; ``said`` is what was set."""

    at: datetime
    who: str
    agency: str
    title: str
    said: dict[str, Any]


def changes(actor: Actor, limit: int = 100) -> list[Change]:
    """Return the latest changes, newest first; nothing for who is no administrator."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.directory_log(%s, %s)", [actor.post, limit])
        rows = cursor.fetchall()
    return [
        Change(at, named(who), agency, TITLES.get(code, code), orjson.loads(body)["set"])
        for at, who, agency, code, body in rows
    ]


TITLES = {
    "rename_place": later("更名"), "move_place": later("划转"), "merge_places": later("合并"), "add_place": later("新增地点"), "add_agency": later("新增单位"),
    "change_agency": later("变更单位"), "add_account": later("新增账号"), "change_account": later("变更账号"), "add_post": later("新增岗位"),
    "end_post": later("停用岗位"), "put_contact": later("登记联系方式"), "confirm_contact": later("核实联系方式"), "drop_contact": later("删除联系方式"),
    "lend_post": later("委托代理"),
    "end_lending": later("结束代理"),
    "prove_factor": later("启用动态口令"),
    "rotate_master": later("更换主密钥"),
    "drop_master": later("销毁旧的主密钥"),
    "new_recovery": later("更换备用码"),
    "drop_factor": later("取消动态口令"),
    "make_link": later("发出密码链接"),
    "use_link": later("用链接设置密码"),
    "link_identity": later("连接外部身份"),
    "unlink_identity": later("解除外部身份"),
    "look_rights": later("查看权限"),
    "name_care": later("加入关怀团队"),
    "end_care": later("退出关怀团队"),
}  # fmt: skip
"""The directory's actions in words."""


def _place(name: str, pk: int) -> Place:
    place = Place.objects.select_related("parent").filter(pk=pk, ended_on=None).first()
    if place is None:
        raise Invalid({name: [_("没有这个地点，请重新选择。")]})
    return place


def _free_path(above: Place) -> str:
    return child_path(above.path, set(Place.objects.filter(parent=above).values_list("path", flat=True)))


def _text(name: str, text: str, longest: int) -> None:
    if not text.strip() or len(text) > longest:
        raise Invalid({name: [_("请填写，不超过 {longest} 个字。").format(longest=longest)]})
