"""Lines, curves and shares, held against planted values."""

from __future__ import annotations

import math
import random

import pytest

from caesura.constitution.redteam.estimates import (
    Point,
    all_hold,
    evenness,
    fit_doublings,
    fit_power_law,
    fit_within,
)

SHOTS = (1, 2, 4, 8, 16, 32, 64)


def test_the_power_law_that_was_planted_comes_back() -> None:
    points = [Point("a", shots, -1.7 * shots**-0.35) for shots in SHOTS]
    line = fit_power_law([Point("a", 0, -9.0), *points])
    assert line is not None
    assert line.slope == pytest.approx(-0.35, abs=1e-12)
    assert math.exp(line.intercept) == pytest.approx(1.7, abs=1e-12)
    assert line.num_points == 7


def test_requests_that_leave_the_window_early_do_not_bend_the_line() -> None:
    easy = [Point("easy", shots, -1.0 * shots**-0.2) for shots in SHOTS[:3]]
    hard = [Point("hard", shots, -4.0 * shots**-0.2) for shots in SHOTS]
    line = fit_power_law([*easy, *hard])
    assert line is not None
    assert line.slope == pytest.approx(-0.2, abs=1e-12)
    assert math.exp(line.intercept) == pytest.approx(2.0)


def test_the_standard_error_is_the_spread_of_slopes_under_noise() -> None:
    rng = random.Random(3)
    slopes: list[float] = []
    errors: list[float] = []
    for _ in range(300):
        line = fit_within(
            [(group, x, len(group) + 0.5 * x + rng.gauss(0, 0.3)) for group in ("a", "bcd") for x in range(6)]
        )
        assert line is not None
        assert line.slope_error is not None
        slopes.append(line.slope)
        errors.append(line.slope_error)
    spread = math.sqrt(sum((slope - 0.5) ** 2 for slope in slopes) / len(slopes))
    assert sum(errors) / len(errors) == pytest.approx(spread, rel=0.15)


def test_a_rate_that_falls_with_each_doubling_has_that_slope() -> None:
    line = fit_doublings(Point("a", 2**power - 1, 0.9 - 0.1 * power) for power in range(5))
    assert line is not None
    assert line.slope == pytest.approx(-0.1)
    assert line.intercept == pytest.approx(0.9)


def test_without_two_different_places_of_one_request_there_is_no_line() -> None:
    assert fit_within([("a", 1.0, 2.0), ("a", 1.0, 3.0)]) is None
    assert fit_within([("a", 1.0, 2.0), ("b", 2.0, 3.0)]) is None
    assert fit_within([]) is None
    assert fit_power_law([Point("a", 0, -1.0), Point("a", 1, -1.0)]) is None


def test_the_chance_that_k_samples_hold_is_unbiased() -> None:
    # Over all ways to draw 5 samples of which each holds with p, the mean of the estimate is p ** k.
    p, n, k = 0.8, 5, 3
    mean = sum(
        math.comb(n, held) * p**held * (1 - p) ** (n - held) * all_hold(held, n, k) for held in range(n + 1)
    )
    assert mean == pytest.approx(p**k)
    assert all_hold(5, 5, 5) == 1.0
    assert all_hold(4, 5, 5) == 0.0
    with pytest.raises(ValueError, match="k 6"):
        all_hold(5, 5, 6)


def test_evenness_is_one_for_equal_counts_and_zero_for_a_single_kind() -> None:
    assert evenness([4, 4, 4]) == pytest.approx(1.0)
    assert evenness([7, 0, 0]) == 0.0
    assert evenness([3, 3, 0, 0]) == pytest.approx(0.5)
    assert evenness([0, 0]) is None
