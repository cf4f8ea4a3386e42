"""Chained modular arithmetic: a start value and one to ten operations, modulo a small number."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_VERBS = {"+": "add", "-": "subtract", "*": "multiply by"}
_WORDINGS = (
    "Start with {start}. Work modulo {modulus}: {operations}. What is the result?",
    "Take {start} and do these steps modulo {modulus}: {operations}. What do you get?",
    "Modulo {modulus}, begin at {start}, then {operations}. Where do you end?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    modulus = rng.choice((7, 10, 11))
    start = value = rng.randrange(modulus)
    operations: list[str] = []
    steps: list[str] = []
    for number in range(1, 2 * difficulty + rng.randrange(2)):
        sign, operand = rng.choice("+-*"), rng.randrange(2, 10)
        operations.append(f"({number}) {_VERBS[sign]} {operand}")
        result = {"+": value + operand, "-": value - operand, "*": value * operand}[sign]
        steps.append(f"{number}:{value}{sign}{operand}={result}={result % modulus}")
        value = result % modulus
    wording = rng.choice(_WORDINGS)
    question = wording.format(start=start, modulus=modulus, operations=", ".join(operations))
    return Problem(question=question, steps=tuple(steps), answer=str(value))


FAMILY = Family(name="chain", title="chained modular arithmetic", make=_make, chance=0.14)
