"""What it is worth that the model itself decides whether, and how long, to think.

Left the choice, it reaches some accuracy with some mean number of thinking tokens. Fixed budgets reach that
accuracy too, with a number that is read off their curve, straight between two measured budgets. Families
weigh equally, as in every accuracy here; the interval comes from drawing the problems of each family anew.
Enters: `Attempt`s of the same problems, adaptive and under budgets. Leaves: an `AdaptiveThinking`.
Read next: `results.py`.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from caesura.evals.attempts import Attempt
from caesura.evals.statistics import Estimate, macro_average, share

_NUM_DRAWS = 400


class Point(NamedTuple):
    """An accuracy, and the mean thinking tokens that it took."""

    accuracy: float
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveThinking:
    """Adaptive thinking beside the fixed budgets.

    accuracy: macro average. thinking_tokens: the mean over families. thought: how often it thought at all.
    fixed_tokens: the mean thinking tokens with which fixed budgets reach the same accuracy; None where none
        of them does.
    saving: the share of those that adaptive thinking does without; None likewise.
    most_saved: the share of the largest budget's tokens that could be done without by whoever knew, for each
        problem that it solves, the shortest measured thought that solves it; None where nobody has looked.
    """

    accuracy: Estimate
    thinking_tokens: float
    thought: Estimate
    fixed_tokens: float | None
    saving: Estimate | None
    most_saved: float | None = None


def adaptive_thinking(
    adaptive: Sequence[Attempt], fixed: Mapping[int, Sequence[Attempt]], *, seed: int = 0
) -> AdaptiveThinking:
    """Compare. Raises ValueError where there is nothing to compare."""
    own = point(adaptive)
    needed = tokens_at(own.accuracy, [point(each) for each in fixed.values()])
    thought = sum(each.has_thought for each in adaptive)
    return AdaptiveThinking(
        accuracy=macro_average(each.outcome for each in adaptive),
        thinking_tokens=round(own.tokens, 2),
        thought=share(thought, len(adaptive)),
        fixed_tokens=None if needed is None else round(needed, 2),
        saving=_saving(adaptive, fixed, own, needed, random.Random(seed)) if needed else None,
        most_saved=most_saved(fixed),
    )


def most_saved(fixed: Mapping[int, Sequence[Attempt]]) -> float:
    """See `AdaptiveThinking`. 0 where the largest budget takes no thought."""
    largest = fixed[max(fixed)]
    solved = [attempt for attempts in fixed.values() for attempt in attempts if attempt.is_correct]
    shortest: dict[tuple[str, str], Attempt] = {}
    for key, attempt in zip(map(_problem, solved), solved, strict=True):
        if key not in shortest or attempt.thinking_tokens < shortest[key].thinking_tokens:
            shortest[key] = attempt
    least = [shortest[_problem(each)] if each.is_correct else each for each in largest]
    tokens = point(largest).tokens
    return round(1 - point(least).tokens / tokens, 4) if tokens else 0.0


def point(attempts: Sequence[Attempt]) -> Point:
    """The means over families."""
    families: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        families[attempt.family].append(attempt)
    if not families:
        raise ValueError("there are no attempts to compare")
    accuracies = [sum(each.is_correct for each in own) / len(own) for own in families.values()]
    tokens = [sum(each.thinking_tokens for each in own) / len(own) for own in families.values()]
    return Point(sum(accuracies) / len(families), sum(tokens) / len(families))


def tokens_at(accuracy: float, curve: Sequence[Point]) -> float | None:
    """The fewest tokens at which the straight lines between the curve's points reach an accuracy; None where
    they never do.
    """
    ordered = sorted(curve, key=lambda each: each.tokens)
    if ordered and ordered[0].accuracy >= accuracy:
        return ordered[0].tokens
    for low, high in itertools.pairwise(ordered):
        if low.accuracy < accuracy <= high.accuracy:
            part = (accuracy - low.accuracy) / (high.accuracy - low.accuracy)
            return low.tokens + part * (high.tokens - low.tokens)
    return None


def _saving(
    adaptive: Sequence[Attempt],
    fixed: Mapping[int, Sequence[Attempt]],
    own: Point,
    needed: float,
    rng: random.Random,
) -> Estimate:
    """1 - own tokens / needed tokens, with the 2.5th and 97.5th percentile over draws of the problems.

    A draw whose accuracy no budget reaches counts as against the largest budget, which favours nobody but it.
    """
    sides = [_by_problem(adaptive), *(_by_problem(each) for each in fixed.values())]
    families: dict[str, list[str]] = defaultdict(list)
    for family, problem in sides[0]:
        families[family].append(problem)
    savings: list[float] = []
    for _ in range(_NUM_DRAWS):
        drawn = [(name, each) for name, own in families.items() for each in rng.choices(own, k=len(own))]
        first, *curve = [point([side[key] for key in drawn]) for side in sides]
        at = tokens_at(first.accuracy, curve)
        at = max(each.tokens for each in curve) if at is None else at
        # Where answering at once would do, nothing can be saved.
        savings.append(1 - first.tokens / at if at else 0.0)
    savings.sort()
    low, high = savings[round(0.025 * (_NUM_DRAWS - 1))], savings[round(0.975 * (_NUM_DRAWS - 1))]
    mean = 1 - own.tokens / needed
    return Estimate(mean=mean, low=min(low, mean), high=max(high, mean), n=len(adaptive))


def _by_problem(attempts: Sequence[Attempt]) -> dict[tuple[str, str], Attempt]:
    return {_problem(each): each for each in attempts}


def _problem(attempt: Attempt) -> tuple[str, str]:
    return attempt.family, f"{attempt.seed}/{attempt.index}"
