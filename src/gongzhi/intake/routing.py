"""First routing: which kind of matter a text is, and so which agency owes the answer. A machine proposes, a person decides.

Without a model the taxonomy's words are counted (``WordRouter``); where the city has trained one, it says the class
(``intake.learned``). Both have the same face (``Router``), and the setting ``ROUTER`` may name another; whoever proposes
gives reasons that a clerk can check in the text.
"""

import math
import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import rjieba
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from gongzhi.kernel.pack import CategoryRow, load_pack
from gongzhi.tongue import listed

_TITLE = 3.0  # a word in the title weighs as much as three in the text
_FAMILY = 0.5  # how much a kind gains from the other kinds of its head
_HEAD = 0.3  # how much a word of a head says, beside one of its kinds
_LENGTH = 0.5  # how much more a longer word says
_BEGINNING = 1.5  # where there is no title, the first sentence weighs more than the rest
_ENOUGH = 8.0  # a score from which on the words are many
_COUNTED = 3  # further repetitions of a word add nothing


Found = dict[str, list[tuple[str, int, int]]]
"""By kind: its words in a text, with how often they stand in the title and below it."""
Weighed = tuple[dict[str, float], Found, dict[str, CategoryRow]]
"""The score of each kind that words speak for, the words, and the kinds by code."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the taxonomy on the way to a kind, the head first, and how sure it is (0–1)."""

    code: str
    title: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A kind and an agency, how sure (0–1, and in words), and why, in sentences for the clerk.

    ``sure``: sure enough to be accepted with one click; else a person decides. ``words`` are those that speak for it with
    their weights, ``model`` the beginning of the model's name; both empty where only the taxonomy's words were counted.
    """

    category: str
    category_title: str
    agency_code: str
    agency_title: str
    confidence: float
    confidence_word: str
    reasons: tuple[str, ...]
    path: tuple[Level, ...] = ()
    sure: bool = True
    words: tuple[tuple[str, float], ...] = ()
    model: str = ""


class Router(Protocol):
    """What can propose."""

    def propose(self, title: str, text: str, limit: int) -> Sequence[Proposal]:
        """Return proposals, the best first; none where nothing speaks for any."""


def propose(text: str, *, title: str = "", limit: int = 3) -> list[Proposal]:
    """Return the router's proposals for a text with its title, the best first."""
    return list(router().propose(title, text, limit))


@cache
def router() -> Router:
    """Return the router that the setting ``ROUTER`` names (``module.Class``), by default the city's model, or its words."""
    made: Router = import_string(getattr(settings, "ROUTER", "gongzhi.intake.learned.LearnedRouter"))()
    return made


class WordRouter:
    """Counts the words of each kind; a word that names few kinds says more, and so does a longer one.

    Of words that lie over one another the longest counts (计划生育 is not 生育), and names of the city's own places do not
    count at all: nobody who lives at a park complains of it. Words in Latin letters count in any case, as whole words.
    """

    def __init__(self) -> None:
        pack = load_pack(settings.CITY)
        self._agencies = {agency.code: agency.title for agency in pack.agencies}
        self._titles = {kind.code: kind.title for kind in pack.taxonomy}
        self._of = {kind.code: {word.casefold() for word in kind.words} for kind in pack.taxonomy}
        self._kinds: dict[str, list[CategoryRow]] = {}
        for kind in pack.taxonomy:
            for word in kind.words:
                self._kinds.setdefault(word.casefold(), []).append(kind)
        many = len([kind for kind in pack.taxonomy if kind.words])
        self._weights = {
            word: math.log1p(many / len(kinds)) * len(word) ** _LENGTH for word, kinds in self._kinds.items()
        }
        names = {place.name.casefold() for place in pack.places}
        blind = {name for name in names if any(word in name for word in self._kinds)}
        known = sorted(blind | self._kinds.keys(), key=len, reverse=True)
        self._words = re.compile("|".join(map(_whole, known)))

    def propose(self, title: str, text: str, limit: int) -> Sequence[Proposal]:
        """Return proposals by the words found."""
        scores, found, kinds = self.weigh(title, text)
        best = sorted(scores, key=lambda code: (-scores[code], code))
        total = sum(scores[code] for code in best[:5])
        return [self._proposal(kinds[code], found[code], scores[code] / total, scores[code]) for code in best[:limit]]

    def within(self, weighed: Weighed, kinds: Container[str]) -> dict[str, tuple[float, list[str]]]:
        """Return, of these kinds, those that words speak for: how sure among them (they sum up to less than 1), and the words."""
        scores, found, _kinds = weighed
        held = {code: score for code, score in scores.items() if code in kinds}
        total = sum(held.values())
        sure = {code: score / total * (1 - math.exp(-score / _ENOUGH)) for code, score in held.items()}
        own = {code: [word for word, *_counts in found[code] if word in self._of[code]] for code in held}
        return {code: (share, own[code]) for code, share in sure.items()}

    def weigh(self, title: str, text: str) -> Weighed:
        """Return the score of each kind that words speak for, the words found with their counts, and the kinds by code."""
        weight = _TITLE
        if not title:
            title, text = _head(text)
            weight = _BEGINNING
        above, below = self._count(title), self._count(text)
        scores: dict[str, float] = {}
        found: Found = {}
        kinds: dict[str, CategoryRow] = {}
        for word in (above | below).keys() & self._kinds.keys():
            gained = self._weights[word] * (weight * (above[word] > 0) + math.sqrt(min(below[word], _COUNTED)))
            for kind in self._kinds[word]:
                kinds[kind.code] = kind
                scores[kind.code] = scores.get(kind.code, 0.0) + gained * (1 if kind.parent else _HEAD)
                found.setdefault(kind.code, []).append((word, above[word], below[word]))
        self._lend(scores, kinds, found)
        return scores, found, kinds

    def _count(self, text: str) -> Counter[str]:
        """Count the known words. One of a single character counts only where it stands alone: 坑 is not in 坑人."""
        text = text.casefold()
        found = Counter(self._words.findall(text))
        if any(len(word) == 1 for word in found):
            alone = Counter(word for word in rjieba.cut(text) if len(word) == 1)
            found = Counter({word: count if len(word) > 1 else alone[word] for word, count in found.items()})
        return +found

    def _lend(self, scores: dict[str, float], kinds: dict[str, CategoryRow], found: Found) -> None:
        """Let the kinds of one head support each other; words of the head itself speak for the kinds that have any."""
        families: dict[str, float] = {}
        for code, score in scores.items():
            head = kinds[code].parent or code
            families[head] = families.get(head, 0.0) + score
        for code in list(scores):
            kind = kinds[code]
            if kind.parent:
                scores[code] += _FAMILY * (families[kind.parent] - scores[code])
                found[code] += found.get(kind.parent, [])
        for head in families:
            if head in scores and any(kinds[code].parent == head for code in scores):
                del scores[head]

    def _proposal(self, kind: CategoryRow, found: list[tuple[str, int, int]], share: float, score: float) -> Proposal:
        above = [f"“{word}”" for word, title, _other in found if title]
        below = [
            f"“{word}”" + (_("({count} 次)").format(count=count) if count > 1 else "")
            for word, title, count in found
            if count and not title
        ]
        reasons = []
        if above:
            reasons.append(_("标题里有{known}").format(known=listed(above[:6])))
        if below:
            reasons.append(_("内容里有{known}").format(known=listed(below[:6])))
        head = self._titles.get(kind.parent or "", "")
        reasons.append(
            _("这些词属于“{head} › {title}”，由{agencies}答复").format(
                head=head, title=kind.title, agencies=self._agencies[kind.agency]
            )
            if head
            else kind.title
        )
        sure = share * (1 - math.exp(-score / _ENOUGH))
        return Proposal(
            kind.code, kind.title, kind.agency, self._agencies[kind.agency], round(sure, 3), in_words(sure), tuple(reasons),
            tuple(Level(row.code, row.title, round(sure, 3)) for row in way(kind.code)),
        )  # fmt: skip


def way(code: str) -> list[CategoryRow]:
    """Return the kinds of the taxonomy from the head down to this one."""
    categories = load_pack(settings.CITY).categories
    made: list[CategoryRow] = []
    at: str | None = code
    while at and at in categories and len(made) < len(categories):
        made.append(categories[at])
        at = categories[at].parent
    return made[::-1]


def _whole(word: str) -> str:
    """Return a pattern of the word; one in Latin letters is not part of a longer one."""
    return rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])" if word.isascii() else re.escape(word)


def _head(text: str) -> tuple[str, str]:
    """Return the first sentence in place of a title, and the rest."""
    end = re.search("[，。！？；,.!?;\n]", text[8:60])
    cut = 8 + end.start() if end else 40
    return text[:cut], text[cut:]


def in_words(confidence: float) -> str:
    """Return how sure that is, in words."""
    return _("把握较大") if confidence >= 0.5 else _("有一定把握") if confidence >= 0.25 else _("把握不大")
