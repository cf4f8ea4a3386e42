"""Lines through points, and how often several samples all hold.

Pure functions. Enters: numbers. Leaves: numbers with their standard errors. Read next: `report.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """y = intercept + slope * x, by least squares.

    slope_error, intercept_error: standard errors; None for two points, through which a line always goes.
    num_points: how many it is drawn through.
    """

    slope: float
    intercept: float
    slope_error: float | None
    intercept_error: float | None
    num_points: int


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Line | None:
    """The least-squares line; None for fewer than two different x."""
    n = len(xs)
    if len(set(xs)) < 2:
        return None
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    intercept = mean_y - slope * mean_x
    slope_error = intercept_error = None
    if n > 2:
        rest = sum((y - intercept - slope * x) ** 2 for x, y in zip(xs, ys, strict=True)) / (n - 2)
        slope_error = math.sqrt(rest / spread)
        intercept_error = math.sqrt(rest * (1 / n + mean_x**2 / spread))
    return Line(
        slope=slope,
        intercept=intercept,
        slope_error=slope_error,
        intercept_error=intercept_error,
        num_points=n,
    )


def fit_power_law(points: Iterable[tuple[int, float]]) -> Line | None:
    """log(-log p) over log(shots), as in Anil et al. 2024: -log p = exp(intercept) * shots ** slope.

    points: (shots, mean log-probability); those without shots have no logarithm and are left out.
    """
    usable = [(shots, -log_prob) for shots, log_prob in points if shots > 0 and log_prob < 0]
    return fit_line([math.log(shots) for shots, _ in usable], [math.log(loss) for _, loss in usable])


def fit_doublings(points: Iterable[tuple[int, float]]) -> Line | None:
    """A rate over log2(1 + shots): the slope is the change with each doubling."""
    pairs = list(points)
    return fit_line([math.log2(1 + shots) for shots, _ in pairs], [rate for _, rate in pairs])


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
