"""State tracking: five letters in five boxes, and swaps. Which letter is where in the end?

The last state is written again place by place, so that the answer is copied from beside its number.
"""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_WORDINGS = (
    "Boxes 1 to 5 hold {letters}. Swap the contents of {swaps}. Which letter is in box {box}?",
    "{letters} sit on chairs 1 to 5. These pairs of chairs swap: {swaps}. Who sits on chair {box}?",
    "Cups 1 to 5 hide {letters}. Swap cups {swaps}. What is under cup {box}?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    state = rng.sample("ABCDEFGHJK", 5)
    letters = ", ".join(state)
    swaps: list[str] = []
    steps: list[str] = []
    for number in range(1, 2 * difficulty + rng.randrange(2)):
        first, second = sorted(rng.sample(range(5), 2))
        state[first], state[second] = state[second], state[first]
        pair = f"{first + 1} and {second + 1}"
        swaps.append(f"({number}) {pair}")
        steps.append(f"{number}:{first + 1}-{second + 1}: {' '.join(state)}")
    box = rng.randrange(5)
    steps.append(",".join(f"{place} {letter}" for place, letter in enumerate(state, start=1)))
    steps.append(f"place {box + 1} {state[box]}")
    question = rng.choice(_WORDINGS).format(letters=letters, swaps=", ".join(swaps), box=box + 1)
    return Problem(question=question, steps=tuple(steps), answer=state[box])


FAMILY = Family(name="state", title="state tracking", make=_make, chance=0.11)
