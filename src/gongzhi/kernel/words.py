"""Words of a Chinese text, for finding records: rjieba's, kept in a tsvector without positions.

The index holds every dictionary word that a text contains, also inside others, and every character: the text 路灯不亮 is
cut into 路 · 灯不亮, and whoever looks for 路灯 must find it all the same.
"""

from collections.abc import Iterable

import rjieba

_LONGEST = 40
_EVERYWHERE = frozenset(
    [
        "about",
        "after",
        "again",
        "been",
        "before",
        "from",
        "have",
        "here",
        "into",
        "just",
        "over",
        "please",
        "some",
        "than",
        "that",
        "their",
        "them",
        "then",
        "there",
        "they",
        "this",
        "very",
        "were",
        "what",
        "when",
        "where",
        "which",
        "will",
        "with",
        "would",
        "your",
    ]
)


def index_words(texts: Iterable[str]) -> list[str]:
    """Return the distinct words under which a record is found, in any order."""
    return _usable(set(rjieba.cut_all(_one_line(texts).casefold())))


def query_words(text: str) -> list[str]:
    """Return the distinct words that a record must have to be found; all of them."""
    return _distinct(word for token in rjieba.cut(_one_line([text]).casefold()) for word in rjieba.cut_all(token))


def telling_words(text: str) -> list[str]:
    """Return the distinct words of two characters and more: what two texts on the same matter share.

    In Latin letters, of four and more, without the words that every text has.
    """
    return _distinct(
        word for word in rjieba.cut(_one_line([text]).casefold())
        if len(word) > (3 if word.isascii() else 1) and word not in _EVERYWHERE
    )  # fmt: skip


def _one_line(texts: Iterable[str]) -> str:
    """Return the texts as one, with single spaces: a line break would stick to the words beside it."""
    return " ".join(" ".join(texts).split())


def _distinct(words: Iterable[str]) -> list[str]:
    return _usable(dict.fromkeys(words))


def _usable(words: Iterable[str]) -> list[str]:
    """Return what consists of letters and digits, which also keeps out what tsquery would read as its own."""
    kept = list(filter(str.isalnum, words))
    if max(map(len, kept), default=0) > _LONGEST:
        return [word[:_LONGEST] for word in kept]
    return kept
