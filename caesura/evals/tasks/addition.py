"""Addition: the control. It is learnt directly, so thinking should add little."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.columns import add_columns
from caesura.evals.tasks.problem import Family, Problem

_WORDINGS = ("What is {a}+{b}?", "Add {a} and {b}.", "How much is {a} plus {b}?", "Calculate {a}+{b}.")


def _make(rng: Random, difficulty: int) -> Problem:
    num_digits = (1, 1, 2, 2, 3)[difficulty - 1]
    low = 10 ** (num_digits - 1)
    first, second = rng.randrange(low, 10 * low), rng.randrange(low, 10 * low)
    question = rng.choice(_WORDINGS).format(a=first, b=second)
    return Problem(question=question, steps=tuple(add_columns(first, second)), answer=str(first + second))


FAMILY = Family(name="addition", title="addition (control)", make=_make, chance=0.05, needs_thinking=False)
