"""Which safety prompts may be trained on, and which are kept for measuring.

Enters: texts. Leaves: a yes or no by hash, and an index that finds near-duplicates across the split. A fifth
is kept for measuring; what resembles one of its prompts too closely is taken out of the training part, so
that a refusal that is measured was not learnt by heart. Read next: `prompts.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import pairwise

MEASURED_ONE_IN = 5
MAX_WORD_OVERLAP = 0.8
MAX_PAIR_OVERLAP = 0.6
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def is_for_measuring(text: str) -> bool:
    """Whether a text is in the fifth that no recipe trains on: SHA-256's first four bytes, modulo."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % MEASURED_ONE_IN == 0


def is_for_training(text: str) -> bool:
    """Whether a text is in the other four fifths; near-duplicates are the business of `Resemblance`."""
    return not is_for_measuring(text)


def words_of(text: str) -> list[str]:
    """The words in order, in small letters."""
    return _WORD.findall(text.casefold())


def overlap(first: frozenset[object], second: frozenset[object]) -> float:
    """Jaccard's index: what both hold, over what either holds; 0 for two empty sets."""
    either = len(first | second)
    return len(first & second) / either if either else 0.0


class Resemblance:
    """Finds texts that nearly repeat one of some kept texts: by their words, or by their pairs of words."""

    def __init__(self, kept: Iterable[str]) -> None:
        texts = [words_of(text) for text in kept]
        self._words = _Overlaps([frozenset(words) for words in texts], MAX_WORD_OVERLAP)
        self._pairs = _Overlaps([frozenset(pairwise(words)) for words in texts], MAX_PAIR_OVERLAP)

    def holds(self, text: str) -> bool:
        """Whether one of the kept texts shares 0.8 of its words, or 0.6 of its pairs of words, with it."""
        words = words_of(text)
        return self._words.has(frozenset(words)) or self._pairs.has(frozenset(pairwise(words)))


class _Overlaps:
    """Sets of which one may overlap with another by at least `least`."""

    def __init__(self, sets: Sequence[frozenset[object]], least: float) -> None:
        self._sets = sets
        self._least = least
        self._holders: defaultdict[object, list[int]] = defaultdict(list)
        for number, each in enumerate(sets):
            for item in each:
                self._holders[item].append(number)

    def has(self, asked: frozenset[object]) -> bool:
        # One that overlaps so much lacks so few items that it holds one of any larger number of them.
        num = int((1 - self._least) * len(asked) + 1e-9) + 1
        rare = nsmallest(num, asked, key=lambda item: len(self._holders.get(item, ())))
        near = {number for item in rare for number in self._holders.get(item, ())}
        return any(overlap(asked, self._sets[number]) >= self._least for number in near)
