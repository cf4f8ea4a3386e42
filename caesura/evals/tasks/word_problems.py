"""Short word problems: things are bought, given away, lost and shared, in one to five events.

The reasoning opens with a plan: the first number, then what each event does. Its sums follow, numbered alike.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from caesura.evals.tasks.problem import Family, Problem

_NAMES = ("Ann", "Ben", "Cora", "Dan", "Eve", "Finn", "Gina", "Hugo", "Ida", "Jack", "Kate", "Leo")
_THINGS = ("apples", "books", "marbles", "stamps", "pencils", "shells", "cards", "coins", "cookies", "beads")
_QUESTIONS = (
    "How many {things} does {name} have now?",
    "How many {things} are left with {name}?",
    "What is the number of {things} that {name} has in the end?",
)
_MORE = ("{name} buys {k} more.", "A friend gives {name} {k} {things}.", "{name} finds {k} {things}.")
_LESS = ("{name} loses {k}.", "{name} gives {k} to {other}.", "{name} sells {k} {things}.")
_PACKS = ("{name} gets {n} boxes with {k} {things} each.", "{n} friends give {name} {k} {things} each.")
_DOUBLE = ("Then the number doubles.", "{name} wins as many again.")
_HALF = ("{name} gives half of them to {other}.", "Half of them get lost.")


class _Event(NamedTuple):
    """sentence: its template. numbers: what fills it. plan: what it does to the total. sums: how, one by
    one. total: what comes out.
    """

    sentence: str
    numbers: dict[str, int]
    plan: str
    sums: tuple[str, ...]
    total: int


def _make(rng: Random, difficulty: int) -> Problem:
    name, other = rng.sample(_NAMES, 2)
    things = rng.choice(_THINGS)
    total = rng.randrange(5, 40)
    sentences = [f"{name} has {total} {things}."]
    plan = [str(total)]
    sums: list[str] = []
    for number in range(1, difficulty + 1):
        event = _event(rng, total)
        total = event.total
        sentences.append(event.sentence.format(name=name, other=other, things=things, **event.numbers))
        plan.append(f"{number}:{event.plan}")
        sums += [f"{number}:{line}" for line in event.sums]
    sentences.append(rng.choice(_QUESTIONS).format(name=name, things=things))
    return Problem(question=" ".join(sentences), steps=(";".join(plan), *sums), answer=str(total))


def _event(rng: Random, total: int) -> _Event:
    kinds = ["more", "packs"] + (["less"] if total > 3 else []) + (["double"] if total < 60 else [])
    kinds += ["half"] if total % 2 == 0 and total > 3 else []
    kind = rng.choice([each for each in kinds if total < 120 or each in ("less", "half")] or ["less"])
    if kind == "more":
        k = rng.randrange(2, 30)
        return _Event(rng.choice(_MORE), {"k": k}, f"+{k}", (f"{total}+{k}={total + k}",), total + k)
    if kind == "less":
        k = rng.randrange(1, min(total, 40))
        return _Event(rng.choice(_LESS), {"k": k}, f"-{k}", (f"{total}-{k}={total - k}",), total - k)
    if kind == "packs":
        n, k = rng.randrange(2, 10), rng.randrange(2, 10)
        sums = (f"{n}*{k}={n * k}", f"{total}+{n * k}={total + n * k}")
        return _Event(rng.choice(_PACKS), {"n": n, "k": k}, f"+{n}*{k}", sums, total + n * k)
    if kind == "double":
        return _Event(rng.choice(_DOUBLE), {}, "*2", (f"{total}+{total}={2 * total}",), 2 * total)
    return _Event(rng.choice(_HALF), {}, "/2", (f"{total}/2={total // 2}",), total // 2)


FAMILY = Family(name="word_problems", title="short word problems", make=_make, chance=0.018)
