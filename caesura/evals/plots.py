"""Accuracy over thinking budgets as pictures.

Enters: results. Leaves: PNG files, readable at the width of a README column. Budgets stand at equal
distances, because each is twice the one before. Read next: `model_card.py`, which shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from caesura.evals.results import FamilyCurve, PaddingResults, ReasoningResults
from caesura.evals.statistics import Estimate

mpl.use("Agg")

_THINKING, _CONTROL, _PADDING, _QUIET = "#2b5fa8", "#4d4d4d", "#c46a1b", "#9a9a9a"
_DPI = 150
_COLUMNS = 5


def plot_accuracy(
    path: Path,
    reasoning: ReasoningResults,
    *,
    control: ReasoningResults | None = None,
    padding: PaddingResults | None = None,
) -> None:
    """All families together, with the fast control and the filler beside them."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    budgets = list(reasoning.accuracy)
    _curve(axes, budgets, reasoning.accuracy, _THINKING, "thinking, up to the budget")
    if padding is not None:
        shown = {budget: each for budget, each in padding.accuracy.items() if budget in budgets}
        _curve(axes, budgets, shown, _PADDING, "filler of that length instead", style="s--")
    if control is not None:
        level = control.accuracy[min(control.accuracy)]
        axes.axhline(
            level.mean, color=_CONTROL, linewidth=1.4, linestyle="-.", label="trained to answer at once"
        )
        axes.axhspan(level.low, level.high, color=_CONTROL, alpha=0.12, linewidth=0)
    chance = sum(each.chance for each in reasoning.families.values()) / len(reasoning.families)
    axes.axhline(chance, color=_QUIET, linewidth=1, linestyle=":", label="best constant answer")
    _dress(axes, budgets)
    axes.set_xlabel("thinking budget in tokens (0: answers at once)")
    axes.set_ylabel("accuracy, mean of the families")
    num_families = len(reasoning.families)
    axes.set_title(f"{num_families} families of problems, unseen, 95 % intervals", loc="left", fontsize=11)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    _save(figure, path)


def plot_families(path: Path, reasoning: ReasoningResults, control: ReasoningResults | None = None) -> None:
    """One small picture a family."""
    families = reasoning.families
    num_rows = -(-len(families) // _COLUMNS)
    figure = Figure(figsize=(10.5, 2.1 * num_rows), layout="constrained")
    grid = figure.subplots(num_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    cells: list[Axes] = list(grid.flat)
    for axes, (name, family) in zip(cells, families.items(), strict=False):
        _family(axes, family, control.families.get(name) if control else None)
    for axes in cells[len(families) :]:
        axes.set_axis_off()
    # The cells above an empty one are the lowest of their column.
    for axes in cells[max(0, len(families) - _COLUMNS) : len(families)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("thinking budget in tokens", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    _save(figure, path)


def _family(axes: Axes, family: FamilyCurve, control: FamilyCurve | None) -> None:
    budgets = list(family.accuracy)
    _curve(axes, budgets, family.accuracy, _THINKING, "")
    axes.axhline(family.chance, color=_QUIET, linewidth=1, linestyle=":")
    if control is not None:
        level = control.accuracy[min(control.accuracy)].mean
        axes.axhline(level, color=_CONTROL, linewidth=1.2, linestyle="-.")
    _dress(axes, budgets)
    axes.set_title(family.title, fontsize=8.5)
    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", rotation=90)


def _curve(
    axes: Axes,
    budgets: Sequence[int],
    estimates: Mapping[int, Estimate],
    colour: str,
    label: str,
    style: str = "o-",
) -> None:
    places = [budgets.index(budget) for budget in estimates]
    values = list(estimates.values())
    low, high = [each.low for each in values], [each.high for each in values]
    axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
    means = [each.mean for each in values]
    axes.plot(places, means, style, color=colour, linewidth=1.8, markersize=4, label=label or None)


def _dress(axes: Axes, budgets: Sequence[int]) -> None:
    axes.set_xticks(range(len(budgets)), [f"{budget:,}" for budget in budgets])
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the plotting library, equal results give equal files.
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
