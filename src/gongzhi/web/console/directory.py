"""Places, agencies, accounts and posts: what an administrator changes, each change an act with its own line of history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.kernel import care, directory
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.dates import moment
from gongzhi.kernel.models import Account, Agency, Place, Post
from gongzhi.kernel.refusals import Absent, Invalid, Refused
from gongzhi.kernel.roles import ADMIN
from gongzhi.tongue import sentences
from gongzhi.web.asked import Asked
from gongzhi.web.console.directory_forms import FORMS, DirectoryForm, asked_of
from gongzhi.web.paging import Paged
from gongzhi.web.who import page, signed


@dataclass
class Opened:
    """A form of the directory that stands open, with what was typed and what is wrong."""

    form: DirectoryForm
    asked: list[Asked]
    subject: int | None
    alert: str = ""
    began: str = ""


def _admin(actor: Actor) -> None:
    if actor.role != ADMIN.code:
        raise Absent


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _first(actor: Actor, form: DirectoryForm, subject: int | None) -> str:
    """Say who changed, since the page was opened, what the form would change; what was typed stays."""
    for change in directory.changes(actor, 50):
        if subject is not None and change.said.get(form.changes) == subject:
            return _(
                "{agency}的{who}已于 {at} 做了“{title}”，您打开这一页时还没有。您写的都在下面；确认仍要改，请再提交一次。"
            ).format(agency=change.agency, who=change.who, at=moment(change.at), title=change.title)
    return _("您打开这一页以后，这里的内容有人改过。您写的都在下面；确认仍要改，请再提交一次。")


def _directory(
    title: str, forms: tuple[str, ...], show: Callable[[HttpRequest, Actor, Opened | None, int], HttpResponse]
) -> Callable[..., HttpResponse]:
    """Return a view: the page, a form of it opened by ``?do=``, and doing it."""

    @signed
    @require_http_methods(["GET", "POST"])
    def view(request: HttpRequest, actor: Actor) -> HttpResponse:
        _admin(actor)
        given = request.POST if request.method == "POST" else request.GET
        code = given.get("do", "")
        if not code:
            with acting(actor):
                return show(request, actor, None, 200)
        if code not in forms:
            raise Http404
        form, subject = FORMS[code], _number(given.get("of", ""))
        if request.method == "GET":
            with acting(actor):
                values = {
                    **form.begin(subject),
                    **{name: text for name, text in request.GET.items() if name in form.fields},
                }
                made = Opened(form, asked_of(form, values, {}), subject, began=form.began(subject))
                return show(request, actor, made, 200)
        typed = {name: request.POST.getlist(name)[-1].strip() for name in form.fields if request.POST.getlist(name)}
        for name in form.fields:
            filled = [text for text in request.POST.getlist(name) if text.strip()]
            if filled:
                typed[name] = filled[-1].strip()
        errors: Mapping[str, list[str]] = {}
        alert, status = "", 422
        with acting(actor):
            began = form.began(subject)
        try:
            if request.POST.get("began", began) != began:
                status = 409
                raise Refused(_first(actor, form, subject))
            done = form.do(actor, subject, typed)
        except Invalid as invalid:
            errors = invalid.errors
            alert = sentences(text for name, texts in errors.items() if name not in form.fields for text in texts)
        except Refused as refused:
            alert = str(refused)
        else:
            if isinstance(done, str) and done:
                request.session["made_link"] = {"secret": done, "first": code == "add_account"}
            return redirect(f"{request.path}?said={code}{form.after(subject)}#now")
        with acting(actor):
            secretless = {name: text for name, text in typed.items() if name != "password"}
            return show(request, actor, Opened(form, asked_of(form, secretless, errors), subject, alert, began), status)

    view.__doc__ = title
    return view


def _frame(request: HttpRequest, actor: Actor, opened: Opened | None, active: str) -> dict[str, Any]:
    said, made = FORMS.get(request.GET.get("said", "")), request.session.pop("made_link", None)
    about = opened.form.about(opened.subject) if opened and opened.subject is not None else ""
    return {
        "about": about, "opened": opened, "active": active, "said": _("“{title}”已完成。").format(title=said.title) if said and not opened else "",
        "changes": directory.changes(actor, 20),
        "made_link": request.build_absolute_uri(f"/signin/link/{made['secret']}") if made else "",
        "made_first": bool(made and made["first"]),
    }  # fmt: skip


def _places(request: HttpRequest, actor: Actor, opened: Opened | None, status: int) -> HttpResponse:
    top = Place.objects.get(pk=actor.place)
    wanted = _number(request.GET.get("under", "")) or (opened.subject if opened else None)
    here = Place.objects.filter(pk=wanted or top.pk).first() or top
    if not here.path.startswith(top.path):
        here = top
    return page(
        request, actor, "web/console/places.html", status=status, here=here,
        above=[p for p in Place.ancestors(here.path) if p.path.startswith(top.path)],
        below=list(Place.objects.filter(parent=here).prefetch_related("names")), names=list(here.names.filter(until__isnull=False)),
        **_frame(request, actor, opened, "places"),
    )  # fmt: skip


def _agencies(request: HttpRequest, actor: Actor, opened: Opened | None, status: int) -> HttpResponse:
    rows = Agency.objects.select_related("place").order_by("kind", "code")
    kinds = [(title, [row for row in rows if row.kind == kind]) for kind, title in directory.KINDS.items()]
    return page(
        request, actor, "web/console/agencies.html", status=status, kinds=kinds, total=len(rows),
        **_frame(request, actor, opened, "agencies"),
    )  # fmt: skip


def _posts(request: HttpRequest, actor: Actor, opened: Opened | None, status: int) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:40]
    found = Account.objects.exclude(login__in=("portal", "clock", "loader"))
    if text:
        found = found.filter(
            Q(login__icontains=text) | Q(name__icontains=text) | Q(posts__agency__short__icontains=text)
        )
    paged = Paged.of(request, found.distinct().order_by("login"))
    held = Post.objects.filter(account__in=[account.pk for account in paged.rows]).select_related(
        "agency", "place", "behalf__account"
    )
    caring = bool(care.care_services())
    teams = care.teams(post.pk for post in held) if caring else {}
    posts: dict[int, list[tuple[Post, Any]]] = {}
    for post in held:
        posts.setdefault(post.account_id, []).append((post, teams.get(post.pk, [])))
    return page(
        request, actor, "web/console/posts.html", status=status, paged=paged, q=text,
        rows=[(account, posts.get(account.pk, [])) for account in paged.rows], caring=caring, **_frame(request, actor, opened, "posts"),
    )  # fmt: skip


places = _directory("Places.", ("rename_place", "move_place", "merge_places", "split_place", "add_place"), _places)
agencies_page = _directory("Agencies.", ("add_agency", "change_agency"), _agencies)
posts_page = _directory(
    "Accounts and posts.",
    (
        "add_account",
        "make_link",
        "close_account",
        "open_account",
        "add_post",
        "end_post",
        "name_care",
        "end_care",
        "drop_factor",
        "link_identity",
        "unlink_identity",
        "rename_account",
    ),
    _posts,
)
