"""The model's card: what it learnt from, how good it is by class, what its confidence is worth, and how texts have changed.

The figures of the model stand in its file; how often people take its proposals, and what they decide now, is counted from
the entries of the records that the reader sees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.accepted import Taken, taken
from gongzhi.intake.learned import Serving, serving
from gongzhi.intake.routing import way
from gongzhi.kernel.context import Actor
from gongzhi.kernel.pack import load_pack
from gongzhi.web.who import ROUTING, page, reads

WINDOW = 28  # days of matters that are compared with what was learnt
_MOST_DRAWN = 16  # classes; of more, their heads are drawn
_SHOWN = 10
_WIDE, _HIGH, _LEFT, _TOP = 56, 34, 190, 30
_DRIFTED = 0.2
"""A population stability index from which on shares count as changed (the usual rule of credit scoring; Siddiqi, 2006)."""


@dataclass(frozen=True)
class Class:
    """A row of the table of scores."""

    title: str
    messages: int
    precision: float
    recall: float
    f1: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of the picture: where it is drawn, its count, and how dark it is (tenths of its row)."""

    x: int
    y: int
    count: int
    dark: int
    right: bool


@dataclass(frozen=True)
class Picture:
    """The confusion of classes as it is drawn; sizes in units of the picture."""

    titles: tuple[tuple[int, int, str], ...]
    """(number, y of its line, title) of each class."""
    heads: tuple[tuple[int, int], ...]
    """(x, number) above each column."""
    cells: tuple[Cell, ...]
    width: int
    height: int
    mistaken: tuple[tuple[str, str, int], ...]
    """(true class, said class, count), the most frequent mistakes first."""


@dataclass(frozen=True)
class Share:
    """A class's share of what was learnt and of what people decided lately, in percent, and whether it has moved."""

    title: str
    then: float
    now: float
    count: int


def title_of(label: str, kinds: Mapping[str, str]) -> str:
    """Return a class in the words of the taxonomy, or as it was labelled."""
    code = kinds.get(label)
    return " › ".join(row.title for row in way(code)) if code else label


@reads
def card(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the card, or what makes a model where there is none."""
    if actor.role not in ROUTING:
        raise Http404
    since = timezone.now() - timedelta(days=WINDOW)
    lately, held = taken(since), serving()
    context: dict[str, Any] = {
        "lately": lately, "window": WINDOW, "active": "routing", "changed": _changed(lately),
        "finding": finding(lately),
    }  # fmt: skip
    if held is not None:
        context |= _about(held, lately)
    return page(request, actor, "web/console/routing.html", **context)


def _about(held: Serving, lately: Taken) -> dict[str, Any]:
    about = held.model.about
    titles = {label: title_of(label, held.kinds) for label in held.model.labels}
    shares, index = drift(held, lately)
    return {
        "model": held, "about": about, "trained_at": datetime.fromisoformat(about["trained_at"]),
        "classes": [
            Class(titles[label], one["messages"], one["precision"], one["recall"], one["f1"], tuple(about["words"][label]))
            for label, one in about["per_class"].items()
        ],
        "picture": picture(held), "bins": bins(about["bins"]), "shares": shares, "index": index, "moved": index is not None and index >= _DRIFTED,
        "level": next((step for step in about["levels"] if step["level"] == about["threshold"]), None),
        "unknown": [label for label in held.model.labels if label not in held.kinds],
    }  # fmt: skip


def _changed(lately: Taken) -> list[tuple[str, str, str]]:
    """Return (number, what was proposed, what was chosen) of the latest changes."""
    pack = load_pack(settings.CITY)
    agencies = {agency.code: agency.short for agency in pack.agencies}

    def said(category: str, agency: str) -> str:
        kind = pack.categories[category].title if category in pack.categories else category
        return f"{agencies.get(agency, agency)} · {kind}"

    return [
        (one.number, said(one.proposed.category, one.proposed.agency), said(one.category, one.agency))
        for one in lately.other[:_SHOWN]
    ]


def picture(held: Serving) -> Picture:
    """Return the confusion of classes to draw: by class, or by head where there are many classes."""
    labels = held.model.labels
    places = {label: title_of(label, held.kinds) for label in labels}
    if len(labels) > _MOST_DRAWN:
        places = {label: title.split(" › ")[0] for label, title in places.items()}
    names = list(dict.fromkeys(places.values()))
    counts = [[0] * len(names) for _name in names]
    for label, row in zip(labels, held.model.about["confusion"], strict=True):
        for said, count in zip(labels, row, strict=False):
            counts[names.index(places[label])][names.index(places[said])] += count
    cells = [
        Cell(_LEFT + _WIDE * x, _TOP + _HIGH * y, count, round(9 * count / (sum(row) or 1)), x == y)
        for y, row in enumerate(counts)
        for x, count in enumerate(row)
    ]
    wrong = [
        (names[y], names[x], count) for y, row in enumerate(counts) for x, count in enumerate(row) if x != y and count
    ]
    return Picture(
        tuple((y + 1, _TOP + _HIGH * y, name) for y, name in enumerate(names)),
        tuple((_LEFT + _WIDE * x, x + 1) for x in range(len(names))), tuple(cells),
        _LEFT + _WIDE * len(names), _TOP + _HIGH * len(names),
        tuple(sorted(wrong, key=lambda one: -one[2])[:_SHOWN]),
    )  # fmt: skip


def bins(held: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the bins of the calibration as they are drawn and told: percents, and heights of a picture of 100."""
    return [
        {"x": round(one["from"] * 300), "height": round(100 * one["true"]), "y": 100 - round(100 * one["true"]),
         "mark": 100 - round(100 * one["said"]), "messages": one["messages"], "said": one["said"], "true": one["true"]}
        for one in held
    ]  # fmt: skip


def drift(held: Serving, lately: Taken) -> tuple[list[Share], float | None]:
    """Return the classes' shares then and now, and the population stability index; None where nothing was decided lately."""
    labels = held.model.labels
    codes = {code: label for label, code in held.kinds.items()}
    now = dict.fromkeys(labels, 0)
    for category, count in lately.kinds.items():
        label = next((codes[row.code] for row in reversed(way(category)) if row.code in codes), None)
        if label is not None:
            now[label] += count
    total = sum(now.values())
    shares = [
        Share(title_of(label, held.kinds), round(100 * then, 1), round(100 * now[label] / total, 1) if total else 0.0, now[label])
        for label, then in zip(labels, held.model.about["shares"], strict=True)
    ]  # fmt: skip
    if not total:
        return shares, None
    pairs = [(max(one.then / 100, 0.001), max(one.now / 100, 0.001)) for one in shares]
    return shares, round(sum((b - a) * log(b / a) for a, b in pairs), 3)


def finding(lately: Taken) -> str:
    """Return what the page says, in one sentence."""
    if lately.share is None:
        return _("最近还没有在看过建议后派单的诉求。")
    return _("近 {days} 天看过建议后派单 {shown:,} 件，其中 {percent}% 照建议办理。").format(
        days=WINDOW, shown=lately.shown, percent=round(100 * lately.share)
    )
