"""How good a reward model is, on pairs that it never saw.

Enters: leads (reward of the better side minus that of the other), labels, lengths. Leaves: shares with
intervals, calibration, correlation with length. Everything here is a pure function.
Read next: `reward_stage.py`, which writes them to `report.json`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of pairs with its 95 % interval (Wilson 1927).

    value: the share. low, high: the interval's ends. n: of how many.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Pairs of about the same confidence.

    low, high: the least and the greatest confidence among them. n: how many.
    confidence: the mean of what the model claims. accuracy: the mean of what is true.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far claimed probabilities can be believed.

    brier: mean squared error of the probability that the better side is better.
    ece: expected calibration error: the bins' |confidence - accuracy|, weighted by their size.
    bins: all of equal mass, least confident first.
    """

    brier: float
    ece: float
    bins: tuple[ReliabilityBin, ...]


def share_of(values: Sequence[float] | Floats) -> Share:
    """The mean of values from 0 to 1. Raises ValueError where there is none."""
    n = len(values)
    if not n:
        raise ValueError("a share of no pairs is no number; the part for measuring is empty")
    mean = float(np.mean(values))
    scale = 1 + _Z95**2 / n
    centre = (mean + _Z95**2 / (2 * n)) / scale
    half = _Z95 * math.sqrt(mean * (1 - mean) / n + _Z95**2 / (4 * n * n)) / scale
    return Share(value=mean, low=max(0.0, centre - half), high=min(1.0, centre + half), n=n)


def pair_accuracy(leads: Floats) -> Share:
    """How often the better side has the higher reward; a tie is half."""
    return share_of(np.where(leads > 0, 1.0, np.where(leads < 0, 0.0, 0.5)))


def mean_probability(leads: Floats) -> float:
    """The mean of sigmoid(lead): how probable a model finds it that the better side is better.

    Beside the accuracy of a control it tells whether leads are small and only happen to share a sign.
    """
    return float(np.mean(1 / (1 + np.exp(-np.clip(leads, -500, 500)))))


def calibration(leads: Floats, labels: Floats, num_bins: int = 10) -> Calibration:
    """Calibration of sigmoid(lead) as the probability that the first side is the better one.

    labels: how probable that is in truth, 1 where it is certain. The confidence of a pair is the greater of
    the two probabilities, and its accuracy the truth of the side that is preferred, so that it does not
    matter which side was named first. Bins hold equal numbers of pairs.
    """
    if not len(leads):
        raise ValueError("there are no pairs to measure calibration on")
    # exp of a negative number only: no lead is too great
    confidence = 1 / (1 + np.exp(-np.abs(leads)))
    accuracy = np.where(leads > 0, labels, np.where(leads < 0, 1 - labels, 0.5))
    order = np.argsort(confidence, kind="stable")
    bins = tuple(
        _bin(confidence[chosen], accuracy[chosen])
        for chosen in np.array_split(order, min(num_bins, len(order)))
    )
    gaps = [each.n * abs(each.confidence - each.accuracy) for each in bins]
    probability = np.where(leads >= 0, confidence, 1 - confidence)
    return Calibration(
        brier=float(np.mean((probability - labels) ** 2)), ece=math.fsum(gaps) / len(leads), bins=bins
    )


def _bin(confidence: Floats, accuracy: Floats) -> ReliabilityBin:
    return ReliabilityBin(
        low=float(confidence.min()),
        high=float(confidence.max()),
        n=len(confidence),
        confidence=float(confidence.mean()),
        accuracy=float(accuracy.mean()),
    )


def correlation(left: Floats, right: Floats) -> float:
    """Pearson's; 0 where one of them does not vary."""
    left, right = left - left.mean(), right - right.mean()
    scale = math.sqrt(float((left**2).sum()) * float((right**2).sum()))
    return float((left * right).sum()) / scale if scale else 0.0
