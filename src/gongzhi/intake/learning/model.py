"""A model and its file: numbers, labels and a description. Nothing in the file runs when it is loaded.

The file is NumPy's ``.npz`` read with ``allow_pickle=False``: arrays of plain numbers, one of them the UTF-8 text of the
description (JSON). Its name is the SHA-256 over all of them, written inside and compared when it is loaded.
"""

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from gongzhi.intake.learning.texts import PARTS, SPACE, TEXT, TITLE, Groups, groups, reading, spans

FORMAT = 1
MOST_BYTES = 200 * 2**20
BATCH = 256  # messages scored together
_CHARACTERS = 2  # the part of the text's characters
_LEAST = 0.01  # of a score, below which a word is not named
_KINDS = {"kept": np.uint32, "rarity": np.float32, "weights": np.float32, "bias": np.float32, "about": np.uint8}


class BadModel(Exception):
    """The file is no model of ours, or not the one that was written; the sentence says what to do."""


@dataclass(frozen=True)
class Word:
    """A word of a text and how much it speaks for a class: its share of the class's score, above the average class."""

    word: str
    weight: float
    above: bool
    """Whether it stands in the title."""


@dataclass(frozen=True)
class Model:
    """A linear model: ``weights`` (groups, classes) over the groups whose hashes are ``kept``, and a ``bias`` per class.

    Scores become probabilities by a softmax over ``scores × about["sharpness"]``. ``rarity`` is each group's inverse document
    frequency. The vector of each part (title, text) has length 1.
    """

    kept: Any
    rarity: Any
    weights: Any
    bias: Any
    about: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the columns."""
        return tuple(self.about["labels"])

    @cached_property
    def name(self) -> str:
        """The SHA-256 of everything in it, 64 hexadecimal digits."""
        return _digest(self._arrays())

    @property
    def threshold(self) -> float:
        """The probability below which a person decides without a ready choice."""
        return float(self.about["threshold"])

    @cached_property
    def _index(self) -> Any:
        table = np.zeros(SPACE, np.int32)
        table[self.kept] = np.arange(1, len(self.kept) + 1, dtype=np.int32)
        return table

    @cached_property
    def _gains(self) -> Any:
        """What each group adds to each class beyond what it adds to the average class (classes, groups)."""
        return np.ascontiguousarray((self.weights - self.weights.mean(axis=1, keepdims=True)).T)

    def probabilities(self, messages: Sequence[tuple[str, str]]) -> Any:
        """Return (messages, classes): how likely each class is for each (title, detail)."""
        parts = [
            softmax(self.scores(messages[at : at + BATCH]) * self.about["sharpness"])
            for at in range(0, len(messages), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)))

    def reads(self, title: str, detail: str) -> bool:
        """Return whether anything in the message is known to the model."""
        read = reading(title, detail)[TEXT]
        return any(map(str.isalnum, read)) and bool(self._index[groups([read], _CHARACTERS).hash].any())

    def scores(self, messages: Sequence[tuple[str, str]]) -> Any:
        """Return (messages, classes) as the linear model sums them up."""
        read = [reading(title, detail) for title, detail in messages]
        made = np.tile(self.bias.astype(np.float64), (len(read), 1))
        for number, part in enumerate(PARTS):
            found = groups([one[part.source] for one in read], number)
            text, group, value = weighed(found, self._index, self.rarity)
            if len(text):
                starts = np.flatnonzero(np.r_[True, text[1:] != text[:-1]])
                made[text[starts]] += np.add.reduceat(self.weights[group] * value[:, None], starts, axis=0)
        return made

    def words(self, title: str, detail: str, labels: Sequence[str], most: int = 6) -> dict[str, list[Word]]:
        """Return, for each of the classes, the words of the message that speak most for it, the strongest first.

        What a group of characters adds to the class's score, beyond what it adds to the average class, is shared by its
        characters; a word has the sum of its characters' shares.
        """
        found: dict[str, dict[str, list[float]]] = {label: {} for label in labels}
        read = reading(title, detail)
        words = [[one for one in spans(text) if _telling(one[0])] for text in read]
        for number, part in enumerate(PARTS):
            seen = groups([read[part.source]], number)
            _text, group, value = weighed(seen, self._index, self.rarity)
            places = self._index[seen.hash]
            for label, held in found.items():
                worth = self._gains[self.labels.index(label), group] * value
                added = _shares(seen, places, group, worth, words[part.source], len(read[part.source]))
                for (word, _start, _end), share in zip(words[part.source], added, strict=True):
                    held.setdefault(word, [0.0, 0.0])[part.source] += share
        return {label: _strongest(held, most) for label, held in found.items()}

    def _arrays(self) -> dict[str, Any]:
        about = json.dumps(self.about, ensure_ascii=False, sort_keys=True).encode()
        return {
            "kept": self.kept, "rarity": self.rarity, "weights": self.weights, "bias": self.bias,
            "about": np.frombuffer(about, np.uint8),
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the file whole under its name. Raises OSError, with nothing changed then."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                np.savez_compressed(file, name=np.frombuffer(bytes.fromhex(self.name), np.uint8), **self._arrays())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def load(path: Path) -> Model:
    """Return the model in a file. Raises BadModel."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
                raise BadModel(_("模型文件“{name}”太大，不是这里训练出来的。").format(name=path.name))
        with np.load(path, allow_pickle=False) as held:
            arrays = {kind: held[kind] for kind in _KINDS}
            written = held["name"].tobytes().hex()
        about = json.loads(arrays["about"].tobytes().decode())
        made = Model(arrays["kept"], arrays["rarity"], arrays["weights"], arrays["bias"], about)
        sound = written == _digest(arrays) and about["format"] == FORMAT and _fits(arrays, len(about["labels"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadModel(
            _("模型文件“{name}”读不出。请用 gongzhi routing train 重新训练。").format(name=path.name)
        ) from error
    if not sound:
        raise BadModel(
            _("模型文件“{name}”同训练时写下的不一样。请用 gongzhi routing train 重新训练。").format(name=path.name)
        )
    return made


def softmax(scores: Any) -> Any:
    """Return probabilities of each row."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def weighed(found: Groups, index: Any, rarity: Any) -> tuple[Any, Any, Any]:
    """Return (text, group, value) of the known groups of each text: damped counts by rarity, each text of length 1."""
    group = index[found.hash]
    known = group > 0
    key = found.text[known].astype(np.int64) * (len(rarity) + 1) + group[known]
    key, count = np.unique(key, return_counts=True)
    text, group = key // (len(rarity) + 1), key % (len(rarity) + 1) - 1
    value = (1 + np.log(count)) * rarity[group]
    length = np.sqrt(np.bincount(text, value * value))
    return text, group, (value / length[text]).astype(np.float32)


def _telling(word: str) -> bool:
    return len(word) > 1 and not word.isdecimal()


def _shares(
    seen: Groups, places: Any, group: Any, worth: Any, words: Sequence[tuple[str, int, int]], length: int
) -> list[float]:
    """Return what each word of the text adds: a group's worth is shared by where it stands, and there by its characters."""
    if not len(group):
        return [0.0] * len(words)
    known = places > 0
    which = np.searchsorted(group, places[known] - 1)
    each = worth[which] / np.bincount(which, minlength=len(group))[which] / seen.size[known]
    shares = np.zeros(length + 2)  # a group may reach over either end
    start, size = seen.start[known] + 1, seen.size[known]
    for step in range(int(size.max(initial=0))):
        inside = size > step
        shares += np.bincount(start[inside] + step, each[inside], minlength=length + 2)
    total = np.concatenate(([0.0], np.cumsum(shares[1:-1])))
    return [float(total[end] - total[begin]) for _word, begin, end in words]


def _strongest(held: Mapping[str, Sequence[float]], most: int) -> list[Word]:
    best = sorted(held.items(), key=lambda pair: (-sum(pair[1]), pair[0]))[:most]
    return [Word(word, round(sum(parts), 2), parts[TITLE] > 0) for word, parts in best if sum(parts) >= _LEAST]


def _digest(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for kind in _KINDS:
        held = np.ascontiguousarray(arrays[kind])
        digest.update(f"{kind} {held.dtype.str} {held.shape}\n".encode())
        digest.update(held.tobytes())
    return digest.hexdigest()


def _fits(arrays: Mapping[str, Any], classes: int) -> bool:
    kept = arrays["kept"]
    return (
        all(arrays[kind].dtype == wanted for kind, wanted in _KINDS.items())
        and arrays["weights"].shape == (len(kept), classes)
        and arrays["rarity"].shape == kept.shape
        and arrays["bias"].shape == (classes,)
        and bool(np.all(kept < SPACE))
    )
