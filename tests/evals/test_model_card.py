"""The model card: made of results alone, the same every time, and honest about what was not met."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from caesura.evals.bench_figures import BenchFigure, lowest, read_bench
from caesura.evals.model_card import Evidence, model_card
from caesura.evals.plots import plot_accuracy, plot_families
from caesura.evals.results import (
    LanguageResults,
    Provenance,
    obedience_results,
    padding_results,
    reasoning_results,
)
from caesura.evals.statistics import Estimate
from caesura.evals.targets import target_lines
from caesura.evals.tasks import FAMILIES
from caesura.evals.training_facts import StageFacts, TrainingFacts
from caesura.messages.errors import DataError
from tests.evals.conftest import SmallRun

# inspect-ai leaves a stream open in every run.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")

IMAGES = ("nano-accuracy.png", "nano-families.png")


def _bench(part: str, name: str, value: float) -> BenchFigure:
    return BenchFigure(part=part, name=name, value=value, low=value - 0.01, high=value + 0.01)


@pytest.fixture
def evidence(small_run: SmallRun, provenance: Provenance) -> Evidence:
    stage = StageFacts(
        name="nano-sft",
        num_steps=4000,
        num_tokens=32_768_000,
        loss=0.1234,
        tokens_per_s=7000.0,
        utilisation=0.61,
        hours=1.3,
        row_tokens=512,
    )
    half = Estimate(mean=0.62, low=0.61, high=0.63, n=13_592)
    return Evidence(
        title="nano",
        report_command="caesura report runs/evals/nano",
        reasoning=reasoning_results(small_run.reasoning, provenance),
        control=reasoning_results(
            [each for each in small_run.reasoning if each.budget == 0],
            replace(provenance, command="caesura eval reasoning --model runs/nano-fast/model --budgets 0"),
        ),
        padding=padding_results(small_run.padding, provenance),
        obedience=obedience_results(small_run.obedience, provenance, closing_tokens=6),
        language=LanguageResults(
            provenance=replace(provenance, command="caesura eval language --model nano"),
            blimp=half,
            blimp_fields={"syntax": half},
            num_pairs=13_592,
            bits_per_byte=1.8765,
            num_bytes=367_574,
            num_documents=273,
            window=512,
        ),
        training=TrainingFacts(stages=(stage,)),
        bench=(
            _bench("training", "training, share of the bfloat16 matmul peak, 5.4M", 0.55),
            _bench("server", "HTTP streaming, 1 stream of 128", 0.97),
            _bench("server", "HTTP streaming, 8 streams of 128", 0.90),
            _bench("decode", "decode, 1 stream of 128 + 128, bfloat16", 2.5),
            _bench("decode", "decode, 1 stream of 128 + 128, float32", 2.0),
            _bench("decode", "prefill, 8 streams of 128 + 1, float32", 0.5),
        ),
    )


def _page(evidence: Evidence) -> str:
    return model_card(evidence, target_lines(evidence), IMAGES)


def _row(page: str, start: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| {start}"))


def test_the_page_holds_what_was_measured(evidence: Evidence) -> None:
    page = _page(evidence)
    assert page.startswith("# nano\n")
    assert page == _page(evidence)
    for words in (
        "5.40 million parameters",
        "claimed up to the 512 tokens",
        "13,592 minimal pairs: 62.0 % (61.0 to 63.0)",
        "1.877 bits per byte",
        "32.8 M",
        "It is what is written there that helps, not its length.",
        "SHA-256 of its folder `d1`",
        *IMAGES,
        *(family.title for family in FAMILIES.values()),
    ):
        assert words in page, words


def test_every_figure_stands_beside_its_command(evidence: Evidence) -> None:
    rows = [line for line in target_lines(evidence) if not line.startswith(("| measure", "|---"))]
    assert len(rows) == 14
    for row in rows:
        assert row.split(" | ")[-1].startswith(("`caesura eval ", "`make bench`")), row


def test_verdicts_follow_the_targets(evidence: Evidence) -> None:
    page = _page(evidence)
    assert "| met |" in _row(page, "accuracy over all families")
    assert "100.0 %" in _row(page, "accuracy over all families")
    assert "+100.0 points" in _row(page, "gain from budget 0")
    assert "| met |" in _row(page, "tokens/s through HTTP over the engine alone, 1 stream")
    assert "| **not met** |" in _row(page, "tokens/s through HTTP over the engine alone, 8 streams")
    assert "| not measured | 1.3 |  |" in _row(page, "decode over transformers' `generate`, 8 streams")
    # Of two number formats, the worse one is shown.
    assert "| 2.00 (1.99 to 2.01) | 1.5 | met |" in _row(
        page, "decode over transformers' `generate`, 1 stream"
    )


def test_weak_families_are_named(evidence: Evidence, small_run: SmallRun, provenance: Provenance) -> None:
    spoilt = [
        replace(each, is_correct=False) if each.family == "graph" else each for each in small_run.reasoning
    ]
    page = _page(replace(evidence, reasoning=reasoning_results(spoilt, provenance)))
    assert "it still stays below 80 % on: graph reachability." in page
    assert "below 80 % on" not in _page(evidence)


def test_what_was_not_measured_is_said_or_left_out(evidence: Evidence) -> None:
    bare = Evidence(title="nano", report_command="caesura report", reasoning=evidence.reasoning)
    page = _page(bare)
    assert "## How well it knows English" not in page
    assert "| not measured |" in _row(page, "mode obedience")
    assert "| not measured |" in _row(page, "fast-mode control")


def test_filler_that_helps_is_not_explained_away(
    evidence: Evidence, small_run: SmallRun, provenance: Provenance
) -> None:
    helped = [replace(each, is_correct=each.budget == 16) for each in small_run.padding]
    page = _page(replace(evidence, padding=padding_results(helped, provenance)))
    assert "Part of the gain comes from length alone." in page


def test_plots_are_pictures_and_the_same_every_time(evidence: Evidence, tmp_path: Path) -> None:
    for name in ("one", "two"):
        accuracy, families = tmp_path / f"{name}-accuracy.png", tmp_path / f"{name}-families.png"
        plot_accuracy(accuracy, evidence.reasoning, control=evidence.control, padding=evidence.padding)
        plot_families(families, evidence.reasoning, evidence.control)
        assert accuracy.read_bytes().startswith(b"\x89PNG")
    for kind in ("accuracy", "families"):
        one, two = (tmp_path / f"{name}-{kind}.png" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_the_benchs_last_line_is_read(tmp_path: Path) -> None:
    figure = {"name": "decode, 1 stream of 4", "unit": "tokens/s", "ours": 9.0, "ours_range": [8.0, 10.0]}
    compared = {**figure, "peer": "p", "peers": 3.0, "ratio": 3.0, "ratio_range": [2.5, 3.5]}
    report = {
        "quick": False,
        "parts": [{"part": "decode", "figures": [compared, figure]}, {"part": "server"}],
    }
    path = tmp_path / "bench.txt"
    path.write_text(f"a table\n{json.dumps(report)}\n")
    first, second = read_bench(path)
    assert (first.value, first.low, first.high) == (3.0, 2.5, 3.5)
    assert (second.value, second.low, second.high) == (9.0, 8.0, 10.0)
    assert lowest((first, second), "decode", "1 stream ") == first
    assert lowest((first, second), "server") is None


def test_a_smoke_run_or_something_else_is_no_bench(tmp_path: Path) -> None:
    path = tmp_path / "bench.txt"
    path.write_text(json.dumps({"quick": True, "parts": []}))
    with pytest.raises(DataError, match="smoke run"):
        read_bench(path)
    path.write_text("hello\n")
    with pytest.raises(DataError, match="does not hold the last line of `make bench`"):
        read_bench(path)
