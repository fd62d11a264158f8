"""What a file says of itself beside our records: places found, targets kept as given, what was late."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from gongzhi.intake.histories import Book, forms_of
from gongzhi.intake.importing import ImportFault, row_key
from gongzhi.intake.mapping import BadCell, Table, moment, tidy
from gongzhi.intake.tables import TableError
from gongzhi.intake.tables import read as read_table
from gongzhi.kernel.context import acting, loader_actor
from gongzhi.kernel.models import DeadlineKept, Entry, Register
from gongzhi.kernel.service import service

_AT_ONCE = 500
_SHOWN = 5


@dataclass
class Comparison:
    """Counts of rows. ``late`` counts by (what the file says, what our record says): late, in time, or nothing said.

    ``differing`` names a few rows of each kind of disagreement, by their number in the file.
    """

    read: int = 0
    found: int = 0
    by_name: int = 0
    by_point: int = 0
    whole_city: int = 0
    targets: int = 0
    targets_agree: int = 0
    late: Counter[tuple[str, str]] = field(default_factory=Counter)
    differing: dict[str, list[int]] = field(default_factory=dict)
    until: datetime | None = None

    @property
    def placed(self) -> float:
        """The share of the records that have a place finer than the whole city."""
        return (self.by_name + self.by_point) / self.found if self.found else 0.0

    @property
    def judged(self) -> int:
        """The records of which the file says whether they were late."""
        return sum(number for (said, _other), number in self.late.items() if said)

    @property
    def agreeing(self) -> int:
        """Those of which our record says the same."""
        return sum(number for (said, ours), number in self.late.items() if said and said == ours)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, with the shares."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("late", "until")}
        return {
            **plain, "until": self.until.isoformat() if self.until else None,
            "late": {f"{said or 'unsaid'}/{ours}": number for (said, ours), number in sorted(self.late.items())},
            "share_placed": round(self.placed, 6),
            "share_targets": round(self.targets_agree / self.found, 6) if self.found else 0.0,
            "share_late": round(self.agreeing / self.judged, 6) if self.judged else 0.0,
        }  # fmt: skip


def compare(path: Path, table: Table) -> Comparison:
    """Compare every row of a file with the record that it became. Raises ImportFault.

    Open records are judged at the newest moment of the file. A record's own lateness: its step was done after the deadline
    (``deadline_kept``), or is not done yet and the deadline is over; without a deadline nothing is late.
    """
    if table.compare is None or not table.steps:
        raise ImportFault(_("映射“{title}”没有 [compare] 或 steps，没有可以比较的内容。").format(title=table.title))
    try:
        sheet = read_table(path)
    except TableError as error:
        raise ImportFault(str(error)) from error
    made = Comparison()
    rows = [(number, dict(zip(sheet.headers, cells, strict=False)), cells) for number, cells in sheet.rows]
    made.until = max(at for _row, held, _cells in rows for at in _moments(table, held))
    book = Book.of(loader_actor())
    for some in batched(rows, _AT_ONCE, strict=False):
        _batch(made, table, book, some)
    return made


def _moments(table: Table, held: dict[str, Any]) -> Iterator[datetime]:
    for header in {table.at, *(step.at for step in table.steps)}:
        if tidy(held.get(header)):
            try:
                yield moment(held[header], table.times)
            except BadCell:
                continue


def _batch(made: Comparison, table: Table, book: Book, rows: Any) -> None:
    rule = table.compare
    assert rule is not None  # noqa: S101  (for the type checker; the caller has just asked)
    filing = service(table.service).creating.code
    keys = {f"{row_key(table, held, cells)}:0:{filing}": number for number, held, cells in rows}
    loader = loader_actor()
    with acting(loader):
        records: dict[int, UUID] = {
            keys[key]: record
            for key, record in Entry.objects.filter(loader_id=loader.post, idem__in=list(keys)).values_list(
                "idem", "record_id"
            )
            if key
        }
        registers = {
            row.pk: row
            for row in Register.objects.filter(pk__in=list(records.values())).only(
                "pk", "place_id", "due_at", "stage_code"
            )
        }
        kept = {
            record: (due, met)
            for record, due, met in DeadlineKept.objects.filter(record__in=list(records.values()), stage=rule.stage)
            .order_by("id")
            .values_list("record_id", "due_at", "met_at")
        }
    until = made.until or max(at for _row, held, _cells in rows for at in _moments(table, held))
    for number, held, _other in rows:
        made.read += 1
        record = registers.get(records.get(number))  # type: ignore[arg-type]
        if record is None:
            continue
        made.found += 1
        _place(made, table, held, book, record)
        given = next((step.due for step in table.steps if step.due), "")
        target = moment(held[given], table.times) if given and tidy(held.get(given)) else None
        due, met = kept.get(record.pk, (record.due_at if record.stage_code == rule.stage else None, None))
        made.targets += target is not None
        made.targets_agree += due == target
        if due != target:
            _differ(made, f"target {target} / {due}", number)
        ours = "late" if due is not None and (met or until) > due else "in time"
        flag = tidy(held.get(rule.late))
        said = "late" if flag in rule.is_late else "in time" if flag in rule.in_time else ""
        made.late[said, ours] += 1
        if said != ours:
            _differ(made, f"{said or 'unsaid'} / {ours}", number)


def _place(made: Comparison, table: Table, held: dict[str, Any], book: Book, record: Register) -> None:
    forms, _tied = forms_of(
        table, {**held, **({table.place.lon: "", table.place.lat: ""} if table.place else {})}, book
    )
    if record.place_id == book.top:
        made.whole_city += 1
    elif forms[""].get("place") not in (None, book.top):
        made.by_name += 1
    else:
        made.by_point += 1


def _differ(made: Comparison, kind: str, number: int) -> None:
    rows = made.differing.setdefault(kind.partition(" ")[0] if kind.startswith("target") else kind, [])
    if len(rows) < _SHOWN:
        rows.append(number)
