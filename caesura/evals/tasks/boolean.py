"""Boolean expressions: how many of two to six statements about five variables are true?

The reasoning opens with the values. Then each statement is written again: behind every name its value,
behind `is` the value of what is negated, behind `=` that of everything so far; last the count of true ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from caesura.evals.tasks.problem import Family, Problem

_WORDINGS = (
    "{values}. How many of these are true: {statements}?",
    "Given that {values}, count the true statements: {statements}.",
    "Let {values}. How many statements hold: {statements}?",
)


class _Statement(NamedTuple):
    text: str
    line: str
    value: bool


def _make(rng: Random, difficulty: int) -> Problem:
    values = {name: rng.random() < 0.5 for name in "abcde"}
    num_statements = difficulty + 1
    num_true = rng.randrange(num_statements + 1)
    wanted = rng.sample([True] * num_true + [False] * (num_statements - num_true), num_statements)
    statements: list[str] = []
    steps = ["Given " + " ".join(f"{name} {_word(value)}" for name, value in values.items())]
    for number, want in enumerate(wanted, start=1):
        statement = _statement(rng, values)
        while statement.value is not want:
            statement = _statement(rng, values)
        statements.append(f"({number}) {statement.text}")
        steps.append(f"{number}: {statement.line};{sum(wanted[:number])}")
    given = ", ".join(f"{name} is {_word(value)}" for name, value in values.items())
    question = rng.choice(_WORDINGS).format(values=given, statements=", ".join(statements))
    return Problem(question=question, steps=tuple(steps), answer=str(num_true))


def _statement(rng: Random, values: Mapping[str, bool]) -> _Statement:
    """`x op y`, or `x op y, op z` read from the left; each variable perhaps negated."""
    names = rng.sample(sorted(values), rng.choice((2, 3)))
    text = line = ""
    value = False
    for position, name in enumerate(names):
        is_negated = rng.random() < 0.3
        literal = values[name] is not is_negated
        word = f"not {name}" if is_negated else name
        shown = f"{word} {_word(values[name])}" + (f" is {_word(literal)}" if is_negated else "")
        if position == 0:
            text, line, value = word, shown, literal
            continue
        operator = rng.choice(("and", "or"))
        text = f"({text}) {operator} {word}" if position == 2 else f"{text} {operator} {word}"
        value = (value and literal) if operator == "and" else (value or literal)
        line += f" {operator} {shown} = {_word(value)}"
    return _Statement(text, line, value)


def _word(value: bool) -> str:
    return "true" if value else "false"


FAMILY = Family(name="boolean", title="Boolean statements", make=_make, chance=0.22)
