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
        total = found.order_by()[:MOST].count()
        last = max(1, -(-total // ROWS))
        given = request.GET.get("page", "1")
        number = min(max(int(given), 1), last) if given.isdecimal() and len(given) < 7 else 1
        start = (number - 1) * ROWS
        others = request.GET.copy()
        others.pop("page", None)
        query = others.urlencode()
        return cls(list(found[start : start + ROWS]), total, number, last, f"{query}&" if query else "", start + 1)
