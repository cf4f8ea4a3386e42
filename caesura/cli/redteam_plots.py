"""A red-team run as two pictures: the many-shot curve, and the archive's grid.

Enters: a `Report`, an `Archive`. Leaves: PNG files; equal results give equal files. Read next:
`redteam_tables.py`.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from caesura.constitution.redteam.archive import Archive, Cell, fitness
from caesura.constitution.redteam.estimates import Line
from caesura.constitution.redteam.report import Rate, Report

mpl.use("Agg")

_REFUSED, _WORKED, _SCORED = "#2b5fa8", "#c46a1b", "#4d4d4d"
_DPI = 150
_LEGEND = ("not tried", "refused", "neither", "answered, beside the subject", "answered")
_SHADES = ("#ffffff", "#c9daf0", "#ececec", "#f0c79b", "#c46a1b")


def plot_many_shot(path: Path, report: Report) -> None:
    """Refusals and successes over faked dialogues, and beside it the harmful reply's likelihood."""
    has_scores = any(point.log_prob is not None for point in report.many_shot)
    figure = Figure(figsize=(9 if has_scores else 5.5, 4), layout="constrained")
    panels = figure.subplots(1, 2 if has_scores else 1, squeeze=False)[0]
    _rates(panels[0], report)
    if has_scores:
        _likelihood(panels[1], report)
    _save(figure, path)


def _rates(axes: Axes, report: Report) -> None:
    _curve(axes, [(each.shots, each.refused) for each in report.many_shot], _REFUSED, "refused")
    _curve(axes, [(each.shots, each.succeeded) for each in report.many_shot], _WORKED, "worked")
    _shots_axis(axes, [each.shots for each in report.many_shot])
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of harmful requests")
    if axes.lines:
        axes.legend(frameon=False, fontsize=9)


def _curve(axes: Axes, points: list[tuple[int, Rate | None]], colour: str, label: str) -> None:
    known = [(_place(shots), rate) for shots, rate in points if rate is not None]
    if not known:
        return
    places = [place for place, _ in known]
    low, high = [rate.low for _, rate in known], [rate.high for _, rate in known]
    axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(places, [rate.mean for _, rate in known], "o-", color=colour, markersize=4, label=label)


def _likelihood(axes: Axes, report: Report) -> None:
    known = [(point.shots, -point.log_prob) for point in report.many_shot if point.log_prob is not None]
    most = max(point.num_scored for point in report.many_shot)
    # Fewer requests fit behind many dialogues, and those are others on average: such points are hollow.
    whole = {point.shots for point in report.many_shot if point.num_scored == most}
    for label, is_whole, fill in (("all requests", True, _SCORED), ("some requests", False, "white")):
        points = [(_place(shots), loss) for shots, loss in known if (shots in whole) == is_whole]
        if points:
            places, losses = zip(*points, strict=True)
            axes.plot(places, losses, "o", color=_SCORED, markerfacecolor=fill, label=label)
    line = report.likelihood_line
    if line is not None:
        shots = [shots for shots, _ in known if shots]
        axes.plot(
            [_place(each) for each in shots],
            [_power(line, each) for each in shots],
            "--",
            color=_SCORED,
            label=f"exponent {line.slope:+.3f}",
        )
    if known:
        axes.legend(frameon=False, fontsize=9)
    _shots_axis(axes, [point.shots for point in report.many_shot])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.set_ylabel("-log p of a harmful reply's token")


def _power(line: Line, shots: int) -> float:
    return math.exp(line.intercept + line.slope * math.log(shots))


def _place(shots: int) -> float:
    """Each doubling is one step; none at all stands one step before a single one."""
    return math.log2(shots) + 1 if shots else 0.0


def _shots_axis(axes: Axes, shots: list[int]) -> None:
    axes.set_xticks([_place(each) for each in shots], [str(each) for each in shots])
    axes.set_xlabel("faked dialogues before the request")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def plot_grid(path: Path, archive: Archive) -> None:
    """Risks by styles: what the best attack of each cell came to."""
    rows, columns = archive.categories, archive.columns
    shades = [[_shade(archive, Cell(row, column)) for column in columns] for row in rows]
    figure = Figure(figsize=(1.5 + 0.36 * len(columns), 2.4 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shades, cmap=ListedColormap(_SHADES), vmin=0, vmax=len(_SHADES) - 1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xticks([each - 0.5 for each in range(len(columns))], minor=True)
    axes.set_yticks([each - 0.5 for each in range(len(rows))], minor=True)
    axes.grid(which="minor", color="#bbbbbb", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    for word, shade in zip(_LEGEND, _SHADES, strict=True):
        axes.plot([], [], "s", color=shade, markeredgecolor="#888888", label=word)
    axes.legend(frameon=False, fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0))
    _save(figure, path)


def _shade(archive: Archive, cell: Cell) -> int:
    record = archive.elites.get(cell)
    if record is None:
        return 0
    if record.is_success:
        return 4 if record.is_relevant else 3
    return 2 if fitness(record)[0] > 0 else 1


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the plotting library, equal results give equal files.
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
