"""Signing in and out, changing post and place."""

from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gongzhi.kernel.context import Actor, actors_of
from gongzhi.kernel.models import Place
from gongzhi.kernel.signin import SignInRefused, sign_in
from gongzhi.web.asked import below
from gongzhi.web.guard import address, next_page, typed
from gongzhi.web.who import chosen_place, current, page, reads, signed


def _next(request: HttpRequest) -> str:
    wanted = next_page(request, "/work/")
    return wanted if wanted.startswith("/work") else "/work/"


@require_http_methods(["GET", "POST"])
def signin(request: HttpRequest) -> HttpResponse:
    """Sign in with login and password; the account's oldest post of today is taken first."""
    if request.method == "GET":
        if current(request):
            return redirect("/work/")
        return render(request, "web/signin.html", {"next": _next(request)})
    login, password = typed(request.POST.get("login", ""), 60), request.POST.get("password", "")
    error = ""
    try:
        account = sign_in(login, password, address(request))
        posts = actors_of(account)
        if posts:
            request.session.flush()
            request.session["account"], request.session["post"] = account, posts[0].post
            rotate_token(request)
            return redirect(_next(request))
        error = _("您的账号现在没有岗位，请联系管理员。")
    except SignInRefused as refused:
        error = str(refused)
    return render(request, "web/signin.html", {"error": error, "login": login[:60], "next": _next(request)}, status=422)


@require_POST
def signout(request: HttpRequest) -> HttpResponse:
    """Sign out; the page then clears the drafts that this browser keeps."""
    request.session.flush()
    return redirect("/signin?out=1")


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
        return redirect(_next(request))
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
        below=list(Place.objects.filter(parent=here, ended_on=None)), next=_next(request),
    )  # fmt: skip


def places_below(request: HttpRequest) -> HttpResponse:
    """Return the select of a township's villages, for the place picker; places are public knowledge."""
    given = request.GET.get("place", "")
    place = Place.objects.filter(pk=int(given)).first() if given.isdecimal() and len(given) < 10 else None
    finer = below(place) if place else []
    return render(request, "web/form/finer.html", {"finer": finer, "name": "place", "value": ""})
