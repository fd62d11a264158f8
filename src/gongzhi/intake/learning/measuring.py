"""Measuring: what one file of messages teaches about another, or about itself with groups kept together."""

import time
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from gongzhi.intake.learning import scores
from gongzhi.intake.learning.examples import Examples, alike
from gongzhi.intake.learning.training import Progress, train
from gongzhi.tongue import listed


def evaluate(
    learn: Examples, test: Examples | None, *, progress: Progress = lambda done, total: None
) -> dict[str, Any]:
    """Return {macro_f1, accuracy, per_class, messages_per_second, ece, …, notes}; ``notes`` are sentences for the person.

    Without ``test`` the scores are those of messages held out in turn, whole groups at a time. Raises UnfitFile.
    """
    made = train(learn, progress=progress)
    measured = learn if test is None else test
    messages = [(one.title, one.detail) for one in measured.all]
    made.probabilities(messages[:8])
    started = time.perf_counter()
    sure = made.probabilities(messages)
    rate = round(len(messages) / (time.perf_counter() - started), 1)
    if test is None:
        told = {
            name: made.about[name] for name in ("macro_f1", "accuracy", "per_class", "confusion", "ece", "threshold")
        }
        return {**told, "labels": list(made.labels), "messages_per_second": rate, "messages": len(messages),
                "trained_on": len(learn.all), "folds": made.about["folds"], "model": made.name, "notes": []}  # fmt: skip
    labels = [*made.labels, *sorted(set(test.labels) - set(made.labels))]
    truth = np.array([labels.index(one.label) for one in test.all])
    said = sure.argmax(axis=1)
    counts = scores.confusion(truth, said, len(labels))
    right = said == truth
    return {
        "macro_f1": round(scores.macro_f1(counts), 4), "accuracy": round(float(right.mean()), 4),
        "per_class": scores.by_class(counts, labels), "confusion": counts.tolist(), "labels": labels,
        "ece": scores.calibration(sure.max(axis=1), right)["ece"], "threshold": made.threshold,
        "messages_per_second": rate, "messages": len(messages), "trained_on": len(learn.all), "model": made.name,
        "notes": _notes(learn, test),
    }  # fmt: skip


def _notes(learn: Examples, test: Examples) -> list[str]:
    """Return what makes the figures doubtful."""
    made = []
    known = {alike(one.title, one.detail) for one in learn.all}
    same = sum(alike(one.title, one.detail) in known for one in test.all)
    if same:
        made.append(_("注意：评测文件里有 {count:,} 条留言在训练文件里也有，分数会偏高。").format(count=same))
    strange = sorted(set(test.labels) - set(learn.labels))
    if strange:
        made.append(
            _("注意：训练文件里没有类别{labels}，这些留言都算错。").format(labels=listed(f"“{one}”" for one in strange))
        )
    return made
