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
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.service import Service, services

View = Callable[..., HttpResponse]
NOTICES = 500
"""How far back the bell counts: a busy agency has a hundred thousand notices."""


def current(request: HttpRequest) -> Actor | None:
    """Return who acts in this session, or None. A post that has ended gives way to the account's next one."""
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
    return actor if actor.account == account else None


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
        "may_import": any(may_create(actor, service) for service in services().values()),
    }
    return render(request, template, {**around, **context}, status=status)


def may_create(actor: Actor, service: Service) -> bool:
    """Return whether the actor's role makes records of the service."""
    return any(role.code == actor.role for role in service.creating.by)
