"""What happens once it is known who stands at the door: the second factor where there is one, then a session of its own."""

from time import time

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from gongzhi.kernel.context import actors_of
from gongzhi.kernel.second_factor import has_factor
from gongzhi.kernel.signin import SignInRefused
from gongzhi.web.guard import next_page

HALFWAY = 600  # seconds between the password and the code


def wanted_page(request: HttpRequest) -> str:
    """Return the page of the console to which signing in leads: the one asked for, if it is one of ours."""
    wanted = next_page(request, "/work/")
    return wanted if wanted.startswith("/work") else "/work/"


def enter(
    request: HttpRequest, account: int, wanted: str, *, coded: bool = False, outside: bool = False
) -> HttpResponse:
    """Sign in as the account with its oldest post of today, or ask for its code first. Raises SignInRefused.

    ``coded``: the second factor has been shown. ``outside``: the identity provider says who it is; it has a session of its
    own. Whoever calls has proven who the person is.
    """
    posts = actors_of(account)
    if not posts:
        raise SignInRefused(_("您的账号现在没有岗位，请联系管理员。"))
    outside = outside or (coded and bool(request.session.get("halfway", {}).get("outside")))
    request.session.flush()
    if not coded and has_factor(account):
        request.session["halfway"] = {
            "account": account, "until": time() + HALFWAY, "next": wanted, "outside": outside,
        }  # fmt: skip
        return redirect("/signin/code")
    request.session["account"], request.session["post"] = account, posts[0].post
    request.session["epoch"], request.session["factor"] = posts[0].epoch, coded
    request.session["outside"] = outside
    rotate_token(request)
    return redirect(wanted)


def halfway(request: HttpRequest) -> tuple[int, str] | None:
    """Return (account, page) of who has shown the password and not yet the code."""
    held = request.session.get("halfway") or {}
    return (int(held["account"]), str(held["next"])) if held and held["until"] > time() else None
