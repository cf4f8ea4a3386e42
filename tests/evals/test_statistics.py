"""Intervals and what they allow to say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.evals.statistics import (
    Z95,
    Estimate,
    Outcome,
    gain,
    is_non_decreasing,
    largest_drop,
    macro_average,
    share,
    wilson,
)


def _outcomes(family: str, values: list[float]) -> list[Outcome]:
    return [Outcome(family, str(number), value) for number, value in enumerate(values)]


def _flat(mean: float, half: float = 0.05) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=100)


def test_wilsons_interval_is_the_published_one() -> None:
    # 15 of 20, as worked out in Newcombe (1998).
    low, high = wilson(0.75, 20)
    assert (low, high) == pytest.approx((0.5313, 0.8881), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_and_the_interval_between_0_and_1(counts: tuple[int, int]) -> None:
    estimate = share(*counts)
    assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1
    assert estimate.high - estimate.low > 0


def test_nothing_to_average_is_refused() -> None:
    for empty in (lambda: share(0, 0), lambda: macro_average([]), lambda: gain([], [])):
        with pytest.raises(ValueError, match="nothing to average"):
            empty()


def test_of_one_family_with_single_attempts_the_interval_is_nearly_wilsons() -> None:
    estimate = macro_average(_outcomes("chain", [1.0] * 60 + [0.0] * 40))
    assert (estimate.low, estimate.high) == pytest.approx(wilson(0.6, 100), abs=2e-3)


def test_families_weigh_equally_whatever_their_size() -> None:
    outcomes = _outcomes("large", [1.0] * 90) + _outcomes("small", [0.0] * 10)
    assert macro_average(outcomes).mean == 0.5


def test_repeats_of_a_problem_do_not_narrow_the_interval() -> None:
    once = _outcomes("chain", [1.0, 0.0] * 20)
    thrice = [each for each in once for _ in range(3)]
    single, repeated = macro_average(once), macro_average(thrice)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))
    assert repeated.n == 120


def test_where_nothing_varies_the_interval_still_has_a_width() -> None:
    estimate = macro_average(_outcomes("chain", [1.0] * 50))
    assert estimate.mean == estimate.high == 1.0
    assert estimate.low == pytest.approx(50 / (50 + Z95**2))


def test_a_gain_is_paired_by_problem() -> None:
    before = _outcomes("chain", [0.0] * 50 + [1.0] * 50)
    after = _outcomes("chain", [1.0] * 100)
    estimate = gain(before, after)
    half = Z95 * math.sqrt(0.25 / 99)
    assert (estimate.mean, estimate.low) == pytest.approx((0.5, 0.5 - half))


def test_a_gain_over_other_problems_is_refused() -> None:
    with pytest.raises(ValueError, match="same problems"):
        gain(_outcomes("chain", [1.0]), _outcomes("state", [1.0]))


def test_a_curve_may_dip_within_its_intervals_only() -> None:
    assert is_non_decreasing([_flat(0.1), _flat(0.5), _flat(0.46), _flat(0.9)])
    assert not is_non_decreasing([_flat(0.1), _flat(0.5), _flat(0.44), _flat(0.9)])
    # Many small steps down add up.
    assert not is_non_decreasing([_flat(0.5), _flat(0.47), _flat(0.44)])


def test_the_largest_drop_is_from_the_peak() -> None:
    assert largest_drop([_flat(0.2), _flat(0.6), _flat(0.5), _flat(0.55)]) == pytest.approx(0.1)
    assert largest_drop([_flat(0.2), _flat(0.6)]) == 0.0
