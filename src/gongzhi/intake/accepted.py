"""How often people take what the machine proposes, counted from the entries of their own decisions; and how texts change.

Counted are decisions before which a proposal stood on the page (``proposed``), of matters that came in lately and that the
reader sees. What was carried in from outside is no decision of today and is not counted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.utils import timezone

from gongzhi.intake.dispatch import dispatched, dispatching
from gongzhi.intake.proposed import Sealed
from gongzhi.kernel.models import Agency, Entry, Register

MOST = 5000
"""The newest so many matters are looked at."""


@dataclass(frozen=True)
class Decision:
    """A proposal that was shown, and what the person chose: kind and agency by their codes."""

    number: str
    at: datetime
    proposed: Sealed
    category: str
    agency: str

    @property
    def taken(self) -> bool:
        """Whether kind and agency are as proposed."""
        return (self.category, self.agency) == (self.proposed.category, self.proposed.agency)


@dataclass
class Taken:
    """Of the decisions with a proposal: how many took it whole, and how many its agency. ``other`` holds what was changed."""

    shown: int = 0
    whole: int = 0
    agency: int = 0
    sure: list[float] = field(default_factory=list)
    other: list[Decision] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """How many matters were decided to be of each kind, with a proposal or without."""

    @property
    def share(self) -> float | None:
        """The share that took the proposal whole (0–1), None where none was shown."""
        return self.whole / self.shown if self.shown else None

    @property
    def confidence(self) -> float | None:
        """The mean confidence of what was proposed (0–1)."""
        return sum(self.sure) / len(self.sure) if self.sure else None


def taken(since: datetime) -> Taken:
    """Return what was decided on matters that came in since then; call it inside ``acting()``."""
    made = Taken()
    agencies = dict(Agency.objects.values_list("pk", "code"))
    for service in dispatched():
        codes = [action.code for action in dispatching(service)]
        records = Register.objects.filter(
            service_code=service.code, opened_at__gte=since, opened_at__lte=timezone.now()
        )
        keys = list(records.order_by("-opened_at").values_list("pk", flat=True)[:MOST])
        for number, at, loader, body in _entries(keys, codes):
            said = body["set"]
            made.kinds[said.get("category") or ""] += 1
            found = Sealed.read(said.get("proposed") or "", kept=True)
            if found is None or found.number != number or loader is not None:
                continue
            decision = Decision(number, at, found, said.get("category") or "", agencies.get(body["agency"], ""))
            made.shown += 1
            made.whole += decision.taken
            made.agency += decision.agency == found.agency
            made.sure.append(found.sure / 1000)
            if not decision.taken:
                made.other.append(decision)
    made.other.sort(key=lambda decision: decision.at, reverse=True)
    return made


def _entries(records: list[Any], codes: list[str]) -> Iterator[tuple[str, datetime, int | None, Any]]:
    found = Entry.objects.filter(record__in=records, action__in=codes)
    for number, at, loader, body in found.values_list("record__number", "at", "loader", "body"):
        yield number, at, loader, orjson.loads(body)
