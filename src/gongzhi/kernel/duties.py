"""What a post must do: the running steps that its role and agency owe."""

from django.db.models import Q

from gongzhi.kernel.context import Actor
from gongzhi.kernel.roles import CLOCK
from gongzhi.kernel.service import services


def owed_by(actor: Actor) -> Q:
    """Return the condition that a record's running step is the actor's to take, by role and agency."""
    mine = Q(pk__in=())
    for service in services().values():
        stages = []
        for stage in service.procedure.stages:
            owed = service.procedure.owed(stage.code)
            if owed and CLOCK not in owed.by and any(role.code == actor.role for role in owed.by):
                stages.append(stage.code)
        if stages:
            mine |= Q(service_code=service.code, stage_code__in=stages)
    return mine & Q(agency=actor.agency, closed_at=None)
