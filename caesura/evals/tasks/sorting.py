"""Sorting: which of five to thirteen numbers is the k-th smallest?"""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_WORDINGS = (
    "Sort {numbers} from small to large. Which number is in place {place}?",
    "Put {numbers} in order, smallest first. What is number {place} in the row?",
    "Of {numbers}, which has rank {place} when the smallest has rank 1?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    size = 3 + 2 * difficulty
    numbers = rng.sample(range(10, 100), size)
    place = rng.randrange(2, size + 1)
    ordered = sorted(numbers)
    steps = tuple(f"{rank}:{ordered[rank - 1]}" for rank in range(1, place + 1))
    question = rng.choice(_WORDINGS).format(numbers=",".join(map(str, numbers)), place=place)
    return Problem(question=question, steps=steps, answer=str(ordered[place - 1]))


FAMILY = Family(name="sorting", title="sorting", make=_make, chance=0.02)
