"""What an evaluation asks, under which conditions, and what came of it.

Enters: families, seeds and a number of problems. Leaves: `Posed` problems, the same on every machine, and
`Attempt`s, one for each problem and condition; everything that is reported is computed from those.
Read next: `reasoning.py`, which poses them, and `results.py`, which sums them up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from caesura.evals.statistics import Outcome
from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY, Problem

# "padding": a thought made of filler is put before the answer; nothing is thought.
Mode = Literal["disabled", "enabled", "adaptive", "padding"]


class Condition(NamedTuple):
    """How a problem is asked.

    mode: how thinking is set. budget: the most thinking tokens (of "padding": the filler tokens); 0 where
    the mode has none.
    """

    mode: Mode
    budget: int

    @property
    def label(self) -> str:
        """Short, for logs and file names."""
        return f"{self.mode}-{self.budget}" if self.mode in ("enabled", "padding") else self.mode


def at_budget(budget: int) -> Condition:
    """The condition of a budget: 0 answers at once."""
    return Condition("enabled", budget) if budget else Condition("disabled", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """One problem of an evaluation; `problem` makes it.

    family: its family's name. seed: of the evaluation. index: its number within family and seed.
    """

    family: str
    seed: int
    index: int

    @property
    def difficulty(self) -> int:
        """The dial, turned evenly through 1..5."""
        return 1 + self.index % MAX_DIFFICULTY

    @property
    def id(self) -> str:
        """A name that no other problem of the evaluation has."""
        return f"{self.family}/{self.seed}/{self.index}"

    @property
    def problem(self) -> Problem:
        """Question and answer. Training draws from other seeds, so it never saw them together."""
        return FAMILIES[self.family].problem(
            f"eval/{self.seed}/{self.index}", self.difficulty, is_held_out=True
        )


def pose(seeds: Iterable[int], num_problems: int, families: Sequence[str] = tuple(FAMILIES)) -> list[Posed]:
    """`num_problems` of every family and seed."""
    return [
        Posed(family=family, seed=seed, index=index)
        for seed in seeds
        for index in range(num_problems)
        for family in families
    ]


def prompts_digest(problems: Iterable[Posed]) -> str:
    """SHA-256 over ids, questions and answers: equal exactly when the same things were asked."""
    digest = hashlib.sha256()
    for posed in problems:
        problem = posed.problem
        digest.update(f"{posed.id}\0{problem.question}\0{problem.answer}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one problem under one condition came to.

    family, seed, index: see `Posed`. mode, budget: see `Condition`.
    is_correct: what the family's grader says. answer: what the reply stated.
    has_thought: whether the reply opened with a thought. has_answer: whether text followed.
    prompt_tokens, output_tokens, thinking_tokens: of the usage.
    streamed_thinking_tokens: counted from the stream; the usage must say the same.
    stop_reason: why the reply ended.
    """

    family: str
    seed: int
    index: int
    mode: Mode
    budget: int
    is_correct: bool
    answer: str
    has_thought: bool
    has_answer: bool
    prompt_tokens: int
    output_tokens: int
    thinking_tokens: int
    streamed_thinking_tokens: int
    stop_reason: str

    @property
    def condition(self) -> Condition:
        """How it was asked."""
        return Condition(self.mode, self.budget)

    @property
    def outcome(self) -> Outcome:
        """What statistics reads."""
        return Outcome(self.family, f"{self.seed}/{self.index}", float(self.is_correct))
