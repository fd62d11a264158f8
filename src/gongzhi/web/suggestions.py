"""What the machine proposes for a record: an agency, a category, a place, with reasons. A person accepts or changes it.

Also the open records that resemble it. Nothing here is done by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext as _

from gongzhi.intake.dispatch import dispatches
from gongzhi.intake.duplicates import Duplicate, similar
from gongzhi.intake.places import find_places
from gongzhi.intake.proposed import Proposed, sealed
from gongzhi.intake.routing import Proposal, propose
from gongzhi.kernel.context import Actor
from gongzhi.kernel.models import Agency, Place, Register
from gongzhi.kernel.procedure import Action, Effect


@dataclass(frozen=True)
class Choice:
    """One proposal, with the ids that the form needs."""

    proposal: Proposal
    agency: int
    place: Place | None = None
    place_reason: str = ""
    proposed: tuple[str, str] | None = None
    """The form's own value that says what was proposed first, whichever choice is taken."""

    @property
    def values(self) -> list[tuple[str, str]]:
        """The form values that accepting it sends."""
        made = [("agency", str(self.agency)), ("category", self.proposal.category)]
        made += [("place", str(self.place.pk))] if self.place else []
        return [*made, self.proposed] if self.proposed else made


@dataclass(frozen=True)
class Suggested:
    """What stands in the dashed box: the first choice, the others, and what may be the same matter."""

    action: Action | None
    first: Choice | None
    others: list[Choice]
    duplicates: list[Duplicate]
    merge: Action | None
    key: str = field(default_factory=lambda: str(uuid4()))


def suggested(actor: Actor, record: Register, facts: Any, actions: Iterable[Action]) -> Suggested | None:
    """Return what to propose to this actor on this record; None where no action at hand asks for it."""
    possible = list(actions)
    routes = next((a for a in possible if dispatches(record.service, a)), None)
    merge = next((a for a in possible if a.effect is Effect.LINK), None)
    if routes is None and merge is None:
        return None
    text = str(getattr(facts, record.service.title_from, "") or "")
    choices = _choices(record, routes, text, str(getattr(facts, "address", "") or "")) if routes else []
    point = (record.lon, record.lat) if record.lon is not None and record.lat is not None else None
    alike = similar(actor, text, point=point, exclude=record.pk) if merge else []
    if not choices and not alike and routes is None:
        return None
    return Suggested(routes, choices[0] if choices else None, choices[1:], alike, merge)


def _choices(record: Register, action: Action, text: str, address: str) -> list[Choice]:
    proposals = propose(text, title=record.title)
    if not proposals:
        return []
    agencies = dict(
        Agency.objects.filter(code__in=[p.agency_code for p in proposals], ended_on=None).values_list("code", "pk")
    )
    place, reason = _place(record, f"{address} {text}")
    kept = [proposal for proposal in proposals if proposal.agency_code in agencies]
    field = next((name for name, fact in record.service.form(action).extras.items() if isinstance(fact, Proposed)), "")
    first = (field, sealed(record.number, kept[0])) if field and kept else None
    return [Choice(proposal, agencies[proposal.agency_code], place, reason, first) for proposal in kept]


def _place(record: Register, text: str) -> tuple[Place | None, str]:
    """Return a place that the text names and that is more precise than the record's own, with the reason."""
    for found in find_places(text)[:1]:
        place = Place.objects.filter(code=found.code, ended_on=None).first()
        if place and place.pk != record.place_id and place.path.startswith(record.place_path):
            return place, _("文中提到“{matched}”").format(matched=found.matched) + (
                f"({found.remark})" if found.remark else ""
            )
    return None, ""
