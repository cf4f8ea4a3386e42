"""Unit conversion down one or two steps, with something left over to add."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.columns import add_columns, multiply
from caesura.evals.tasks.problem import Family, Problem

# Each ladder goes from large to small: (unit, how many of the next).
_LADDERS = (
    (("weeks", 7), ("days", 24), ("hours", 1)),
    (("days", 24), ("hours", 60), ("minutes", 1)),
    (("hours", 60), ("minutes", 60), ("seconds", 1)),
    (("yards", 3), ("feet", 12), ("inches", 1)),
    (("gallons", 4), ("quarts", 2), ("pints", 1)),
    (("stones", 14), ("pounds", 16), ("ounces", 1)),
    (("metres", 100), ("centimetres", 10), ("millimetres", 1)),
    (("gross", 12), ("dozen", 12), ("pieces", 1)),
)
_WORDINGS = (
    "How many {small} are {amounts}?",
    "Convert {amounts} to {small}.",
    "Express {amounts} in {small}.",
)


def _make(rng: Random, difficulty: int) -> Problem:
    ladder = rng.choice(_LADDERS)
    first = 0 if difficulty > 2 else rng.randrange(2)
    last = 2 if difficulty > 2 else first + 1
    total = rng.randrange(2, 10 if difficulty in (1, 3) else 20)
    amounts = [f"{total} {ladder[first][0]}"]
    steps: list[str] = []
    for rung in range(first, last):
        factor, unit = ladder[rung][1], ladder[rung + 1][0]
        steps += [f"{total} {ladder[rung][0]}", *_times(total, factor)]
        total *= factor
        if rung == last - 1 or difficulty == 5:
            extra = rng.randrange(1, max(2, min(factor, 30)))
            amounts.append(f"{extra} {unit}")
            steps += add_columns(total, extra)
            total += extra
    question = rng.choice(_WORDINGS).format(small=ladder[last][0], amounts=" and ".join(amounts))
    return Problem(question=question, steps=tuple(steps), answer=str(total))


def _times(value: int, factor: int) -> list[str]:
    if factor in (10, 100):
        return [f"{value}*{factor}={value * factor}"]
    if factor == 60:
        return [*multiply(value, 6), f"{value * 6}*10={value * 60}"]
    return multiply(value, factor)


FAMILY = Family(name="units", title="unit conversion", make=_make, chance=0.013)
