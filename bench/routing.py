"""Routing: messages a second in batches and one by one, beside a bare scikit-learn pipeline of the same kind in the same run.

The messages are the real ones where ``GONGZHI_DATA`` names them, else made up. The bare pipeline takes the same texts, groups
of one and two characters by TF-IDF, and a linear machine; it gives a class and nothing else.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

_FILE = "citizen-messages.csv.gz"
_LEARNT = 2000
_MEASURED = 2048


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Return rates of the whole proposal's parts: classes and confidence in batches, and one proposal with its reasons."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    from gongzhi.intake.learned import LearnedRouter, Serving, in_taxonomy
    from gongzhi.intake.learning.examples import from_file, of
    from gongzhi.intake.learning.training import train

    path = Path(os.environ.get("GONGZHI_DATA", "")) / _FILE
    examples = list(from_file(path).all if os.environ.get("GONGZHI_DATA") and path.is_file() else _made_up())
    Random(0).shuffle(examples)
    learn = examples[:_LEARNT]
    model = train(of(learn, "bench"))
    bare = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=3), LinearSVC())
    bare.fit([f"{one.title}\n{one.detail}" for one in learn], [one.label for one in learn])
    held = Serving(model, in_taxonomy(model.labels))
    router = LearnedRouter(lambda: held)
    messages = [(one.title, one.detail) for one in (examples[_LEARNT:] or examples)[:_MEASURED]]
    texts = [f"{title}\n{detail}" for title, detail in messages]
    taken: dict[str, list[float]] = {"batch": [], "bare_batch": []}
    for turn in range(rounds + 1):  # the first one warms up
        rates = (
            _rate(lambda: model.probabilities(messages), len(messages), seconds),
            _rate(lambda: bare.predict(texts), len(texts), seconds),
        )
        if turn:
            for name, rate in zip(taken, rates, strict=True):
                taken[name].append(rate)
    single = [_milliseconds(lambda one=one: router.propose(*one, 3)) for one in messages[:400]]
    bare_single = [_milliseconds(lambda text=text: bare.predict([text])) for text in texts[:400]]
    ratios = [ours / theirs for ours, theirs in zip(*taken.values(), strict=True)]
    return {
        "messages": len(messages), "characters": round(statistics.mean(map(len, texts))),
        "batch_per_second": round(statistics.median(taken["batch"])),
        "bare_batch_per_second": round(statistics.median(taken["bare_batch"])),
        "batch_ratio": round(statistics.median(ratios), 3), "batch_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "single_ms": round(statistics.median(single), 2), "single_p95_ms": round(statistics.quantiles(single, n=20)[-1], 2),
        "bare_single_ms": round(statistics.median(bare_single), 2),
    }  # fmt: skip


def _rate(run: Callable[[], Any], many: int, seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        run()
        count += many
    return count / (time.perf_counter() - started)


def _milliseconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def _made_up() -> list[Any]:
    """Return messages of the taxonomy's words among common characters, about as long as real ones."""
    from django.conf import settings

    from gongzhi.intake.learning.examples import Example
    from gongzhi.kernel.pack import load_pack

    dice = Random(1)
    heads = {
        row.code: row.words for row in load_pack(settings.CITY).taxonomy if row.parent is None and len(row.words) > 3
    }
    common = [chr(dice.randrange(0x4E00, 0x9FA5)) for _ in range(1500)]
    made = []
    for number in range(4000):
        label = dice.choice(sorted(heads))
        said = [*dice.choices(heads[label], k=6), *("".join(dice.choices(common, k=12)) for _ in range(28))]
        dice.shuffle(said)
        made.append(Example(label, dice.choice(heads[label]), "，".join(said), str(number)))
    return made
