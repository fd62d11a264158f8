"""Pages of a list: fifty rows, and a count that gives up at ten thousand."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

ROWS = 50
MOST = 10_000


@dataclass(frozen=True)
class Paged:
    """One page of rows; ``total`` is exact up to MOST, and ``more`` says that there are more than that."""

    rows: list[Any]
    total: int
    number: int
    last: int
    query: str
    """The other parameters of the address, ending in & where there are any."""
    first_row: int

    @property
    def more(self) -> bool:
        """Whether the total is only a lower bound."""
        return self.total >= MOST

    @property
    def last_row(self) -> int:
        """The number of the last row shown, counted from 1."""
        return self.first_row + len(self.rows) - 1

    @classmethod
    def of(cls, request: HttpRequest, found: "QuerySet[Any]") -> "Paged":
        """Return the page that ``?page=`` names; a page that is not there gives the last one."""
        given = request.GET.get("page", "1")
        number = max(int(given), 1) if given.isdecimal() and len(given) < 7 else 1
        rows = list(found[: ROWS + 1]) if number == 1 else []
        total = len(rows) if number == 1 and len(rows) <= ROWS else found.order_by()[:MOST].count()
        last = max(1, -(-total // ROWS))
        number = min(number, last)
        start = (number - 1) * ROWS
        rows = rows[:ROWS] or list(found[start : start + ROWS])
        others = request.GET.copy()
        others.pop("page", None)
        query = others.urlencode()
        return cls(rows, total, number, last, f"{query}&" if query else "", start + 1)
