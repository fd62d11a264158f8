"""Tokens of the API: signed, for one post, twelve hours. They are not kept.

A post that ends takes its tokens with it, and so does a new password, within the seconds for which a process remembers an
actor.
"""

import time
from threading import Lock
from typing import Any, ClassVar

from django.core import signing
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router
from ninja.errors import HttpError
from ninja.security import HttpBearer

from gongzhi.kernel.context import Actor, actor_of, actors_of
from gongzhi.kernel.second_factor import check, has_factor
from gongzhi.kernel.signin import SignInRefused, sign_in
from gongzhi.tongue import later
from gongzhi.web.api.schemas import REFUSALS, Told
from gongzhi.web.guard import address, typed
from gongzhi.web.who import factor_wanted

SALT = "gongzhi.api"
HOLDS = 12 * 3600  # seconds
_REMEMBERED = 10.0  # seconds; every act is checked again in the database, so this only saves a question
_held: dict[Any, tuple[float, Actor]] = {}
_lock = Lock()
REFUSED = {status: REFUSALS[status] for status in (400, 401, 422)}
router = Router(tags=[later("令牌")])


class Asked(Told):
    """Login and password; ``post`` chooses one of several posts, ``code`` is that of a phone where the account has one."""

    said: ClassVar[str] = later("账号和密码；post 指定几个岗位中的一个，code 是手机上的动态口令（账号启用了才要）。")
    login: str
    password: str
    post: int | None = None
    code: str = ""


class PostOut(Told):
    """A post that the account holds."""

    said: ClassVar[str] = later("账号拥有的一个岗位。")
    post: int
    role: str
    agency: str
    place: str


class Given(Told):
    """The token, until when it holds in seconds, the post it acts as, and the account's other posts."""

    said: ClassVar[str] = later("令牌、有效秒数、它代表的岗位，以及账号的全部岗位。")
    token: str
    expires_in: int
    post: int
    posts: list[PostOut]


@router.post("", response={200: Given, **REFUSED}, summary=later("取得令牌"), auth=None,
             description=later("令牌代表账号今天最早的岗位，或指定的岗位。"))  # fmt: skip
def token(request: HttpRequest, asked: Asked) -> Any:
    """Return a token for the account's oldest post of today, or the one asked for."""
    try:
        account = sign_in(typed(asked.login, 60), asked.password, address(request))
        coded = has_factor(account)
        if coded:
            check(account, typed(asked.code, 20))
        held = actors_of(account)
    except SignInRefused as refused:
        raise HttpError(401, str(refused)) from refused
    chosen = next((actor for actor in held if asked.post in (None, actor.post)), None)
    if chosen is None:
        raise HttpError(401, _("您的账号没有这个岗位。"))
    if factor_wanted(chosen.role) and not coded:
        raise HttpError(401, _("这个岗位要用动态口令登录。请先在工作台启用动态口令，再取令牌。"))
    posts = [PostOut(post=a.post, role=str(a.role_title), agency=a.agency_title, place=a.place_name) for a in held]
    return Given(token=issue(chosen), expires_in=HOLDS, post=chosen.post, posts=posts)


def issue(actor: Actor) -> str:
    """Return a token for the actor."""
    return signing.TimestampSigner(salt=SALT).sign(f"{actor.account}.{actor.post}.{actor.epoch}")


class Bearer(HttpBearer):
    """Turns the token into the actor, as ``request.auth``."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # noqa: ARG002
        """Return the actor, or None for a token that does not hold; asked at most every ten seconds. Raises NoPost."""
        where = connection.settings_dict
        key = (where["HOST"], where["PORT"], where["NAME"], token)
        kept = _held.get(key)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        actor = _of(token)
        if actor:
            with _lock:
                if len(_held) > 5000:
                    _held.clear()
                _held[key] = (time.monotonic() + _REMEMBERED, actor)
        return actor


def _of(token: str) -> Actor | None:
    try:
        said = signing.TimestampSigner(salt=SALT).unsign(token, max_age=HOLDS).split(".")
    except signing.BadSignature:
        return None
    account, post, epoch = (int(part) for part in [*said, "0"][:3])
    actor = actor_of(post)
    return actor if (actor.account, actor.epoch) == (account, epoch) else None
