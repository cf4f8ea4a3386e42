"""What must be shown of a model, and whether it is.

Enters: `Evidence`. Leaves: the lines of a table of measure, figure, target, verdict and the command that
gives the figure. Read next: `model_card.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caesura.evals.bench_figures import BenchFigure, lowest
from caesura.evals.card_words import percent, points, with_interval
from caesura.evals.model_card import Evidence
from caesura.evals.results import ObedienceResults, Provenance, ReasoningResults

MIN_ACCURACY = 0.80
MIN_GAIN = 0.35
MIN_OBEDIENCE = 0.99
MIN_UTILISATION = 0.50
MIN_SERVER_RATIO = 0.95
MIN_DECODE_RATIO = {1: 1.5, 8: 1.3}
_BENCH = "`make bench`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row.

    measure: what. figure: as measured; None where it was not. at_least: the target, or "reported".
    is_met: None where there is nothing to meet. command: what gives the figure.
    """

    measure: str
    figure: str | None
    at_least: str
    is_met: bool | None
    command: str

    @property
    def line(self) -> str:
        """The row in Markdown."""
        verdict = {True: "met", False: "**not met**", None: ""}[self.is_met if self.figure else None]
        cells = (self.measure, self.figure or "not measured", self.at_least, verdict, self.command)
        return "| " + " | ".join(cells) + " |"


def target_lines(evidence: Evidence) -> list[str]:
    """The whole table."""
    targets = [
        *reasoning_targets(evidence.reasoning),
        *control_targets(evidence),
        *obedience_targets(evidence.obedience),
        *language_targets(evidence),
        *speed_targets(evidence.bench),
    ]
    header = ["| measure | figure | at least | verdict | command |", "|---|---|---|---|---|"]
    return [*header, *(target.line for target in targets)]


def reasoning_targets(results: ReasoningResults) -> list[Target]:
    """Level, gain and shape of the curve."""
    budgets = list(results.accuracy)
    first, last = results.accuracy[budgets[0]], results.accuracy[budgets[-1]]
    source = _source(results.provenance)
    shape = "non-decreasing" if results.is_non_decreasing else "decreasing"
    return [
        Target(
            measure=f"accuracy over all families, unseen problems, {len(results.by_seed)} seeds, "
            f"budget {budgets[-1]:,}",
            figure=with_interval(last),
            at_least=percent(MIN_ACCURACY),
            is_met=last.mean >= MIN_ACCURACY,
            command=source,
        ),
        Target(
            measure=f"gain from budget {budgets[0]:,} ({percent(first.mean)}) to {budgets[-1]:,}",
            figure=points(results.gain),
            at_least=f"{100 * MIN_GAIN:.0f} points",
            is_met=results.gain.mean >= MIN_GAIN,
            command=source,
        ),
        Target(
            measure=f"over budgets {', '.join(f'{budget:,}' for budget in budgets)}",
            figure=f"{shape}; largest drop {100 * results.largest_drop:.1f} points",
            at_least="non-decreasing within the intervals",
            is_met=results.is_non_decreasing,
            command=source,
        ),
    ]


def control_targets(evidence: Evidence) -> list[Target]:
    """What stands beside the curve: the fast control, and filler."""
    control, padding = evidence.control, evidence.padding
    level = control.accuracy[min(control.accuracy)] if control else None
    return [
        Target(
            measure="fast-mode control, trained with the same answers",
            figure=with_interval(level) if level else None,
            at_least="shown",
            is_met=None,
            command=_source(control.provenance) if control else "`caesura eval reasoning --budgets 0`",
        ),
        Target(
            measure=f"gain from {max(padding.accuracy):,} tokens of padding instead of thinking"
            if padding
            else "gain from padding instead of thinking",
            figure=points(padding.gain) if padding else None,
            at_least="shown (should give nothing)",
            is_met=None,
            command=_source(padding.provenance) if padding else "`caesura eval padding`",
        ),
    ]


def obedience_targets(results: ObedienceResults | None) -> list[Target]:
    """Modes and budgets."""
    source = _source(results.provenance) if results else "`caesura eval obedience`"
    return [
        Target(
            measure="mode obedience",
            figure=with_interval(results.modes) if results else None,
            at_least=percent(MIN_OBEDIENCE),
            is_met=results.modes.mean >= MIN_OBEDIENCE if results else None,
            command=source,
        ),
        Target(
            measure="budget never exceeded",
            figure=f"{percent(results.budget_kept.mean)} of {results.budget_kept.n:,}" if results else None,
            at_least="100 %",
            is_met=results.budget_kept.mean == 1.0 if results else None,
            command=source,
        ),
    ]


def language_targets(evidence: Evidence) -> list[Target]:
    """Grammar and compression."""
    results = evidence.language
    source = _source(results.provenance) if results else "`caesura eval language`"
    figures = (
        ("BLiMP, developer part", with_interval(results.blimp) if results else None),
        ("held-out bits per byte", f"{results.bits_per_byte:.3f}" if results else None),
    )
    return [
        Target(measure=measure, figure=figure, at_least="reported", is_met=None, command=source)
        for measure, figure in figures
    ]


def speed_targets(figures: Sequence[BenchFigure]) -> list[Target]:
    """What the benchmarks say."""
    utilisation = lowest(figures, "training", "peak")
    targets = [
        Target(
            measure="training, share of the machine's measured bfloat16 matmul peak",
            figure=f"{percent(utilisation.value)} ({percent(utilisation.low)} to {percent(utilisation.high)})"
            if utilisation
            else None,
            at_least=percent(MIN_UTILISATION),
            is_met=utilisation.value >= MIN_UTILISATION if utilisation else None,
            command=_BENCH,
        )
    ]
    for streams, word in ((1, "1 stream "), (8, "8 streams ")):
        found = lowest(figures, "server", word)
        measure = f"tokens/s through HTTP over the engine alone, {word.strip()}"
        targets.append(_ratio(measure, found, MIN_SERVER_RATIO))
        found = lowest(figures, "decode", "decode", word)
        measure = f"decode over transformers' `generate`, {word.strip()}"
        targets.append(_ratio(measure, found, MIN_DECODE_RATIO[streams]))
    return targets


def _ratio(measure: str, figure: BenchFigure | None, at_least: float) -> Target:
    return Target(
        measure=measure,
        figure=f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})" if figure else None,
        at_least=f"{at_least:g}",
        is_met=figure.value >= at_least if figure else None,
        command=_BENCH,
    )


def _source(provenance: Provenance) -> str:
    return f"`{provenance.command}`"
