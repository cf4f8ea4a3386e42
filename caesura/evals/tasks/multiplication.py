"""Multiplication by partial products, two digits by one up to four by two."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.columns import multiply
from caesura.evals.tasks.problem import Family, Problem

_SIZES = ((2, 1), (3, 1), (2, 2), (3, 2), (4, 2))
_WORDINGS = ("What is {a}*{b}?", "Multiply {a} by {b}.", "Calculate {a} times {b}.", "How much is {a} x {b}?")


def _make(rng: Random, difficulty: int) -> Problem:
    first, second = (
        rng.randrange(10 ** (size - 1) + (size == 1), 10**size) for size in _SIZES[difficulty - 1]
    )
    question = rng.choice(_WORDINGS).format(a=first, b=second)
    return Problem(question=question, steps=tuple(multiply(first, second)), answer=str(first * second))


FAMILY = Family(name="multiplication", title="multiplication", make=_make, chance=0.003)
