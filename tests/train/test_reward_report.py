"""Accuracy, calibration and correlation on numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caesura.train.reward_report import calibration, correlation, mean_probability, pair_accuracy


def test_a_tie_is_half_right() -> None:
    share = pair_accuracy(np.array([1.0, -1.0, 0.0, 2.0]))
    assert share.value == 2.5 / 4
    assert share.low < share.value < share.high


def test_the_interval_is_wilsons() -> None:
    share = pair_accuracy(np.array([1.0] * 81 + [-1.0] * 19))
    assert (share.low, share.high) == pytest.approx((0.7222, 0.8748), abs=1e-4)
    assert pair_accuracy(np.ones(10)).high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no pairs"):
        pair_accuracy(np.array([]))


def test_a_model_that_claims_what_is_true_has_no_calibration_error() -> None:
    leads = np.full(4, math.log(3))  # claims 3/4
    labels = np.array([1.0, 1.0, 1.0, 0.0])
    found = calibration(leads, labels, num_bins=1)
    assert found.ece == pytest.approx(0.0)
    assert found.brier == pytest.approx((3 * 0.25**2 + 0.75**2) / 4)
    assert (found.bins[0].n, found.bins[0].accuracy) == (4, 0.75)


def test_overconfidence_is_measured_bin_by_bin_of_equal_mass() -> None:
    sure, unsure = 40.0, 0.0
    leads = np.array([unsure] * 5 + [sure] * 5)
    labels = np.array([1.0] * 5 + [1.0, 1.0, 1.0, 0.0, 0.0])
    found = calibration(leads, labels, num_bins=2)
    assert [each.n for each in found.bins] == [5, 5]
    assert [each.confidence for each in found.bins] == pytest.approx([0.5, 1.0])
    assert [each.accuracy for each in found.bins] == pytest.approx([0.5, 0.6])
    assert found.ece == pytest.approx(0.5 * 0.0 + 0.5 * 0.4)


def test_it_does_not_matter_which_side_is_named_first() -> None:
    leads, labels = np.array([0.3, -2.0, 1.2]), np.array([0.9, 0.8, 1.0])
    left, right = calibration(leads, labels), calibration(-leads, 1 - labels)
    assert left.brier == pytest.approx(right.brier)
    assert left.ece == pytest.approx(right.ece)


def test_the_mean_probability_is_that_of_the_leads() -> None:
    assert mean_probability(np.array([math.log(3), -math.log(3), 900.0, -900.0])) == pytest.approx(0.5)
    assert mean_probability(np.array([math.log(3)])) == pytest.approx(0.75)


def test_correlation_is_pearsons() -> None:
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx(1.0)
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    assert correlation(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, -1.0, -1.0, 1.0])) == pytest.approx(0.0)
    assert correlation(np.ones(3), np.array([1.0, 2.0, 3.0])) == 0.0
