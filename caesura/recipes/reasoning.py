"""Reasoning rows: every family of problems in both modes, and thoughts that are cut short.

Enters: a seed. Leaves: `Row`s. Some problems are answered at once, most are thought through, and the rest
have their thought cut at a random place, half of the time between two steps, followed by the closing text
and the right answer: so a spent budget is something that was practised, not a cliff. The problems that
`Problem.is_held_out` sets apart are never among them.
Read next: `nano.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from caesura.evals.tasks import FAMILIES, FILLER, MAX_DIFFICULTY, Family, Problem
from caesura.messages.content import Block, Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.train.data import Mode, Row

_MAX_FILLER_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningMix:
    """Shares of the rows.

    fast: answered at once. cut: thought about, but cut short. filler: full stops instead of a thought, for
    the control that shows whether tokens alone help. The rest are thought through.
    free_choice: of the rows that the model would choose so itself, how many leave it the choice.
    weights: how often each family appears, relative to 1.
    """

    fast: float = 0.25
    cut: float = 0.25
    filler: float = 0.0
    free_choice: float = 0.5
    weights: dict[str, float] = field(default_factory=dict[str, float])


def reasoning_rows(seed: int, num_rows: int, mix: ReasoningMix) -> Iterator[Row]:
    """`num_rows` rows, no held-out problem among them. The same seed poses the same problems, whatever the
    shares of the mix.
    """
    names = list(FAMILIES)
    weights = [mix.weights.get(name, 1.0) for name in names]
    for number in range(num_rows):
        rng = Random(f"reasoning/{seed}/{number}")
        family = FAMILIES[rng.choices(names, weights)[0]]
        difficulty = rng.randint(1, MAX_DIFFICULTY)
        problem = family.problem(f"train/{seed}/{number}", difficulty, is_held_out=False)
        yield _row(rng, family, problem, mix)


def _row(rng: Random, family: Family, problem: Problem, mix: ReasoningMix) -> Row:
    draw = rng.random()
    is_fast = draw < mix.fast
    is_cut = not is_fast and draw < mix.fast + mix.cut + mix.filler
    is_natural = not is_cut and is_fast is not family.needs_thinking
    thought: list[Block] = []
    if is_cut:
        is_filler = draw >= mix.fast + mix.cut
        thought = [ThinkingBlock(thinking=_filler(rng) if is_filler else _cut(rng, problem))]
    elif not is_fast:
        thought = [ThinkingBlock(thinking=problem.thinking)]
    reply = Turn(role="assistant", content=(*thought, TextBlock(text=problem.reply)))
    mode: Mode = "fast" if is_fast else "think"
    return Row(
        conversation=Conversation(turns=(text_turn("user", problem.question), reply)),
        mode="adaptive" if is_natural and rng.random() < mix.free_choice else mode,
        source=f"task/{family.name}",
        licence="Apache-2.0",
        is_cut=is_cut,
    )


def _cut(rng: Random, problem: Problem) -> str:
    """The beginning of the thought: some whole steps, or any number of characters."""
    if rng.random() < 0.5:
        return "\n".join(problem.steps[: rng.randrange(len(problem.steps))])
    return problem.thinking[: rng.randrange(len(problem.thinking))]


def _filler(rng: Random) -> str:
    return FILLER * rng.randint(1, _MAX_FILLER_TOKENS)
