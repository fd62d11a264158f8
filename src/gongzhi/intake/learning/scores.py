"""How good a model is: scores by class, the confusion of classes, and whether its confidence is what comes true."""

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10
AIM = 0.95
"""Of the choices that the machine calls sure, this share shall be right; it sets the threshold (``threshold``)."""
_LEVELS = tuple(round(0.3 + 0.05 * step, 2) for step in range(14))


def confusion(truth: Sequence[int] | Any, said: Sequence[int] | Any, classes: int) -> Any:
    """Return counts [true class, said class]; ``said`` may be -1 for none of the classes."""
    made = np.zeros((classes, classes + 1), np.int64)
    np.add.at(made, (np.asarray(truth), np.asarray(said)), 1)
    return made[:, :classes] if not made[:, classes].any() else made


def by_class(counts: Any, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return precision, recall, F1 (0–1) and the number of messages for each class."""
    made = {}
    for at, label in enumerate(labels):
        hit, true, said = int(counts[at, at]), int(counts[at].sum()), int(counts[:, at].sum())
        made[label] = {
            "precision": round(hit / said, 4) if said else 0.0, "recall": round(hit / true, 4) if true else 0.0,
            "f1": round(2 * hit / (true + said), 4) if true + said else 0.0, "messages": true,
        }  # fmt: skip
    return made


def macro_f1(counts: Any) -> float:
    """Return the mean F1 of the classes that occur, each counting the same."""
    hit, true, said = np.diag(counts), counts.sum(1), counts[:, : len(counts)].sum(0)
    occurs = true > 0
    return float(np.mean((2 * hit / np.maximum(true + said, 1))[occurs])) if occurs.any() else 0.0


def calibration(sure: Any, right: Any) -> dict[str, Any]:
    """Return the expected calibration error (ten bins of equal width, weighed by size), and each bin that has messages.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    sure, right = np.asarray(sure, float), np.asarray(right, float)
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    bins = []
    for at in range(BINS):
        inside = which == at
        if inside.any():
            bins.append(
                {"from": at / BINS, "messages": int(inside.sum()), "said": round(float(sure[inside].mean()), 4),
                 "true": round(float(right[inside].mean()), 4)}
            )  # fmt: skip
    error = sum(one["messages"] * abs(one["said"] - one["true"]) for one in bins) / max(len(sure), 1)
    return {"ece": round(float(error), 4), "bins": bins}


def levels(sure: Any, right: Any) -> list[dict[str, float]]:
    """Return, for each level of confidence, which share of messages reaches it and which share of those is right."""
    made = []
    for level in _LEVELS:
        above = np.asarray(sure) >= level
        if above.any():
            made.append(
                {"level": level, "share": round(float(above.mean()), 4),
                 "right": round(float(np.asarray(right)[above].mean()), 4)}
            )  # fmt: skip
    return made


def threshold(steps: Sequence[dict[str, float]]) -> float:
    """Return the lowest level at and above which the share AIM is right; the highest one where none reaches it."""
    for at, step in enumerate(steps):
        if all(one["right"] >= AIM for one in steps[at:]):
            return step["level"]
    return _LEVELS[-1]
