"""Results as files: what is written is what is read, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caesura.evals.results import (
    ObedienceResults,
    Provenance,
    ReasoningResults,
    obedience_results,
    reasoning_results,
)
from caesura.evals.results_files import read_if_there, read_results, write_attempts, write_results
from caesura.messages.errors import DataError
from tests.evals.conftest import SmallRun

# inspect-ai leaves a stream open in every run.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


def test_results_survive_the_way_to_disk(small_run: SmallRun, provenance: Provenance, tmp_path: Path) -> None:
    reasoning = reasoning_results(small_run.reasoning, provenance)
    write_results(tmp_path / "deep" / "reasoning.json", reasoning)
    assert read_results(tmp_path / "deep" / "reasoning.json", ReasoningResults) == reasoning
    obedience = obedience_results(small_run.obedience, provenance, closing_tokens=6)
    write_results(tmp_path / "obedience.json", obedience)
    assert read_if_there(tmp_path / "obedience.json", ObedienceResults) == obedience


def test_equal_results_give_equal_bytes(small_run: SmallRun, provenance: Provenance, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        write_results(tmp_path / name, reasoning_results(small_run.reasoning, provenance))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_every_attempt_is_a_line(small_run: SmallRun, tmp_path: Path) -> None:
    write_attempts(tmp_path / "attempts.jsonl", small_run.reasoning)
    rows = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    assert len(rows) == len(small_run.reasoning)
    assert rows[0]["family"] == small_run.reasoning[0].family


def test_missing_and_damaged_results_are_named(tmp_path: Path) -> None:
    assert read_if_there(tmp_path / "none.json", ReasoningResults) is None
    with pytest.raises(DataError, match=r"none\.json cannot be read: .*; run `caesura eval` first"):
        read_results(tmp_path / "none.json", ReasoningResults)
    (tmp_path / "bad.json").write_text('{"provenance": {}}')
    with pytest.raises(DataError, match=r"bad\.json: provenance\.command: Field required"):
        read_results(tmp_path / "bad.json", ReasoningResults)
