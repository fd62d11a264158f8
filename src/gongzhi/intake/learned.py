"""Routing by the city's own model: the class by what it has learnt, the kinds below a class by the taxonomy's words.

A model may know kinds of matters or only their heads (whatever the labels of its messages were, by code or by title); what
it says of a head is shared out among the head's kinds by the taxonomy's words. The confidence of a proposal is that of its
agency: of all kinds together that the agency answers. Below the model's threshold nothing can be accepted with one click.

The model is the file ``GONGZHI_HOME/routing/model.npz``. A process takes up a new one by itself; without one, or with one
that cannot be read, the taxonomy's words alone are counted.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _

from gongzhi.home import home
from gongzhi.intake.routing import Level, Proposal, WordRouter, in_words, way
from gongzhi.kernel.pack import CategoryRow, load_pack
from gongzhi.tongue import listed

if TYPE_CHECKING:
    from gongzhi.intake.learning.model import Model

_log = logging.getLogger(__name__)
_SHORT = 8  # characters of a model's name by which entries and pages call it
_CLASSES = 3  # classes looked at
_WORTH = 0.03  # how likely a further choice must be to be named
_HEAD = 0.3  # how much a head counts beside one of its kinds


def model_file() -> Path:
    """Return where the city's model lies; the file may not exist."""
    return home() / "routing" / "model.npz"


@dataclass(frozen=True)
class Serving:
    """A model with its classes' places in the taxonomy: ``kinds`` maps labels to codes; the others are never proposed."""

    model: "Model"
    kinds: Mapping[str, str]

    @property
    def name(self) -> str:
        """What entries and pages call it."""
        return self.model.name[:_SHORT]

    @cached_property
    def known(self) -> list[tuple[int, str]]:
        """The columns whose labels the taxonomy knows, with their codes."""
        return [(at, self.kinds[label]) for at, label in enumerate(self.model.labels) if label in self.kinds]


class _Shelf:
    """The one model of the process, read again when its file is another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamp: tuple[str, int, int] | None = None
        self._held: Serving | None = None

    def model(self) -> Serving | None:
        path = model_file()
        try:
            about = path.stat()
        except OSError:
            return None
        stamp = (str(path), about.st_mtime_ns, about.st_size)
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    self._held, self._stamp = _read(path), stamp
        return self._held


def _read(path: Path) -> Serving | None:
    from gongzhi.intake.learning.model import BadModel, load  # noqa: PLC0415  (numpy is needed where there is a model)

    try:
        made = load(path)
    except BadModel:
        _log.exception("routing goes on without a model")
        return None
    return Serving(made, in_taxonomy(made.labels))


_shelf = _Shelf()


def serving() -> Serving | None:
    """Return the city's model, None where there is none."""
    return _shelf.model()


def in_taxonomy(labels: Sequence[str]) -> dict[str, str]:
    """Return the code of each label that the city's taxonomy knows: by code, or by title, a head's before a kind's.

    A label may be a path, its levels divided by ``/`` or ``›``; then its last known level counts.
    """
    categories = load_pack(settings.CITY).categories
    titles: dict[str, str] = {}
    for row in sorted(categories.values(), key=lambda row: row.parent is not None):
        titles.setdefault(row.title, row.code)
    made = {}
    for label in labels:
        parts = [part.strip() for part in label.replace("›", "/").split("/")]
        found = next((part for part in (label, *reversed(parts)) if part in categories or part in titles), None)
        if found is not None:
            made[label] = found if found in categories else titles[found]
    return made


class LearnedRouter:
    """Proposes by the city's model, or by words where there is none."""

    def __init__(self, model: Callable[[], Serving | None] = serving) -> None:
        self._model = model
        self._words = WordRouter()
        pack = load_pack(settings.CITY)
        self._agencies = {agency.code: agency.title for agency in pack.agencies}
        self._categories = pack.categories
        self._below: dict[str, set[str]] = {}
        for row in pack.taxonomy:
            for above in way(row.code)[:-1]:
                self._below.setdefault(above.code, set()).add(row.code)

    def propose(self, title: str, text: str, limit: int) -> Sequence[Proposal]:
        """Return proposals by what was learnt."""
        held = self._model()
        if held is None or not held.known or not held.model.reads(title, text):
            return self._words.propose(title, text, limit)
        sure = held.model.probabilities([(title, text)])[0]
        best = sorted(held.known, key=lambda pair: (-sure[pair[0]], pair[1]))[:_CLASSES]
        labels = {code: held.model.labels[at] for at, code in best}
        weighed = self._words.weigh(title, text)
        likely: dict[str, float] = {}
        spoken: dict[str, list[str]] = {}
        source: dict[str, str] = {}
        for at, code in best:
            left = float(sure[at])
            for kind, (share, words) in self._words.within(weighed, self._below.get(code, set())).items():
                likely[kind] = likely.get(kind, 0.0) + float(sure[at]) * share
                left -= float(sure[at]) * share
                spoken[kind], source[kind] = words, code
            likely[code] = likely.get(code, 0.0) + left
            source.setdefault(code, code)
        order = sorted(likely, key=lambda code: (-self._rank(likely, code), -likely[code] * self._worth(code), code))
        order = [order[0], *(code for code in order[1:] if likely[code] >= _WORTH)]
        found = held.model.words(title, text, sorted({labels[source[code]] for code in order[:limit]}))
        return [
            self._proposal(
                held, code, likely, [(word.word, word.weight) for word in found[labels[source[code]]]],
                spoken.get(code, []), source[code],
            ) for code in order[:limit]
        ]  # fmt: skip

    def _worth(self, code: str) -> float:
        """A head says less than one of its kinds: it comes first only where words hardly speak for any."""
        return _HEAD if self._below.get(code) else 1.0

    def _rank(self, likely: Mapping[str, float], code: str) -> float:
        """Return how likely the head of a kind is: a head is not passed over because its kinds share it."""
        return self._at(likely, way(code)[0])

    def _proposal(
        self, held: Serving, code: str, likely: Mapping[str, float], words: list[tuple[str, float]], spoken: list[str],
        source: str,
    ) -> Proposal:  # fmt: skip
        kind = self._categories[code]
        sure = round(sum(share for one, share in likely.items() if self._categories[one].agency == kind.agency), 3)
        path = tuple(Level(row.code, row.title, round(self._at(likely, row), 3)) for row in way(code))
        reasons = []
        if words:
            reasons.append(
                _("同类留言里常见的词：{words}").format(
                    words=listed(f"“{word}”（+{weight:.2f}）" for word, weight in words)
                )
            )
        if spoken:
            reasons.append(
                _("{words}指向“{title}”").format(words=listed(f"“{word}”" for word in spoken[:6]), title=kind.title)
            )
        head = self._categories[source].title
        reasons.append(
            _("“{path}”由{agency}答复").format(
                path=" › ".join(level.title for level in path), agency=self._agencies[kind.agency]
            )
            if len(path) > 1
            else _("归入“{head}”，具体类别请您选择").format(head=head)
        )
        return Proposal(
            code, kind.title, kind.agency, self._agencies[kind.agency], min(sure, 1.0), in_words(sure), tuple(reasons), path,
            sure >= held.model.threshold, tuple(words), held.name,
        )  # fmt: skip

    def _at(self, likely: Mapping[str, float], row: CategoryRow) -> float:
        return min(1.0, sum(likely.get(one, 0.0) for one in {row.code, *self._below.get(row.code, ())}))
