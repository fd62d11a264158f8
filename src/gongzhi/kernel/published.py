"""Published counts: numbers under ten are hidden so that nobody works them out from what is shown.

The method is cell suppression: counts under a threshold are hidden first (primary suppression), then others until the
*feasibility interval* of every hidden one is wide enough (secondary suppression), where the interval is what solves all the
published equations together, the attacker's problem (Hundepool et al., Handbook on Statistical Disclosure Control, second
edition, 2024; Fischetti and Salazar, Management Science 47 (2001) 1008-1027). It is safe here for two reasons. Tables are
published only as totals with their own parts, which share no cell with each other, so that the intervals of one total are the
whole story. And a hidden small number keeps the interval that it had before anything was published: every number from 0 to 9
stays possible; where some parts of a total are shown, even for somebody who knows which of the others are the small ones
(and not also the procedure: ``docs/statistics.md``, *Not promised*).
"""

from collections.abc import Mapping, Sequence

SMALLEST = 10
"""The smallest count that is published."""
_MOST = SMALLEST - 1


def protected(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Return the parts that may be shown of a total of at least ten, the largest first, and what is left: the others together.

    ``counts`` has every part that one may think of, those with 0 too: that nothing happened is as telling as a few. What is
    left is 0 where nothing is hidden, and at least ten otherwise.
    """
    shown = sorted((item for item in counts.items() if item[1] >= SMALLEST), key=lambda item: item[1])
    small = [number for number in counts.values() if number < SMALLEST]
    large: list[int] = []
    while shown and not _wide(small, large):
        enough = next((at for at, (_, number) in enumerate(shown) if _wide(small, [*large, number])), 0)
        large.append(shown.pop(enough)[1])
    return dict(reversed(shown)), sum(small) + sum(large)


def _wide(small: Sequence[int], large: Sequence[int]) -> bool:
    """Return whether every number from 0 to 9 is possible for each of the ``small`` hidden counts.

    What is known of them: their sum with the ``large`` hidden ones, which is what subtraction gives; that none is negative;
    which of them are under ten and which are not.
    """
    left = sum(small) + sum(large)
    if not small:
        return True
    if large:  # 0 is possible because the large ones have no upper end, and 9 if it fits beside them
        return left >= _MOST + SMALLEST * len(large)
    return SMALLEST <= left <= _MOST * (len(small) - 1)
