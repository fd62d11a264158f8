"""Reporting: what happened, where, and how to reach you if you wish. Any service whose first action the portal may take."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gongzhi.channels.results import tells
from gongzhi.kernel.act import act
from gongzhi.kernel.context import portal_actor
from gongzhi.kernel.fields import Code
from gongzhi.kernel.forms import MailField
from gongzhi.kernel.limits import allow
from gongzhi.kernel.models.places import city, level_title
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.roles import PORTAL
from gongzhi.kernel.service import Service, services
from gongzhi.kernel.vault import limits
from gongzhi.web.asked import ask, grouped, raw, uploads
from gongzhi.web.guard import address, form_key
from gongzhi.web.portal.codes import remember
from gongzhi.web.portal.qr import qr
from gongzhi.web.portal.solved import solved
from gongzhi.web.refused import REFUSALS, Answer, answer

REPORTS_AN_HOUR = 10
_SHOWN_FOR = timedelta(minutes=10)


def too_many() -> str:
    """Return what somebody reads who has reported too often."""
    hotline = city().hotline
    if hotline:
        return _("从您这里提交的次数太多了，请一小时后再试，或拨打 {hotline} 热线。").format(hotline=hotline)
    return _("从您这里提交的次数太多了，请一小时后再试。")


def offered() -> list[Service]:
    """Return the services that a resident may begin."""
    return [service for service in services().values() if PORTAL in service.creating.by]


def inner_fields(service: Service) -> list[str]:
    """Return the fields that are for those who work: the title, where it came from, and the city's own lists.

    An address to be told at is not taken either where nothing would be sent to it.
    """
    bound = service.form(service.creating)
    inner = [name for name, fact in bound.columns.items() if isinstance(fact, Code) and fact.source]
    inner += [name for name, asked in bound.fields.items() if isinstance(asked, MailField) and not tells()]
    return [*inner, "title", "channel", "agency"]


@require_http_methods(["GET"])
def home(request: HttpRequest) -> HttpResponse:
    """Show the three doors, and what was solved last month."""
    return render(
        request,
        "web/portal/home.html",
        {"solved": solved(request.GET.get("place", "")), "area": level_title(city().area).lower()},
    )


@require_http_methods(["GET"])
def offers(request: HttpRequest) -> HttpResponse:
    """Show what can be asked for here: each service with its steps and deadlines, as declared."""
    made = []
    for service in offered():
        way: list[Action] = []
        stage = service.creating.target
        while action := service.procedure.owed(stage.code):
            if not action.target.code or any(action.target is step.target for step in way):
                break
            way.append(action)
            stage = action.target
        made.append((service, way))
    return render(request, "web/portal/services.html", {"services": made})


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Show the form, or file what was written and show the number and the follow-up code."""
    service = _service(request)
    action = service.creating
    without = inner_fields(service)
    typed: dict[str, Any] = {
        name: value
        for name, value in raw(request.POST or request.GET, service.form(action)).items()
        if name not in without
    }
    told = Answer(key=form_key(request))
    if request.method == "POST":
        files = uploads(request)
        try:
            if not allow(f"report:{address(request)}", count=REPORTS_AN_HOUR, seconds=3600):
                return _form(request, service, typed, Answer(alert=too_many(), status=429, key=told.key))
            done = act(portal_actor(), service.code, action.code, form=typed, files=files, key=told.key)
        except REFUSALS as refusal:
            told = answer(refusal, told.key)
        else:
            request.session["told"] = {
                "number": done.number,
                "code": done.follow,
                "until": (timezone.now() + _SHOWN_FOR).timestamp(),
                "service": service.code,
            }
            return redirect("/report/done")
    return _form(request, service, typed, told)


def _service(request: HttpRequest) -> Service:
    known = {service.code: service for service in offered()}
    code = request.GET.get("service", "")
    if not known or (code and code not in known):
        raise Http404
    return known[code] if code else next(iter(known.values()))


def _form(request: HttpRequest, service: Service, typed: Mapping[str, Any], told: Answer) -> HttpResponse:
    asked = ask(service, service.creating, typed, told.errors, without=inner_fields(service))
    return render(
        request, "web/portal/report.html",
        {
            "service": service, "groups": grouped(asked, service), "key": told.key, "alert": told.alert,
            "files_error": told.files_error, "files_again": bool(request.FILES), "files": service.creating.files,
            "wrong": [question for question in asked if question.errors], "limits": limits(),
        },
        status=told.status,
    )  # fmt: skip


@require_http_methods(["GET"])
def done(request: HttpRequest) -> HttpResponse:
    """Show the number and the follow-up code: in this browser, for ten minutes, and then never again."""
    told = request.session.get("told") or {}
    if told.get("until", 0) < timezone.now().timestamp():
        request.session.pop("told", None)
        return redirect("/follow")
    remember(request, told["number"], told["code"])
    service = services()[told["service"]]
    first = service.procedure.owed(service.creating.target.code)
    link = request.build_absolute_uri(f"/follow#{told['number']}.{told['code']}")
    response = render(
        request, "web/portal/done.html",
        {"number": told["number"], "code": told["code"], "qr": qr(link), "next": first if first and first.within else None, "minutes": int(_SHOWN_FOR.total_seconds() // 60)},
    )  # fmt: skip
    response["Cache-Control"] = "no-store"
    return response
