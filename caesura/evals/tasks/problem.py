"""What a family of verifiable problems is made of, and how a reply is graded.

Enters: a seeded random generator and a difficulty. Leaves: a `Problem` with its question, the written
reasoning of someone who solves it step by step, and its one answer. Graders are plain functions of the
reply's text: evaluation uses them, and so can rewards. Read next: any family, e.g. `chain.py`, then
`__init__.py` for the table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

MAX_DIFFICULTY = 5
HELD_OUT_ONE_IN = 8
# What stands in for thoughts in the control, one token in most vocabularies.
FILLER = " ."
_STATED = re.compile(r"[Aa]nswer is:?[ \t]*(?=\S)")
# No answer holds a full stop, so one that ends a sentence ends the answer; a decimal point does not.
_SENTENCE_END = re.compile(r"\.(?=\s|$)|[\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with its reasoning and its answer.

    question: plain English, one of several wordings.
    steps: the reasoning, one short line a step; a cut between two steps leaves a usable thought.
    answer: the only right answer, in the form that the question implies.
    """

    question: str
    steps: tuple[str, ...]
    answer: str

    @property
    def thinking(self) -> str:
        """The reasoning as one text."""
        return "\n".join(self.steps)

    @property
    def is_held_out(self) -> bool:
        """Whether nothing may train on this problem: an eighth of all, by a hash of the reasoning, so that
        another wording of the same problem is held out with it.
        """
        digest = hashlib.sha256(self.thinking.encode()).digest()
        return int.from_bytes(digest[:4]) % HELD_OUT_ONE_IN == 0

    @property
    def reply(self) -> str:
        """The answer as a sentence."""
        return f"The answer is {self.answer}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of problem with a difficulty dial.

    name: its short name.
    title: what it is, for tables.
    make: (generator, difficulty 1..5) -> a problem.
    chance: the accuracy of the best constant answer, averaged over the dial.
    needs_thinking: false for controls that are learnt directly.
    """

    name: str
    title: str
    make: Callable[[Random, int], Problem]
    chance: float
    needs_thinking: bool = True

    def problem(self, seed: int | str, difficulty: int, *, is_held_out: bool) -> Problem:
        """The problem of a seed, the same on every machine, from the eighth of all problems that is held
        out for measuring or from the rest. Raises ValueError off the dial.
        """
        if not 1 <= difficulty <= MAX_DIFFICULTY:
            raise ValueError(f"difficulty {difficulty} is not in 1..{MAX_DIFFICULTY}")
        rng = Random(f"{self.name}/{difficulty}/{seed}")
        while True:
            problem = self.make(rng, difficulty)
            if problem.is_held_out is is_held_out:
                return problem


def stated_answer(reply: str) -> str:
    """What a reply gives as its answer: what follows the last "answer is" in its sentence, so that whoever
    thinks again is taken at the last word; without one, the whole reply.
    """
    *before, last = _STATED.split(reply)
    return (_SENTENCE_END.split(last)[0] if before else reply.strip().removesuffix(".")).strip()


def is_correct(problem: Problem, reply: str) -> bool:
    """Whether a reply states exactly the right answer (spaces after commas and case aside)."""
    return _normal(stated_answer(reply)) == _normal(problem.answer)


def _normal(answer: str) -> str:
    return re.sub(r"\s*,\s*", ",", " ".join(answer.split())).casefold()
