"""What people of this city decided: the requests that somebody dispatched, as messages to learn from.

The class is the kind that the record bears now, so what an operator changed, or a later dispatch corrected, is what is
learnt. Left out: records that wait for dispatch, erased ones, services of care, and matters carried in from outside whose
dispatch was the machine's own proposal: a model does not learn from itself. Texts are read as every page reads them, with
the numbers of persons masked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from django.utils.translation import gettext as _

from gongzhi.intake.dispatch import dispatched, dispatching
from gongzhi.intake.learning.examples import Example, Examples, UnfitFile, alike, of
from gongzhi.intake.routing import way
from gongzhi.kernel.context import acting, loader_actor
from gongzhi.kernel.models import Agency, Entry, Register
from gongzhi.kernel.service import Service

MOST = 50_000
"""The newest so many records of each service are learnt from."""
_PAGE = 1000
_FEWEST = 4
"""Records of a kind, below which it is learnt as its head."""


def from_city() -> Examples:
    """Return what was decided in this database. Raises UnfitFile where nothing was."""
    reader = loader_actor()
    made: list[Example] = []
    for service in dispatched():
        with acting(reader):
            made += _decided(service)
    if not made:
        raise UnfitFile(_("还没有由人派过单的诉求，没有什么可以学的。"))
    return of(_grown(made), _("本市已派单的诉求"))


def _decided(service: Service) -> Iterator[Example]:
    agencies = dict(Agency.objects.values_list("pk", "code"))
    codes = [action.code for action in dispatching(service)]
    waiting = {stage.code for action in dispatching(service) for stage in action.sources}
    records = Register.objects.filter(service_code=service.code, erased=False).exclude(stage_code__in=waiting)
    rows = list(records.order_by("-opened_at")[:MOST].values_list("pk", "title", "agency"))
    for start in range(0, len(rows), _PAGE):
        page = rows[start : start + _PAGE]
        facts = service.model._default_manager.in_bulk([key for key, *_rest in page])
        people = _by_people([key for key, *_rest in page], codes)
        for key, title, agency in page:
            held: Any = facts.get(key)
            text = str(getattr(held, service.title_from, "") or "")
            if held is not None and held.category and text and key in people:
                yield Example(held.category, title, text, alike(title, text), agencies.get(agency, ""))


def _by_people(records: list[Any], codes: list[str]) -> set[Any]:
    """Return the records whose last dispatch was a person's choice."""
    last: dict[Any, bool] = {}
    entries = Entry.objects.filter(record__in=records, action__in=codes).order_by("record", "seq")
    for record, loader, body in entries.values_list("record", "loader", "body"):
        last[record] = loader is None or not orjson.loads(body)["set"].get("proposed")
    return {record for record, person in last.items() if person}


def _grown(examples: list[Example]) -> list[Example]:
    """Return the examples; what is too rare to be learnt as its kind is learnt as the kind above it, or left out."""
    while True:
        groups = Counter(label for label, _group in {(one.label, one.group) for one in examples})
        rare = {label for label, count in groups.items() if count < _FEWEST}
        if not rare:
            return examples
        above = {label: [row.code for row in way(label)[-2:-1]] for label in rare}
        examples = [
            replace(one, label=above[one.label][0]) if one.label in rare else one
            for one in examples
            if one.label not in rare or above[one.label]
        ]
