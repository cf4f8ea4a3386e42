"""The time that a prompt takes, against its length: a fitted curve, and a picture.

Every token costs the same in the matrix products and reads all tokens before it in attention, so the time
is t(n) = a + b n + c n^2. The fit weighs relative errors: otherwise the longest prompt alone would decide.
Enters: seconds by length. Leaves: the three numbers, and a PNG.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """t(n) = fixed_s + token_s n + pair_s n^2.

    worst_error: the largest relative distance of a median from the curve.
    """

    fixed_s: float
    token_s: float
    pair_s: float
    worst_error: float

    def seconds(self, length: float) -> float:
        """The curve at a length."""
        return self.fixed_s + self.token_s * length + self.pair_s * length**2

    @property
    def words(self) -> str:
        """The curve as people read it."""
        return (
            f"{self.fixed_s * 1e3:.1f} ms + {self.token_s * 1e6:.1f} us a token"
            f" + {self.pair_s * 1e12:.1f} ps a pair of tokens, within {self.worst_error:.0%}"
        )


def fit(times_s: Mapping[int, Sequence[float]]) -> Curve:
    """Least squares of the relative errors; no number below zero."""
    lengths = np.array(list(times_s), dtype=np.float64)
    seconds = np.array([statistics.median(each) for each in times_s.values()])
    columns = np.stack((np.ones_like(lengths), lengths, lengths**2), axis=1) / seconds[:, None]
    numbers = _nonnegative(columns, np.ones_like(seconds))
    error = float(np.abs(columns @ numbers - 1).max())
    return Curve(
        fixed_s=float(numbers[0]), token_s=float(numbers[1]), pair_s=float(numbers[2]), worst_error=error
    )


def _nonnegative(
    columns: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    wanted: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Least squares over each set of columns; of those without a negative number, the best."""
    best, best_error = np.zeros(columns.shape[1]), np.inf
    for bits in range(1, 2 ** columns.shape[1]):
        kept = [column for column in range(columns.shape[1]) if bits >> column & 1]
        scale = np.abs(columns[:, kept]).max(axis=0)
        found = np.linalg.lstsq(columns[:, kept] / scale, wanted, rcond=None)[0] / scale
        error = float(((columns[:, kept] @ found - wanted) ** 2).sum())
        if (found >= 0).all() and error < best_error:
            best, best_error = np.zeros(columns.shape[1]), error
            best[kept] = found
    return best


def plot(path: Path, times_s: Mapping[int, Sequence[float]], curve: Curve) -> None:
    """Medians, their spread and the curve, both axes logarithmic."""
    # Only this part of the benches draws.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    lengths = list(times_s)
    medians = [statistics.median(each) for each in times_s.values()]
    below = [median - min(each) for median, each in zip(medians, times_s.values(), strict=True)]
    above = [max(each) - median for median, each in zip(medians, times_s.values(), strict=True)]
    fine = np.geomspace(lengths[0], lengths[-1], 200)
    axes.plot(
        fine, [curve.seconds(length) for length in fine], color="#c46a1b", linewidth=1.4, label=curve.words
    )
    axes.errorbar(lengths, medians, yerr=(below, above), fmt="o", color="#2b5fa8", label="measured, nano")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths], rotation=45, fontsize=8)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("tokens of the prompt")
    axes.set_ylabel("seconds to the first token, nothing cached")
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the plotting library, equal results give equal files.
    figure.savefig(path, dpi=150, metadata={"Software": None})
