"""谁能做什么: for an administrator, why somebody sees a record, who else does, and what a person may do at all."""

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from gongzhi.kernel import audit
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Account, Register
from gongzhi.kernel.refusals import Absent
from gongzhi.kernel.roles import ADMIN, ROLES
from gongzhi.web.console.record import by_number
from gongzhi.web.guard import typed
from gongzhi.web.paging import ROWS
from gongzhi.web.who import page, signed

_FOUND = 20


def _admin(actor: Actor) -> None:
    if actor.role != ADMIN.code:
        raise Absent


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


@signed
def begin(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Ask for a record's number or a person's name; one that is found at once is opened."""
    _admin(actor)
    number, text = typed(request.GET.get("number", ""), 40).upper(), typed(request.GET.get("who", ""), 40)
    wrong = ""
    people: list[Account] = []
    with acting(actor):
        if number:
            if Register.objects.filter(number=number).exists():
                return redirect(f"/work/rights/r/{number}")
            wrong = _("没有编号为“{number}”的事项，或它不在您的管辖范围里。").format(number=number)
        elif text:
            found = Account.objects.filter(Q(login__icontains=text) | Q(name__icontains=text)).order_by("login")
            people = list(found[:_FOUND])
            if len(people) == 1:
                return redirect(f"/work/rights/a/{people[0].pk}")
            wrong = "" if people else _("没有叫“{text}”的账号。").format(text=text)
        return page(
            request,
            actor,
            "web/console/rights.html",
            number=number,
            who=text,
            people=people,
            wrong=wrong,
            active="rights",
        )


@signed
def account(request: HttpRequest, actor: Actor, key: int) -> HttpResponse:
    """Show what a person may do, by post and service; the look is written down first."""
    _admin(actor)
    with acting(actor):
        if not Account.objects.filter(pk=key).exists():
            raise Http404
    audit.look(actor, f"account {key}")
    with acting(actor):
        found = Account.objects.get(pk=key)
        return page(
            request,
            actor,
            "web/console/rights_account.html",
            account=found,
            held=audit.may_by_service(key),
            active="rights",
        )


@signed
def record(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """Show who sees a record, and for one person why, and what else they may do with it; the look is written down first."""
    _admin(actor)
    with acting(actor):
        key = by_number(number).pk
    line = audit.look(actor, f"record {key}")
    wanted, agency = _number(request.GET.get("account", "")), _number(request.GET.get("agency", ""))
    role = request.GET.get("role", "") if request.GET.get("role", "") in ROLES else ""
    start = max(0, (_number(request.GET.get("page", "1")) or 1) - 1) * ROWS
    with acting(actor):
        held = by_number(number)
        person = Account.objects.filter(pk=wanted).first() if wanted else None
        if wanted and person is None:
            raise Http404
        posts = audit.seers(actor, line, key, account=wanted) if person else []
        names = audit.seers(actor, line, key, agency=agency, role=role, start=start, count=ROWS + 1) if agency else []
        text = typed(request.GET.get("who", ""), 40)
        found = (
            Account.objects.filter(Q(login__icontains=text) | Q(name__icontains=text))
            if text
            else Account.objects.none()
        )
        made = audit.groups(actor, line, key)
        return page(
            request, actor, "web/console/rights_record.html", record=held, person=person, who=text,
            posts=[(seer, seer.why(held), audit.verdicts(seer, held)) for seer in posts],
            sees=any(seer.sees for seer in posts), groups=made, total=sum(group.people for group in made),
            names=[(seer, seer.why(held)) for seer in names[:ROWS]], more=len(names) > ROWS, number=start // ROWS + 1,
            chosen=next((g for g in made if (g.agency, g.role) == (agency, role)), None), found=list(found[:_FOUND]),
            active="rights",
        )  # fmt: skip
