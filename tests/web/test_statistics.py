"""Published counts under ten cannot be recovered: not by subtraction over all tables together, and not over time.

The attacker is an integer program (HiGHS by scipy): all that is published as equations, what everybody knows as bounds, and
for each hidden count the smallest and the largest value that fits.
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import count, product
from typing import Any

import numpy as np
import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from gongzhi.kernel.act import act
from gongzhi.kernel.context import portal_actor
from gongzhi.kernel.models import Place
from gongzhi.kernel.models.places import city as the_city
from gongzhi.kernel.published import SMALLEST, protected
from gongzhi.web.models import Publication
from gongzhi.web.portal import solved

Cell = tuple[str, str]
ANY = 10**6
_serial = count()


class Attacker:
    """Somebody who has every published number, and time."""

    def __init__(self) -> None:
        self.cells: dict[Cell, int] = {}
        self.low: list[int] = []
        self.high: list[int] = []
        self.sums: list[tuple[list[int], int]] = []

    def knows(self, cell: Cell, low: int = 0, high: int = ANY) -> int:
        """Know a cell, and between which numbers it lies."""
        at = self.cells.setdefault(cell, len(self.cells))
        if at == len(self.low):
            self.low.append(0)
            self.high.append(ANY)
        self.low[at], self.high[at] = max(self.low[at], low), min(self.high[at], high)
        return at

    def reads(self, cells: list[Cell], total: int) -> None:
        """Read a number that is the sum of these cells."""
        self.sums.append(([self.knows(cell) for cell in cells], total))

    def span(self, cell: Cell) -> tuple[int, int]:
        """Work out between which numbers a cell must lie."""
        at = self.cells[cell]
        matrix = np.zeros((len(self.sums), len(self.cells)))
        for row, (cells, _) in enumerate(self.sums):
            matrix[row, cells] = 1
        totals = np.array([total for _, total in self.sums])
        aim = np.zeros(len(self.cells))
        found = []
        for sign in (1, -1):
            aim[at] = sign
            made = milp(
                aim, integrality=np.ones(len(self.cells)), bounds=Bounds(np.array(self.low), np.array(self.high)),
                constraints=[LinearConstraint(matrix, totals, totals)] if self.sums else [],
            )  # fmt: skip
            assert made.x is not None, made.message
            found.append(round(made.x[at]))
        return found[0], found[1]


def tables() -> st.SearchStrategy[dict[str, int]]:
    number = st.one_of(st.integers(0, 12), st.integers(0, 60), st.just(0), st.integers(8, 11))
    return st.lists(number, min_size=1, max_size=9).map(lambda rows: {f"k{at}": one for at, one in enumerate(rows)})


@settings(max_examples=150, deadline=None)
@given(tables())
def test_every_small_number_stays_possible_for_each_hidden_count(counts: dict[str, int]) -> None:
    """Where some are shown, even for somebody who was told which of the others are the small ones."""
    if sum(counts.values()) < SMALLEST:
        return  # then the total is hidden too
    made = shown, left = protected(counts)
    assert all(number >= SMALLEST for number in shown.values())
    assert left == 0 or left >= SMALLEST
    assert left == sum(counts.values()) - sum(shown.values())
    for told in (False, True) if shown else (False,):
        attacker = Attacker()
        attacker.reads([("c", kind) for kind in counts], sum(counts.values()))
        for kind, number in counts.items():
            if kind in shown:
                attacker.reads([("c", kind)], shown[kind])
            elif told:
                attacker.knows(("c", kind), *((0, SMALLEST - 1) if number < SMALLEST else (SMALLEST, ANY)))
        for kind, number in counts.items():
            if number < SMALLEST:
                low, high = attacker.span(("c", kind))
                assert (low, min(high, SMALLEST - 1)) == (0, SMALLEST - 1), (counts, made, kind)


def test_the_attacker_would_find_what_is_published_without_care() -> None:
    """The control: one hidden count beside its total, and two that are both at their upper end."""
    for counts, hidden in (({"a": 30, "b": 5}, "b"), ({"a": 30, "b": 9, "c": 9}, "c")):
        attacker = Attacker()
        attacker.reads([("c", kind) for kind in counts], sum(counts.values()))
        for kind, number in counts.items():
            if number >= SMALLEST:
                attacker.reads([("c", kind)], number)
            else:
                attacker.knows(("c", kind), 0, SMALLEST - 1)
        assert attacker.span(("c", hidden)) == (counts[hidden], counts[hidden])


def test_who_knows_the_procedure_too_recovers_no_number() -> None:
    """Every table of three counts up to 24 is published; what looks the same is collected: no hidden count is ever certain."""
    seen: dict[Any, list[tuple[int, ...]]] = {}
    for counts in product(range(25), repeat=3):
        if sum(counts) >= SMALLEST:
            shown, left = protected({str(at): number for at, number in enumerate(counts)})
            seen.setdefault((tuple(sorted(shown.items())), left, sum(counts)), []).append(counts)
    for (shown, left, _), tables in seen.items():
        if left > 24:
            continue  # what else it might be lies beyond the tables that were tried
        for at in {0, 1, 2} - {int(kind) for kind, _ in shown}:
            values = {table[at] for table in tables}
            assert len(values) > 1 or values.pop() >= SMALLEST, (shown, tables)


@pytest.fixture(scope="module")
def template(city: str, actor: Any, ids: Any) -> Any:
    """A matter that is solved, of which the others are copies."""
    first = act(portal_actor(), "request", "file", form={"detail": "小事", "place": ids[1]["320830"]})
    form = {"agency": ids[0]["cgj"], "category": "build-lamp"}
    done = act(actor("operator"), "request", "assign", record=first.record, version=1, form=form)
    for who, action, form in ((actor("cgj"), "accept", {}), (actor("cgj"), "answer", {"answer": "好"})):
        done = act(who, "request", action, record=done.record, version=done.version, form=form)
    rated = {"rating": "5"}
    act(portal_actor(), "request", "rate", record=done.record, version=done.version, form=rated, follow=first.follow)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = closed_at - interval '3 years' WHERE id = %s", [first.record])
    return first.record


_COPY = """
WITH fresh AS (
    INSERT INTO register
    SELECT (jsonb_populate_record(NULL::register, to_jsonb(r) || jsonb_build_object(
               'id', uuidv7(), 'number', 'ST' || %(tag)s || i, 'place_id', p.id, 'place_path', p.path, 'closed_at', %(at)s::timestamptz))).*
    FROM register r, place p, generate_series(1, %(n)s) i WHERE r.id = %(from)s AND p.id = %(place)s RETURNING id
)
INSERT INTO request SELECT (jsonb_populate_record(NULL::request, to_jsonb(q) || jsonb_build_object(
    'record_id', fresh.id, 'category', %(kind)s::text))).*
FROM request q, fresh WHERE q.record_id = %(from)s
"""


@pytest.fixture
def solve(template: Any) -> Iterator[Callable[..., None]]:
    """Return a function that has so many matters of a kind solved in a place at a moment."""
    solved._held.clear()

    def make(number: int, place: int, kind: str, at: datetime) -> None:
        given = {"tag": f"{next(_serial)}-", "n": number, "from": template, "place": place, "kind": kind, "at": at}
        with connections["owner"].cursor() as cursor:
            cursor.execute(_COPY, given)

    yield make
    solved._held.clear()
    Publication.objects.all().delete()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = '2001-01-15', number = 'O' || number WHERE number LIKE 'ST%'")


def a_day_of(month: date) -> datetime:
    return timezone.make_aware(datetime(month.year, month.month, 15, 10))


def read() -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Read every published table as anybody can: counties by name, and the kinds of each by title."""
    solved._held.clear()
    page = html.unescape(Client().get("/").content.decode())
    links = re.findall(r'href="/\?place=(\d+)#solved"[^>]*>\s*(\S+)\s*<strong>([\d,]+)</strong>', page)
    totals, kinds = {}, {}
    for key, name, number in links:
        totals[name] = int(number.replace(",", ""))
        opened = html.unescape(Client().get(f"/?place={key}").content.decode())
        listed = re.search(r'<ul class="listed">(.*?)</ul>', opened, re.DOTALL)
        rows = re.findall(r"<li>\s*(\S+) ([\d,]+) 件\s*</li>", listed[1]) if listed else []
        kinds[name] = {title: int(count.replace(",", "")) for title, count in rows}
    return totals, kinds


def counties() -> list[Place]:
    return list(Place.objects.filter(level=the_city().area, ended_on=None).order_by("path"))


def truth(numbers: Mapping[Cell, int]) -> tuple[Attacker, list[Cell]]:
    """Return an attacker who has read the pages, and the cells that must stay hidden."""
    totals, kinds = read()
    titles = solved._kinds()
    attacker = Attacker()
    for place in counties():
        cells = [(place.name, code) for code in titles]
        for cell in cells:
            attacker.knows(cell)
        if place.name in totals:
            attacker.reads(cells, totals[place.name])
        for code, title in titles.items():
            if title in kinds.get(place.name, {}):
                attacker.reads([(place.name, code)], kinds[place.name][title])
                assert kinds[place.name][title] == numbers[place.name, code]
        left = [cell for cell in cells if titles[cell[1]] not in kinds.get(place.name, {})]
        if str(solved.OTHERS) in kinds.get(place.name, {}):
            attacker.reads(left, kinds[place.name][str(solved.OTHERS)])
    return attacker, [cell for cell in attacker.cells if numbers.get(cell, 0) < SMALLEST]


def test_no_small_count_comes_out_of_all_published_tables_together(solve: Any) -> None:
    at, numbers = a_day_of(solved.last_month()), {}
    rows = [(40, "build"), (3, "transport"), (12, "environment"), (30, "build"), (9, "health"), (9, "law"), (10, "build"),
            (11, "build"), (4, "police"), (8, "civil"), (70, "farm"), (25, "land"), (1, "land")]  # fmt: skip
    places = counties()
    for number, kind, place in [(n, k, places[i // 2 % len(places)]) for i, (n, k) in enumerate(rows)]:
        solve(number, place.pk, kind, at)
        numbers[place.name, kind] = numbers.get((place.name, kind), 0) + number
    solve(500, places[0].pk, "civil", timezone.now())  # this month is not over
    solve(500, places[0].pk, "civil", at - timedelta(days=62))
    attacker, hidden = truth(numbers)
    totals, kinds = read()
    assert totals, "nothing was published"
    assert any(kinds.values())
    assert not [n for n in (*totals.values(), *(n for of in kinds.values() for n in of.values())) if n < SMALLEST]
    for cell in hidden:
        low, high = attacker.span(cell)
        assert low == 0, cell
        assert high >= SMALLEST - 1, cell


def test_yesterdays_page_and_todays_tell_nothing_together(solve: Any, template: Any) -> None:
    """What is published once does not change: not when one more is entered late, reopened, or moved to another county."""
    at, places = a_day_of(solved.last_month()), counties()
    solve(14, places[0].pk, "build", at)
    solve(10, places[1].pk, "build", at)
    first = read()
    solve(1, places[0].pk, "build", at)
    solve(3, places[2].pk, "law", at)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = NULL, stage = 'working' WHERE id IN "
                       "(SELECT id FROM register WHERE number LIKE 'ST%%' AND place_id = %s LIMIT 4)", [places[1].pk])  # fmt: skip
    assert read() == first
    assert first[0] == {places[0].name: 14, places[1].name: 10}
    assert Publication.objects.count() == 1


def test_a_month_is_not_published_before_it_is_over(solve: Any) -> None:
    solve(50, counties()[0].pk, "build", timezone.now())
    assert read() == ({}, {})


def test_an_odd_place_is_no_fault(solve: Any) -> None:
    assert Client().get("/?place=%27%22<script>").status_code == 200
