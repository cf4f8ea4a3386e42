"""Short word problems: things are bought, given away, lost and shared, in one to five events."""

from __future__ import annotations

from random import Random

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


def _make(rng: Random, difficulty: int) -> Problem:
    name, other = rng.sample(_NAMES, 2)
    things = rng.choice(_THINGS)
    total = rng.randrange(5, 40)
    sentences = [f"{name} has {total} {things}."]
    steps: list[str] = []
    for _ in range(difficulty):
        sentence, lines, total, numbers = _event(rng, total)
        sentences.append(sentence.format(name=name, other=other, things=things, **numbers))
        steps += lines
    sentences.append(rng.choice(_QUESTIONS).format(name=name, things=things))
    return Problem(question=" ".join(sentences), steps=tuple(steps), answer=str(total))


def _event(rng: Random, total: int) -> tuple[str, list[str], int, dict[str, int]]:
    """(sentence, lines of reasoning, new total, the sentence's numbers)."""
    kinds = ["more", "packs"] + (["less"] if total > 3 else []) + (["double"] if total < 60 else [])
    kinds += ["half"] if total % 2 == 0 and total > 3 else []
    kind = rng.choice([each for each in kinds if total < 120 or each in ("less", "half")] or ["less"])
    if kind == "more":
        k = rng.randrange(2, 30)
        return rng.choice(_MORE), [f"{total}+{k}={total + k}"], total + k, {"k": k}
    if kind == "less":
        k = rng.randrange(1, min(total, 40))
        return rng.choice(_LESS), [f"{total}-{k}={total - k}"], total - k, {"k": k}
    if kind == "packs":
        n, k = rng.randrange(2, 10), rng.randrange(2, 10)
        lines = [f"{n}*{k}={n * k}", f"{total}+{n * k}={total + n * k}"]
        return rng.choice(_PACKS), lines, total + n * k, {"n": n, "k": k}
    if kind == "double":
        return rng.choice(_DOUBLE), [f"{total}+{total}={2 * total}"], 2 * total, {}
    return rng.choice(_HALF), [f"{total}/2={total // 2}"], total // 2, {}


FAMILY = Family(name="word_problems", title="short word problems", make=_make, chance=0.018)
