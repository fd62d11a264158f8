"""The directory's own chain: one line for each change of who may do what, written by the function that makes the change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel.act import execute
from gongzhi.kernel.atlas import forget
from gongzhi.kernel.canonical import canonical
from gongzhi.kernel.context import Actor
from gongzhi.kernel.refusals import Absent, Invalid

_REMEMBERED = ("rename_place", "move_place", "end_place", "add_place", "put_agency")
"""What changes places or agencies, which a process remembers for a few seconds."""


def line(post: int, action: str, said: Mapping[str, Any]) -> tuple[UUID, datetime, str]:
    """Return id, time and canonical text of a line of the directory's chain."""
    entry, now = uuid7(), timezone.now()
    body = canonical(
        {"v": 1, "id": str(entry), "action": action, "post": post, "at": now.isoformat(timespec="microseconds"), "set": dict(said)}
    )  # fmt: skip
    return entry, now, body


def change(actor: Actor, function: str, types: str, arguments: list[Any], said: Mapping[str, Any]) -> Any:
    """Call ``kernel.<function>`` with what every change has (post, entry, time, body) and then ``arguments`` of ``types``.

    ``said`` stands in the line: ids, codes and dates, no free text and no secret. Returns what the function answers.
    Raises Absent where it answers nothing, and Invalid for a code that is taken or a row that is gone.
    """
    entry, now, body = line(actor.post, function, said)
    marks = "".join(f", %s::{kind.strip()}" for kind in types.split(",") if kind)
    try:
        answer = execute(
            f"SELECT kernel.{function}(%s::bigint, %s::uuid, %s::timestamptz, %s::text{marks})",
            [actor.post, entry, now, body, *arguments],
        )[0]
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "post_held":
            raise Invalid({"account": [_("这个人已经有同样的岗位，时间也重叠。")]}) from error
        if error.diag.constraint_name == "care_held":
            raise Invalid({"service": [_("这个岗位已经在这项业务的团队里。")]}) from error
        raise Invalid({"code": [_("这个代码或登录名已经有了，请换一个。")]}) from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise Invalid({"": [_("所选的账号、单位或地点已经不存在，请刷新页面。")]}) from error
    if function in _REMEMBERED:
        forget()
    if not answer:
        raise Absent
    return answer
