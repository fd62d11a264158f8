"""First routing: which kind of matter a text is, and so which agency owes the answer. A machine proposes, a person decides.

The router of this release counts the taxonomy's words. A learnt one has the same face (``Router``) and is named by the
setting ``ROUTER``; whoever proposes gives reasons that a clerk can check in the text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from gongzhi.kernel.pack import CategoryRow, load_pack

_TITLE = 3.0  # a word in the title weighs as much as three in the text
_COUNTED = 3  # further repetitions of a word add nothing


@dataclass(frozen=True, slots=True)
class Proposal:
    """A kind and an agency, how sure (0–1, and in words), and why, in sentences for the clerk."""

    category: str
    category_title: str
    agency_code: str
    agency_title: str
    confidence: float
    confidence_word: str
    reasons: tuple[str, ...]


class Router(Protocol):
    """What can propose."""

    def propose(self, title: str, text: str, limit: int) -> Sequence[Proposal]:
        """Return proposals, the best first; none where nothing speaks for any."""


def propose(text: str, *, title: str = "", limit: int = 3) -> list[Proposal]:
    """Return the router's proposals for a text with its title, the best first."""
    return list(router().propose(title, text, limit))


@cache
def router() -> Router:
    """Return the router that the setting ``ROUTER`` names (``module.Class``), by default the taxonomy's words."""
    made: Router = import_string(getattr(settings, "ROUTER", "gongzhi.intake.routing.WordRouter"))()
    return made


class WordRouter:
    """Counts the words of each kind; a word that names few kinds says more, and so does a longer one."""

    def __init__(self) -> None:
        pack = load_pack(settings.CITY)
        self._agencies = {agency.code: agency.title for agency in pack.agencies}
        self._kinds = [kind for kind in pack.taxonomy if kind.words]
        self._titles = {kind.code: kind.title for kind in pack.taxonomy}
        held: dict[str, int] = {}
        for kind in self._kinds:
            for word in kind.words:
                held[word] = held.get(word, 0) + 1
        self._weights = {word: math.log1p(len(self._kinds) / count) * len(word) ** 0.5 for word, count in held.items()}

    def propose(self, title: str, text: str, limit: int) -> Sequence[Proposal]:
        """Return proposals by the words found."""
        scored = [(score, kind, found) for kind in self._kinds for score, found in [self._score(kind, title, text)] if found]
        scored.sort(key=lambda row: (-row[0], row[1].code))
        if not scored:
            return []
        total = sum(score for score, _, _ in scored[:5])
        return [self._proposal(kind, found, score / total, score) for score, kind, found in scored[:limit]]

    def _score(self, kind: CategoryRow, title: str, text: str) -> tuple[float, list[tuple[str, int, int]]]:
        score, found = 0.0, []
        for word in kind.words:
            above, below = title.count(word), text.count(word)
            if above or below:
                found.append((word, above, below))
                score += self._weights[word] * (_TITLE * (above > 0) + math.sqrt(min(below, _COUNTED)))
        return score, found

    def _proposal(
        self, kind: CategoryRow, found: list[tuple[str, int, int]], share: float, score: float
    ) -> Proposal:
        above = [f"“{word}”" for word, title, _ in found if title]
        below = [f"“{word}”" + (f"({count} 次)" if count > 1 else "") for word, title, count in found if count and not title]
        reasons = []
        if above:
            reasons.append(f"标题里有{'、'.join(above[:6])}")
        if below:
            reasons.append(f"内容里有{'、'.join(below[:6])}")
        head = self._titles.get(kind.parent or "", "")
        reasons.append(f"这些词属于“{head} › {kind.title}”,由{self._agencies[kind.agency]}答复" if head else kind.title)
        sure = share * (1 - math.exp(-score / 8))
        return Proposal(
            kind.code, kind.title, kind.agency, self._agencies[kind.agency], round(sure, 3), _word(sure), tuple(reasons)
        )


def _word(confidence: float) -> str:
    return "把握较大" if confidence >= 0.5 else "有一定把握" if confidence >= 0.25 else "把握不大"
