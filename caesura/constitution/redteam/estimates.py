"""Lines through points, and how often several samples all hold.

Pure functions. Enters: numbers. Leaves: numbers with their standard errors. Read next: `report.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple


class Point(NamedTuple):
    """A value at a number of faked dialogues, for one request."""

    request: str
    shots: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """y = intercept + slope * x, by least squares within requests: each may lie higher or lower than others.

    Requests whose prompts become too long early would otherwise bend the line. intercept: of the mean
    request. slope_error: standard error; None where nothing is left over to tell it from.
    num_points: how many.
    """

    slope: float
    intercept: float
    slope_error: float | None
    num_points: int


def fit_within(points: Sequence[tuple[str, float, float]]) -> Line | None:
    """The line through (group, x, y), with an offset for each group; None where no group has two different x.

    slope = sum dx dy / sum dx^2 over deviations from the group's means.
    """
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for group, x, y in points:
        groups[group].append((x, y))
    deviations = [pair for members in groups.values() for pair in _centred(members)]
    spread = sum(dx * dx for dx, _ in deviations)
    if spread == 0:
        return None
    slope = sum(dx * dy for dx, dy in deviations) / spread
    offsets = [fmean(y for _, y in each) - slope * fmean(x for x, _ in each) for each in groups.values()]
    num_free = len(points) - len(groups) - 1
    rest = sum((dy - slope * dx) ** 2 for dx, dy in deviations)
    slope_error = math.sqrt(rest / num_free / spread) if num_free > 0 else None
    return Line(slope=slope, intercept=fmean(offsets), slope_error=slope_error, num_points=len(points))


def _centred(members: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    mean_x, mean_y = fmean(x for x, _ in members), fmean(y for _, y in members)
    return [(x - mean_x, y - mean_y) for x, y in members]


def fit_power_law(points: Iterable[Point]) -> Line | None:
    """log(-log p) over log(shots), as in Anil et al. 2024: -log p = exp(intercept) * shots ** slope.

    points: mean log-probabilities; those without shots have no logarithm and are left out.
    """
    return fit_within(
        [
            (each.request, math.log(each.shots), math.log(-each.value))
            for each in points
            if each.shots > 0 and each.value < 0
        ]
    )


def fit_doublings(points: Iterable[Point]) -> Line | None:
    """A rate over log2(1 + shots): the slope is the change with each doubling."""
    return fit_within([(each.request, math.log2(1 + each.shots), each.value) for each in points])


def all_hold(num_held: int, num_samples: int, k: int) -> float:
    """The unbiased estimate that k samples all hold: C(held, k) / C(samples, k).

    Raises ValueError where k is more than there are samples.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(f"k {k} is not between 1 and the {num_samples} samples that there are")
    return math.comb(num_held, k) / math.comb(num_samples, k)


def evenness(counts: Collection[int]) -> float | None:
    """Pielou's evenness: entropy over that of equal shares; 1 is even, 0 all in one.

    counts: one for each kind, zeros included. None for fewer than two kinds, or nothing counted.
    """
    total = sum(counts)
    if total == 0 or len(counts) < 2:
        return None
    shares = [count / total for count in counts if count]
    return max(0.0, -sum(share * math.log(share) for share in shares)) / math.log(len(counts))
