"""What is worth telling of a training run, read from the two files that every run leaves.

Enters: a stage's `recipe.json` and `metrics.jsonl`. Leaves: `StageFacts`, which travel with the results so
that a model card can be written without the run's folder. Read next: `model_card.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, cast

from caesura.messages.errors import DataError

_LAST_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFacts:
    """One stage of a training run.

    name: the stage's. num_steps, num_tokens: optimiser steps, and tokens that were read in them.
    loss: nats a target, the mean of the last rows. tokens_per_s, utilisation: medians over all rows; the
    latter as a share of the bfloat16 matrix product's peak, measured when the run began.
    hours: time spent, resumptions included. row_tokens: the longest row.
    """

    name: str
    num_steps: int
    num_tokens: int
    loss: float
    tokens_per_s: float
    utilisation: float
    hours: float
    row_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """All stages that led to a model, the first one first."""

    stages: tuple[StageFacts, ...]


def training_facts(run_folder: Path) -> TrainingFacts:
    """The facts of a run and of the stages that it started from, as far as their folders are there.

    Stages that learn from something else than rows of text are passed over; what they started from is not.
    Raises DataError for files that cannot be read.
    """
    stages: list[StageFacts] = []
    folder: Path | None = run_folder
    while folder is not None and (folder / "recipe.json").is_file():
        recipe = _read_recipe(folder / "recipe.json")
        if "packing" in recipe:
            stages.insert(0, stage_facts(recipe, _read_rows(folder / "metrics.jsonl")))
        start = recipe.get("start_from")
        folder = folder.parent / str(start) if start else None
    return TrainingFacts(stages=tuple(stages))


def stage_facts(recipe: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> StageFacts:
    """The facts of one stage. Raises DataError where there are no rows."""
    if not rows:
        raise DataError(f"stage {recipe['name']} has no rows of metrics")
    # A resumed run repeats the steps since its last checkpoint; the later row is the one that counts.
    by_step = {int(row["step"]): row for row in rows}
    ordered = [by_step[step] for step in sorted(by_step)]
    num_steps = int(ordered[-1]["step"])
    packing = cast(Mapping[str, Any], recipe["packing"])
    return StageFacts(
        name=str(recipe["name"]),
        num_steps=num_steps,
        num_tokens=num_steps * int(packing["batch_tokens"]),
        loss=round(fmean(row["loss"] for row in ordered[-_LAST_ROWS:]), 4),
        tokens_per_s=round(median(row["tokens_per_s"] for row in ordered), 1),
        utilisation=round(median(row["utilisation"] for row in ordered), 4),
        hours=round(_elapsed_s(rows) / 3600, 2),
        row_tokens=max(packing["row_tokens"]),
    )


def _elapsed_s(rows: Sequence[Mapping[str, float]]) -> float:
    """Each process counts from its own beginning."""
    total = before = 0.0
    for row in rows:
        elapsed = row["elapsed_s"]
        total += elapsed - before if elapsed >= before else elapsed
        before = elapsed
    return total


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _read_rows(path: Path) -> list[dict[str, float]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
