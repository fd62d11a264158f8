"""Learning: which groups of characters speak for which class, how sure that is, and how good it is on texts not seen."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import rjieba

from gongzhi.intake.learning import scores
from gongzhi.intake.learning.examples import Examples, check
from gongzhi.intake.learning.model import FORMAT, Model, softmax
from gongzhi.intake.learning.texts import BITS, PARTS, SPACE, TEXT, groups, reading

FOLDS = 5
FEWEST = 3
"""Groups of messages that must share a group of characters, else it is dropped: what one person alone wrote is not kept."""
SHOWN_FEWEST = 20
"""Groups of messages that must share a word before a page shows it as typical of a class."""
_WORDS = 12  # of each class on the card
_SMOOTH = 0.1  # added to each count before a ratio is taken
_BATCH = 512
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Counted:
    """The messages as counts of groups of characters, and which groups of messages have which (each pair once)."""

    counts: Any
    group: Any
    pair_group: Any
    pair_column: Any


def train(examples: Examples, *, progress: Progress = lambda done, total: None) -> Model:
    """Return the model that these messages give, measured on messages that it has not learnt from. Raises UnfitFile."""
    check(examples)
    started = time.perf_counter()
    truth = np.array([examples.labels.index(one.label) for one in examples.all])
    counted = _count(examples)
    held_out = np.full((len(truth), len(examples.labels)), np.nan)
    folds = list(_splits(counted, truth))
    for done, (learn, measure) in enumerate(folds):
        progress(done, len(folds) + 1)
        held_out[measure] = _held_out(counted, truth, learn, measure, len(examples.labels))
    progress(len(folds), len(folds) + 1)
    sharpness = _sharpness(held_out, truth)
    kept, rarity, weights, bias = _fit(counted, truth, np.arange(len(truth)), len(examples.labels))
    about = {
        "format": FORMAT, "labels": list(examples.labels), "sharpness": sharpness, "folds": len(folds),
        "source": examples.source, "digest": examples.digest, "messages": len(truth),
        "groups": int(counted.group.max()) + 1, "passed_over": examples.passed_over,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"), "kept": len(kept),
        "agencies": _agencies(examples), "words": _telling(examples, counted.group, truth),
        **_measured(softmax(held_out * sharpness), truth, examples.labels),
    }  # fmt: skip
    progress(len(folds) + 1, len(folds) + 1)
    return Model(kept, rarity, weights, bias, about | {"seconds": round(time.perf_counter() - started, 1)})


def _count(examples: Examples) -> _Counted:
    from scipy import sparse  # noqa: PLC0415  (only training needs it)

    parts = []
    for start in range(0, len(examples.all), _BATCH):
        read = [reading(one.title, one.detail) for one in examples.all[start : start + _BATCH]]
        rows, columns = [], []
        for number, part in enumerate(PARTS):
            found = groups([one[part.source] for one in read], number)
            rows.append(found.text)
            columns.append(found.hash)
        at = (np.concatenate(rows), np.concatenate(columns))
        made = sparse.csr_matrix((np.ones(len(at[0]), np.float32), at), shape=(len(read), SPACE))
        made.sum_duplicates()
        parts.append(made)
    counts = sparse.vstack(parts, format="csr")
    names = {name: at for at, name in enumerate(dict.fromkeys(one.group for one in examples.all))}
    group = np.array([names[one.group] for one in examples.all])
    of = np.repeat(group, np.diff(counts.indptr)).astype(np.int64)
    pairs = np.unique(of * SPACE + counts.indices)
    return _Counted(counts, group, pairs // SPACE, pairs % SPACE)


def _splits(counted: _Counted, truth: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (learn, measure) rows; a group is never on both sides, and classes are spread as evenly as groups allow."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    fewest = min(len(set(counted.group[truth == label])) for label in set(truth.tolist()))
    yield from StratifiedGroupKFold(max(2, min(FOLDS, fewest))).split(truth, truth, counted.group)


def _columns(counted: _Counted, learn: Any) -> tuple[Any, Any]:
    """Return the columns that enough groups of these messages share, and how rare each is."""
    inside = np.zeros(int(counted.group.max()) + 1, bool)
    inside[counted.group[learn]] = True
    shared = np.bincount(counted.pair_column[inside[counted.pair_group]], minlength=SPACE)
    kept = np.flatnonzero(shared >= min(FEWEST, max(1, inside.sum() // 4)))
    return kept.astype(np.uint32), (np.log((1 + inside.sum()) / (1 + shared[kept])) + 1).astype(np.float32)


def _rows(counted: _Counted, rows: Any, kept: Any, rarity: Any) -> Any:
    """Return the messages' vectors, as ``model.weighed`` makes them: each part of length 1 by its weight."""
    from scipy import sparse  # noqa: PLC0415
    from sklearn.preprocessing import normalize  # noqa: PLC0415

    made = counted.counts[rows][:, kept].astype(np.float32)
    made.data = (1 + np.log(made.data)) * rarity[made.indices]
    borders = [int(np.searchsorted(kept, number << BITS)) for number in range(len(PARTS) + 1)]
    return sparse.hstack(
        [normalize(made[:, start:end]) * part.weight
         for part, start, end in zip(PARTS, borders, borders[1:], strict=False) if end > start], format="csr",
    )  # fmt: skip


def _solve(vectors: Any, truth: Any, classes: int, plain: Any) -> tuple[Any, Any]:
    """Return weights (columns, classes) and bias: of two linear machines, one class against the rest, the sum.

    For the first one each column is multiplied by how much more often it stands in the class than elsewhere (a log-count
    ratio); the product is linear again. Source: Wang and Manning, Baselines and Bigrams, 2012, section 2.3. The second one
    learns from the columns ``plain`` as they are, small classes weighing as much as large ones.
    """
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    weights = np.zeros((vectors.shape[1], classes), np.float32)
    bias = np.full(classes, -4.0, np.float32)  # of a class that these messages do not have
    whole = np.asarray(vectors.sum(axis=0)).ravel()
    characters = vectors[:, plain]
    sizes = np.bincount(truth, minlength=classes)
    even = len(truth) / ((sizes > 0).sum() * sizes[truth])
    for label in sorted(set(truth.tolist())):
        here = np.asarray(vectors[truth == label].sum(axis=0)).ravel()
        more, less = here + _SMOOTH, whole - here + _SMOOTH
        ratio = np.log((more / more.sum()) / (less / less.sum())).astype(np.float32)
        scaled = vectors.copy()
        scaled.data *= ratio[scaled.indices]
        first = LinearSVC(C=1.0, random_state=0).fit(scaled, truth == label)
        second = LinearSVC(C=0.3, random_state=0).fit(characters, truth == label, sample_weight=even)
        weights[:, label] = ratio * first.coef_[0]
        weights[plain, label] += second.coef_[0]
        bias[label] = first.intercept_[0] + second.intercept_[0]
    return weights, bias


def _characters(kept: Any) -> Any:
    """Return the columns that stand for characters."""
    return np.flatnonzero(np.array([not part.words for part in PARTS])[kept >> BITS])


def _fit(counted: _Counted, truth: Any, learn: Any, classes: int) -> tuple[Any, Any, Any, Any]:
    kept, rarity = _columns(counted, learn)
    weights, bias = _solve(_rows(counted, learn, kept, rarity), truth[learn], classes, _characters(kept))
    weights *= np.array([part.weight for part in PARTS], np.float32)[kept >> BITS, None]
    return kept, rarity, weights, bias


def _held_out(counted: _Counted, truth: Any, learn: Any, measure: Any, classes: int) -> Any:
    kept, rarity = _columns(counted, learn)
    weights, bias = _solve(_rows(counted, learn, kept, rarity), truth[learn], classes, _characters(kept))
    return _rows(counted, measure, kept, rarity) @ weights + bias


def _sharpness(held_out: Any, truth: Any) -> float:
    """Return by what scores are multiplied so that probabilities come true: the least surprise on messages not learnt from.

    Source: temperature scaling, Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    rows = np.arange(len(truth))
    tried = np.geomspace(0.3, 30, 200)
    surprise = [-np.log(np.maximum(softmax(held_out * one)[rows, truth], 1e-12)).mean() for one in tried]
    return round(float(tried[int(np.argmin(surprise))]), 4)


def _measured(likely: Any, truth: Any, labels: tuple[str, ...]) -> dict[str, Any]:
    said, sure = likely.argmax(axis=1), likely.max(axis=1)
    counts = scores.confusion(truth, said, len(labels))
    steps = scores.levels(sure, said == truth)
    shares = np.bincount(truth, minlength=len(labels)) / len(truth)
    return {
        "macro_f1": round(scores.macro_f1(counts), 4), "accuracy": round(float((said == truth).mean()), 4),
        "per_class": scores.by_class(counts, labels), "confusion": counts.tolist(),
        **scores.calibration(sure, said == truth), "levels": steps, "threshold": scores.threshold(steps),
        "confidence": round(float(sure.mean()), 4), "shares": [round(float(share), 4) for share in shares],
    }  # fmt: skip


def _agencies(examples: Examples) -> dict[str, str]:
    """Return by class the agency that owed most of its answers, where the source tells of agencies."""
    owed: dict[str, Counter[str]] = {}
    for one in examples.all:
        if one.agency:
            owed.setdefault(one.label, Counter())[one.agency] += 1
    return {label: max(counts, key=lambda code: (counts[code], code)) for label, counts in sorted(owed.items())}


def _telling(examples: Examples, group: Any, truth: Any) -> dict[str, list[str]]:
    """Return the words that are typical of each class, for people to read.

    Only words of the segmenter's own dictionary that many groups of messages share: no name of a person is among them
    unless it is a word too. Ordered by log-odds over their deviation (Monroe et al., Fightin' Words, 2008, equation 22).
    """
    seen: dict[str, set[tuple[int, int]]] = {}
    for one, at, label in zip(examples.all, group.tolist(), truth.tolist(), strict=True):
        for word in set(rjieba.cut(reading(one.title, one.detail)[TEXT])):
            if len(word) > 1 and word.isalpha():
                seen.setdefault(word, set()).add((label, at))
    many = Counter(label for label, _at in {(label, at) for held in seen.values() for label, at in held})
    ranked: dict[int, list[tuple[float, str]]] = {}
    for word, held in seen.items():
        if len(held) < SHOWN_FEWEST or rjieba.cut(word, False) != [word]:
            continue
        counts = Counter(label for label, _at in held)
        for label, hits in counts.items():
            rest, others = len(held) - hits, sum(many.values()) - many[label]
            odds = np.log((hits + 0.5) / (many[label] - hits + 0.5)) - np.log((rest + 0.5) / (others - rest + 0.5))
            ranked.setdefault(label, []).append((float(odds / np.sqrt(1 / (hits + 0.5) + 1 / (rest + 0.5))), word))
    return {
        label: [word for worth, word in sorted(ranked.get(at, []), reverse=True)[:_WORDS] if worth > 0]
        for at, label in enumerate(examples.labels)
    }
