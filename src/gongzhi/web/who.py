"""Who is signed in, and what a page of the console needs around it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from gongzhi.kernel.context import Actor, NoPost, acting, actor_of, actors_of
from gongzhi.kernel.models import Notice, Place
from gongzhi.kernel.models.places import city
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.roles import ADMIN, CENTRE, MANAGER, OPERATOR
from gongzhi.kernel.service import Service, services

View = Callable[..., HttpResponse]
ROUTING = (MANAGER.code, CENTRE.code, ADMIN.code, OPERATOR.code)
"""Who reads the card of the routing model: who steers, and who is shown its proposals."""
NOTICES = 500
"""How far back the bell counts: a busy agency has a hundred thousand notices."""


def current(request: HttpRequest) -> Actor | None:
    """Return who acts in this session, or None. A post that has ended gives way to the account's next one.

    A session of an earlier epoch of the account (another password since, or closed) has ended.
    """
    account, post = request.session.get("account"), request.session.get("post")
    if account is None or post is None:
        return None
    try:
        actor = actor_of(post)
    except NoPost:
        left = actors_of(account)
        if not left:
            request.session.flush()
            return None
        actor = left[0]
        request.session["post"] = actor.post
    if actor.account != account or actor.epoch != request.session.get("epoch", 0):
        request.session.flush()
        return None
    return actor


def factor_wanted(role: str) -> bool:
    """Return whether the city asks people in this role for a second factor."""
    return role in city().second_factor


_BEFORE = ("/work/me/code", "/work/post")
"""What a person may open before the second factor that the city asks for is set up."""
_ANY_POST = ("/work/post",)
_KEPT_BACK = ("csrfmiddlewaretoken", "acting", "switch", "files", "password", "again", "old")
"""What a form refused for its post does not carry on."""


def _switched(request: HttpRequest, actor: Actor, wanted: str) -> Actor | None:
    """Return the post that the form was opened with, where the person has just said so and holds it still."""
    if request.POST.get("switch") != wanted:
        return None
    held = next((one for one in actors_of(actor.account) if str(one.post) == wanted), None)
    if held is None or (factor_wanted(held.role) and not request.session.get("factor")):
        return None
    request.session["post"] = held.post
    request.session.pop("place", None)
    return held


def other_post(request: HttpRequest, actor: Actor, opened: str) -> HttpResponse:
    """Refuse a form that was opened with another post (in another tab, or before a switch): nothing done, nothing lost."""
    then = next((one for one in actors_of(actor.account) if str(one.post) == opened), None)
    secret = any(name in request.POST for name in ("password", "old"))
    fields = [
        (name, text) for name, texts in request.POST.lists() if name not in _KEPT_BACK for text in texts
    ]  # fmt: skip
    with acting(actor):
        return page(
            request, actor, "web/console/other_post.html", status=409, then=then, opened=opened, fields=fields, secret=secret,
            typed=[text for _name, text in fields if len(text) >= _WORTH_SHOWING], files=bool(request.FILES), active="",
        )  # fmt: skip


_WORTH_SHOWING = 8  # letters: what is shorter is typed again, or is a code that nobody reads


def signed(view: View) -> View:
    """Give the view the actor as its second argument, or send to the sign-in page. The view opens ``acting()`` itself."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        actor = current(request)
        if actor is None:
            if request.headers.get("HX-Request"):
                response = HttpResponse(status=204)
                response["HX-Redirect"] = "/signin"
                return response
            return redirect(f"/signin?{urlencode({'next': request.get_full_path()})}")
        if factor_wanted(actor.role) and not request.session.get("factor") and not request.path.startswith(_BEFORE):
            return redirect("/work/me/code")
        acting_as = request.POST.get("acting", "") if request.method == "POST" else ""
        if acting_as and acting_as != str(actor.post) and not request.path.startswith(_ANY_POST):
            chosen = _switched(request, actor, acting_as)
            if chosen is None:
                return other_post(request, actor, acting_as)
            actor = chosen
        try:
            response = view(request, actor, *args, **kwargs)
        except (Absent, NoPost) as refusal:
            raise Http404 from refusal
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return inner


def reads(view: View) -> View:
    """Like ``signed``, with the whole view inside ``acting()``: it reads, and does nothing else."""

    @wraps(view)
    def inner(request: HttpRequest, actor: Actor, *args: Any, **kwargs: Any) -> HttpResponse:
        with acting(actor):
            return view(request, actor, *args, **kwargs)

    return signed(inner)


def chosen_place(request: HttpRequest, actor: Actor) -> Place | None:
    """Return the place that the switcher stands on, None where it stands on everything the post sees."""
    key = request.session.get("place")
    place = Place.objects.filter(pk=key, ended_on=None).first() if key else None
    if place and actor.low and not actor.low <= place.path < actor.high:
        return None
    return place


def in_place(place: Place | None, prefix: str = "") -> Q:
    """Return the condition that a record lies in the place; ``prefix`` leads to the register, e.g. ``record__``."""
    if place is None:
        return Q()
    return Q(**{f"{prefix}place_path__gte": place.path, f"{prefix}place_path__lt": place.high})


def services_of(actor: Actor) -> list[Service]:
    """Return the services in which the actor's role has something to do, or to see."""
    return [
        service
        for service in services().values()
        if any(role.code == actor.role for action in service.procedure for role in action.by)
    ]


def unread_of(actor: Actor) -> int:
    """Return how many of the agency's newest notices, at most NOTICES, the actor's account has not read."""
    newest = Notice.objects.filter(agency=actor.agency)[:NOTICES].values("pk")
    return Notice.objects.filter(pk__in=newest).exclude(reads__account=actor.account).count()


def page(request: HttpRequest, actor: Actor, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of the console in its frame; call it inside ``acting()``."""
    around = {
        "actor": actor,
        "place": chosen_place(request, actor),
        "posts": actors_of(actor.account),
        "rail": [(one, may_create(actor, one) and not one.part_of) for one in services_of(actor)],
        "unread": unread_of(actor),
        "live_url": settings.LIVE_URL,
        "is_admin": actor.role == "admin",
        "sees_routing": actor.role in ROUTING,
        "may_import": any(may_create(actor, service) for service in services().values()),
    }
    return render(request, template, {**around, **context}, status=status)


def may_create(actor: Actor, service: Service) -> bool:
    """Return whether the actor's role makes records of the service."""
    return any(role.code == actor.role for role in service.creating.by)
