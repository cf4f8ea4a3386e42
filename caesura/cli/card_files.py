"""From results folders to a model card on disk.

Enters: folders. Leaves: a page and its plots. Read next: `caesura/evals/model_card.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caesura.evals.alignment_card import AlignmentEvidence, Measured
from caesura.evals.bench_figures import read_bench
from caesura.evals.model_card import Evidence, model_card
from caesura.evals.plots import plot_accuracy, plot_families
from caesura.evals.results import LanguageResults, ObedienceResults, PaddingResults, ReasoningResults
from caesura.evals.results_files import read_if_there, read_results
from caesura.evals.reward_card import read_reward_reports
from caesura.evals.safety.results import SafetyResults
from caesura.evals.targets import target_lines
from caesura.evals.tool_results import ToolResults
from caesura.evals.training_facts import TrainingFacts
from caesura.evals.trial_results import TrialResults


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where everything lies.

    results: of the model. control: of the one that was trained to answer at once. bench: the output of
    `make bench`. before: results of the model that alignment started from. tuned: of the one that
    reinforcement started from. runs: the runs folder.
    """

    results: Path
    control: Path | None = None
    bench: Path | None = None
    before: Path | None = None
    tuned: Path | None = None
    runs: Path | None = None

    def command(self, out: Path) -> str:
        """What writes the page again."""
        words = ["caesura", "report", self.results.as_posix()]
        for name in ("control", "bench", "before", "tuned", "runs"):
            path: Path | None = getattr(self, name)
            words += [f"--{name}", path.as_posix()] if path else []
        return " ".join([*words, "--out", out.as_posix()])


def write_card(sources: Sources, out: Path) -> None:
    """Read, plot, write. Raises DataError for results that are missing or damaged."""
    evidence = gather(sources, out)
    images = tuple(out.with_name(f"{out.stem}-{kind}.png") for kind in ("accuracy", "families"))
    reasoning = evidence.reasoning
    plot_accuracy(images[0], reasoning, control=evidence.control, padding=evidence.padding)
    plot_families(images[1], reasoning, evidence.control)
    page = model_card(evidence, target_lines(evidence), (images[0].name, images[1].name))
    out.write_text(page, encoding="utf-8")


def gather(sources: Sources, out: Path) -> Evidence:
    """Whatever is there; only the curve over budgets must be."""
    results, control, bench = sources.results, sources.control, sources.bench
    return Evidence(
        title=out.stem,
        report_command=sources.command(out),
        reasoning=read_results(results / "reasoning.json", ReasoningResults),
        control=read_results(control / "reasoning.json", ReasoningResults) if control else None,
        padding=read_if_there(results / "padding.json", PaddingResults),
        obedience=read_if_there(results / "obedience.json", ObedienceResults),
        language=read_if_there(results / "language.json", LanguageResults),
        tools=read_if_there(results / "tools.json", ToolResults),
        training=read_if_there(results / "training.json", TrainingFacts),
        control_training=read_if_there(control / "training.json", TrainingFacts) if control else None,
        bench=read_bench(bench) if bench else (),
        alignment=_alignment(sources),
    )


def _alignment(sources: Sources) -> AlignmentEvidence:
    before, runs = sources.before, sources.runs
    return AlignmentEvidence(
        before=_measured(before) if before else Measured(),
        after=_measured(sources.results),
        tuned=_measured(sources.tuned) if sources.tuned else Measured(),
        rewards=tuple(read_reward_reports(runs)) if runs else (),
        trial=read_if_there(runs / "principle-trial" / "results.json", TrialResults) if runs else None,
    )


def _measured(folder: Path) -> Measured:
    return Measured(
        reasoning=read_if_there(folder / "reasoning.json", ReasoningResults),
        safety=read_if_there(folder / "safety.json", SafetyResults),
        tools=read_if_there(folder / "tools.json", ToolResults),
    )
