"""Accuracies with intervals, and what may be concluded from them.

Enters: graded outcomes. Leaves: `Estimate`s with 95 % intervals. Everything here is a pure function.
Problems are what was drawn at random, so several outcomes of one problem count as one cluster, and
families are strata: they were chosen, not drawn. Read next: `results.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Z95 = 1.959963984540054


class Outcome(NamedTuple):
    """One graded reply: its family, its problem within the family, and 1 or 0."""

    family: str
    problem: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval.

    mean: the mean. low, high: the interval's ends. n: how many outcomes it rests on.
    """

    mean: float
    low: float
    high: float
    n: int


def wilson(mean: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); `n` may be an effective number.

    centre = (p + z^2/2n) / (1 + z^2/n), half width = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n).
    """
    scale = 1 + Z95**2 / n
    centre = (mean + Z95**2 / (2 * n)) / scale
    half = Z95 * math.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n * n)) / scale
    # Rounding must not put an end on the wrong side of the mean.
    return max(0.0, min(centre - half, mean)), min(1.0, max(centre + half, mean))


def share(num: int, n: int) -> Estimate:
    """num of n independent outcomes. Raises ValueError for n = 0."""
    _require(n)
    low, high = wilson(num / n, n)
    return Estimate(mean=num / n, low=low, high=high, n=n)


def macro_average(outcomes: Iterable[Outcome]) -> Estimate:
    """The mean over families of each family's accuracy; of one family, simply its accuracy.

    Wilson's interval, at the number of independent outcomes that would have the variance measured here.
    Raises ValueError where there are none.
    """
    outcomes = list(outcomes)
    _require(len(outcomes))
    mean, variance, num_clusters = _stratified(outcomes)
    # Where nothing varies, the variance says nothing; each cluster then counts once.
    n = mean * (1 - mean) / variance if variance > 0 else num_clusters
    low, high = wilson(mean, n)
    return Estimate(mean=mean, low=low, high=high, n=len(outcomes))


def gain(before: Iterable[Outcome], after: Iterable[Outcome]) -> Estimate:
    """How much better the same problems were answered after than before, macro-averaged and paired.

    Raises ValueError where the problems are not the same.
    """
    first, second = _mean_by_problem(before), _mean_by_problem(after)
    if first.keys() != second.keys():
        raise ValueError("a paired gain needs the same problems on both sides")
    _require(len(first))
    differences = [Outcome(*key, second[key] - first[key]) for key in sorted(first)]
    mean, variance, _ = _stratified(differences)
    half = Z95 * math.sqrt(variance)
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=len(differences))


def is_non_decreasing(estimates: Sequence[Estimate]) -> bool:
    """Whether every mean reaches at least the lower interval end of every estimate before it."""
    floor = -math.inf
    for estimate in estimates:
        if estimate.mean < floor:
            return False
        floor = max(floor, estimate.low)
    return True


def largest_drop(estimates: Sequence[Estimate]) -> float:
    """The most by which any mean lies below an earlier one; 0 where none does."""
    peak, drop = -math.inf, 0.0
    for estimate in estimates:
        peak = max(peak, estimate.mean)
        drop = max(drop, peak - estimate.mean)
    return drop


def _stratified(outcomes: Iterable[Outcome]) -> tuple[float, float, int]:
    """(macro mean, its variance, number of clusters)."""
    families: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        families[outcome.family][outcome.problem].append(outcome.value)
    moments = [_clustered(list(clusters.values())) for clusters in families.values()]
    count = len(moments)
    mean = sum(each for each, _ in moments) / count
    variance = sum(each for _, each in moments) / count**2
    return mean, variance, sum(len(clusters) for clusters in families.values())


def _clustered(clusters: Sequence[Sequence[float]]) -> tuple[float, float]:
    """(mean, its variance): C/(C-1) * sum over clusters of (sum of residuals)^2 / n^2."""
    n = sum(map(len, clusters))
    mean = sum(map(sum, clusters)) / n
    if len(clusters) < 2:
        return mean, 0.0
    squares = sum((sum(cluster) - len(cluster) * mean) ** 2 for cluster in clusters)
    return mean, len(clusters) / (len(clusters) - 1) * squares / n**2


def _mean_by_problem(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for outcome in outcomes:
        values[outcome.family, outcome.problem].append(outcome.value)
    return {key: sum(each) / len(each) for key, each in values.items()}


def _require(n: int) -> None:
    if n < 1:
        raise ValueError("there is nothing to average: no outcomes")
