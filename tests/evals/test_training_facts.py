"""Facts about a training run, from the files it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caesura.evals.training_facts import training_facts
from caesura.messages.errors import DataError


def _write_stage(folder: Path, start_from: str | None, rows: list[tuple[int, float, float]]) -> None:
    folder.mkdir(parents=True)
    recipe = {
        "name": folder.name,
        "start_from": start_from,
        "packing": {"batch_tokens": 1000, "row_tokens": [256, 512], "seed": 0},
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    lines = [
        {"step": step, "loss": loss, "elapsed_s": elapsed, "tokens_per_s": 100.0, "utilisation": 0.5}
        for step, loss, elapsed in rows
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_stages_are_told_in_the_order_in_which_they_ran(tmp_path: Path) -> None:
    _write_stage(tmp_path / "first", None, [(10, 4.0, 60.0)])
    _write_stage(tmp_path / "second", "first", [(10, 2.0, 60.0)])
    facts = training_facts(tmp_path / "second")
    assert [stage.name for stage in facts.stages] == ["first", "second"]
    assert facts.stages[0].num_tokens == 10_000
    assert facts.stages[0].row_tokens == 512


def test_a_resumed_run_counts_steps_once_and_time_twice(tmp_path: Path) -> None:
    # Stopped after step 20 with a checkpoint at step 10; the second process counts from zero.
    rows = [(10, 4.0, 1800.0), (20, 9.0, 3600.0), (20, 3.0, 1800.0), (30, 2.0, 3600.0)]
    _write_stage(tmp_path / "run", None, rows)
    (stage,) = training_facts(tmp_path / "run").stages
    assert (stage.num_steps, stage.hours, stage.loss) == (30, 2.0, 3.0)


def test_stages_that_learn_from_no_text_are_passed_over(tmp_path: Path) -> None:
    _write_stage(tmp_path / "first", None, [(10, 4.0, 60.0)])
    _write_stage(tmp_path / "pairs", "first", [])
    recipe = json.loads((tmp_path / "pairs" / "recipe.json").read_text())
    del recipe["packing"]
    (tmp_path / "pairs" / "recipe.json").write_text(json.dumps(recipe))
    _write_stage(tmp_path / "last", "pairs", [(10, 2.0, 60.0)])
    assert [stage.name for stage in training_facts(tmp_path / "last").stages] == ["first", "last"]


def test_a_run_without_metrics_is_named(tmp_path: Path) -> None:
    _write_stage(tmp_path / "run", None, [])
    with pytest.raises(DataError, match="stage run has no rows"):
        training_facts(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").unlink()
    with pytest.raises(DataError, match=r"metrics\.jsonl cannot be read"):
        training_facts(tmp_path / "run")
