"""List operations: a list of digits, and one to ten things done to it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from caesura.evals.tasks.problem import Family, Problem

_OPERATIONS: dict[str, Callable[[list[int], int], list[int]]] = {
    "reverse it": lambda digits, _: digits[::-1],
    "drop the first": lambda digits, _: digits[1:],
    "drop the last": lambda digits, _: digits[:-1],
    "append {k}": lambda digits, k: [*digits, k],
    "put {k} in front": lambda digits, k: [k, *digits],
    "swap the first two": lambda digits, _: [digits[1], digits[0], *digits[2:]],
    "move the first to the end": lambda digits, _: [*digits[1:], digits[0]],
    "move the last to the front": lambda digits, _: [digits[-1], *digits[:-1]],
}
_WORDINGS = (
    "Start with the list {digits}: {operations}. What is the list now?",
    "Take {digits} and do this: {operations}. Which list results?",
    "A list is {digits}. In turn, {operations}. Give the final list.",
)


def _make(rng: Random, difficulty: int) -> Problem:
    digits = [rng.randrange(10) for _ in range(rng.randrange(4, 7))]
    shown = _show(digits)
    operations: list[str] = []
    steps: list[str] = []
    for number in range(1, 2 * difficulty + rng.randrange(2)):
        allowed = [name for name in _OPERATIONS if _fits(name, len(digits))]
        name, k = rng.choice(allowed), rng.randrange(10)
        digits = _OPERATIONS[name](digits, k)
        operations.append(f"({number}) {name.format(k=k)}")
        steps.append(f"{number}:{_show(digits)}")
    question = rng.choice(_WORDINGS).format(digits=shown, operations=", ".join(operations))
    return Problem(question=question, steps=tuple(steps), answer=_show(digits))


def _fits(operation: str, length: int) -> bool:
    grows, shrinks = "{k}" in operation, operation.startswith("drop")
    return not (grows and length > 6) and not (shrinks and length < 4)


def _show(digits: list[int]) -> str:
    return ",".join(map(str, digits))


FAMILY = Family(name="lists", title="list operations", make=_make, chance=0.002)
