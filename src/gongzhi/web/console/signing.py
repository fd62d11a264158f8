"""Signing in and out, changing post and place."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from gongzhi.kernel.context import Actor, actors_of
from gongzhi.kernel.models import Place
from gongzhi.kernel.second_factor import check
from gongzhi.kernel.signin import SignInRefused, sign_in
from gongzhi.web import oidc
from gongzhi.web.asked import below
from gongzhi.web.console.passwords import by_mail
from gongzhi.web.entering import enter, halfway, wanted_page
from gongzhi.web.guard import address, typed
from gongzhi.web.who import chosen_place, current, page, reads, signed


def signin_page(request: HttpRequest, status: int = 200, **told: Any) -> HttpResponse:
    """Return the sign-in page: what is wrong, what was typed, and the ways in that this city has."""
    around = {"by_mail": by_mail(), "outside": oidc.title(), "next": "/work/"}
    return render(request, "web/signin.html", {**around, **told}, status=status)


@require_http_methods(["GET", "POST"])
def signin(request: HttpRequest) -> HttpResponse:
    """Sign in with login and password; the account's oldest post of today is taken first."""
    wanted = wanted_page(request)
    if request.method == "GET":
        if current(request):
            return redirect("/work/")
        return signin_page(request, next=wanted)
    login, password = typed(request.POST.get("login", ""), 60), request.POST.get("password", "")
    try:
        return enter(request, sign_in(login, password, address(request)), wanted)
    except SignInRefused as refused:
        return signin_page(request, 422, error=str(refused), login=login[:60], next=wanted)


@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Ask who has shown the password for the code of the phone, or a recovery code."""
    held = halfway(request)
    if held is None:
        return redirect("/signin")
    error = ""
    if request.method == "POST":
        try:
            check(held[0], typed(request.POST.get("code", ""), 20))
            return enter(request, held[0], held[1], coded=True)
        except SignInRefused as refused:
            error = str(refused)
    return render(request, "web/signin_code.html", {"error": error}, status=422 if error else 200)


@require_POST
def signout(request: HttpRequest) -> HttpResponse:
    """Sign out; the page then clears the drafts that this browser keeps."""
    outside = request.session.get("outside")
    request.session.flush()
    return redirect("/signin?out=outside" if outside else "/signin?out=1")


@signed
@require_POST
def post(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Act as another of one's own posts."""
    wanted = request.POST.get("post", "")
    for held in actors_of(actor.account):
        if str(held.post) == wanted:
            request.session["post"] = held.post
            request.session.pop("place", None)
            return redirect("/work/")
    raise Http404


@reads
def at(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Choose the place that lists, board and map are narrowed to; it is remembered until changed."""
    if request.method == "POST":
        wanted = request.POST.get("place", "")
        if wanted.isdecimal() and len(wanted) < 10 and Place.objects.filter(pk=int(wanted), ended_on=None).exists():
            request.session["place"] = int(wanted)
        else:
            request.session.pop("place", None)
        return redirect(wanted_page(request))
    given = request.GET.get("under", "")
    top = Place.objects.get(pk=actor.place) if actor.low else Place.objects.get(parent=None)
    here = chosen_place(request, actor) or top
    if given.isdecimal() and len(given) < 10:
        here = Place.objects.filter(pk=int(given), ended_on=None).first() or here
    if not here.path.startswith(top.path):
        here = top
    whole = not request.headers.get("HX-Request")
    return page(
        request, actor, "web/console/at_page.html" if whole else "web/console/at.html", here=here, top=top,
        above=[p for p in Place.ancestors(here.path) if p.path.startswith(top.path)],
        below=list(Place.objects.filter(parent=here, ended_on=None)), next=wanted_page(request),
    )  # fmt: skip


def places_below(request: HttpRequest) -> HttpResponse:
    """Return the select of a township's villages, for the place picker; places are public knowledge."""
    given = request.GET.get("place", "")
    place = Place.objects.filter(pk=int(given)).first() if given.isdecimal() and len(given) < 10 else None
    finer = below(place) if place else []
    return render(request, "web/form/finer.html", {"finer": finer, "name": "place", "value": ""})
