"""From results folders to a model card on disk.

Enters: folders. Leaves: a page and its plots. Read next: `caesura/evals/model_card.py`.
"""

from __future__ import annotations

from pathlib import Path

from caesura.evals.bench_figures import read_bench
from caesura.evals.model_card import Evidence, model_card
from caesura.evals.plots import plot_accuracy, plot_families
from caesura.evals.results import LanguageResults, ObedienceResults, PaddingResults, ReasoningResults
from caesura.evals.results_files import read_if_there, read_results
from caesura.evals.targets import target_lines
from caesura.evals.tool_results import ToolResults
from caesura.evals.training_facts import TrainingFacts


def write_card(results: Path, out: Path, *, control: Path | None, bench: Path | None) -> None:
    """Read, plot, write. Raises DataError for results that are missing or damaged."""
    evidence = gather(results, out, control=control, bench=bench)
    images = tuple(out.with_name(f"{out.stem}-{kind}.png") for kind in ("accuracy", "families"))
    reasoning = evidence.reasoning
    plot_accuracy(images[0], reasoning, control=evidence.control, padding=evidence.padding)
    plot_families(images[1], reasoning, evidence.control)
    page = model_card(evidence, target_lines(evidence), (images[0].name, images[1].name))
    out.write_text(page, encoding="utf-8")


def gather(results: Path, out: Path, *, control: Path | None, bench: Path | None) -> Evidence:
    """Whatever is there; only the curve over budgets must be."""
    words = ["caesura", "report", results.as_posix()]
    words += ["--control", control.as_posix()] if control else []
    words += ["--bench", bench.as_posix()] if bench else []
    return Evidence(
        title=out.stem,
        report_command=" ".join([*words, "--out", out.as_posix()]),
        reasoning=read_results(results / "reasoning.json", ReasoningResults),
        control=read_results(control / "reasoning.json", ReasoningResults) if control else None,
        padding=read_if_there(results / "padding.json", PaddingResults),
        obedience=read_if_there(results / "obedience.json", ObedienceResults),
        language=read_if_there(results / "language.json", LanguageResults),
        tools=read_if_there(results / "tools.json", ToolResults),
        training=read_if_there(results / "training.json", TrainingFacts),
        control_training=read_if_there(control / "training.json", TrainingFacts) if control else None,
        bench=read_bench(bench) if bench else (),
    )
