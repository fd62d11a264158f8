"""How a service works, for those who work with it: made of the declaration, so it is never out of date."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from gongzhi.kernel.context import Actor
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.procedure import Action, Stage
from gongzhi.kernel.roles import STAFF
from gongzhi.tongue import listed
from gongzhi.web.console.lists import declared
from gongzhi.web.who import page, reads


@dataclass(frozen=True)
class Row:
    """A stage and what can be done from it."""

    stage: Stage
    actions: list[tuple[Action, str, bool]]
    """(action, who in words, whether the reader may)"""


@reads
def show(request: HttpRequest, actor: Actor, code: str) -> HttpResponse:
    """Show stages, actions with who, until when and under which rule, and what each fact means."""
    service = declared(code)

    def told(action: Action) -> tuple[Action, str, bool]:
        titles = [role.title for role in action.by if role in STAFF]
        return action, listed(titles), any(role.code == actor.role for role in action.by)

    rows = [
        Row(stage, [told(a) for a in service.procedure if a.leaves(stage.code) and not a.anywhere])
        for stage in service.procedure.stages
    ]
    facts: list[Fact] = list(service.all_facts.values())
    always = [told(action) for action in service.procedure if action.anywhere and action.direct]
    return page(
        request, actor, "web/console/help.html", service=service, rows=rows, first=told(service.creating), always=always,
        facts=facts, active=f"s-{code}", years=service.retention.years,
    )  # fmt: skip
