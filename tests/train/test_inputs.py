"""A job that was begun from something that has changed since is not gone on with in silence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from caesura.recipes.finetune import JobRows
from caesura.recipes.preferences import Judgements
from caesura.train.inputs import check_inputs
from caesura.train.job import OnProgress, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """Starts from a model and from rows."""

    name: str = "learning"
    start_from: str = "before"
    documents: JobRows = field(default_factory=lambda: JobRows(job="rows"))

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        return place.runs


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name, text in (("before/model/model.safetensors", "weights"), ("rows/rows.jsonl", "{}")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return Place(runs=tmp_path, data=tmp_path, tokenizer=tmp_path)


def begin(job: Learning, place: Place) -> None:
    """Check, and make something of it."""
    check_inputs(job, place)
    (place.runs / job.name / "metrics.jsonl").write_text("{}")


def test_a_run_that_found_an_input_missing_may_begin_again_with_it(place: Place) -> None:
    rows = place.runs / "rows" / "rows.jsonl"
    rows.unlink()
    check_inputs(Learning(), place)
    (place.runs / "learning" / "recipe.json").write_text("{}")
    rows.write_text("{}")
    check_inputs(Learning(), place)
    assert "rows/rows.jsonl" in json.loads((place.runs / "learning" / "inputs.json").read_bytes())


def test_the_same_files_are_gone_on_from(place: Place) -> None:
    begin(Learning(), place)
    kept = (place.runs / "learning" / "inputs.json").read_bytes()
    check_inputs(Learning(), place)
    assert (place.runs / "learning" / "inputs.json").read_bytes() == kept
    assert set(json.loads(kept)) == {"before/model/model.safetensors", "rows/rows.jsonl"}


@pytest.mark.parametrize("name", ["before/model/model.safetensors", "rows/rows.jsonl"])
def test_a_file_that_has_changed_is_named(place: Place, name: str) -> None:
    begin(Learning(), place)
    (place.runs / name).write_text("other")
    with pytest.raises(ValueError, match=rf"was made from what has changed since: {name}; remove"):
        check_inputs(Learning(), place)


def test_comparisons_that_come_later_are_noticed(place: Place) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Judging(Learning):
        comparisons: Judgements

    job = Judging(comparisons=Judgements(dimension="honest", num_drawn=1, seed=0, feedback="feedback"))
    begin(job, place)
    (place.runs / "feedback").mkdir()
    (place.runs / "feedback" / "preferences.jsonl").write_text("{}")
    with pytest.raises(ValueError, match=r"feedback/preferences\.jsonl"):
        check_inputs(job, place)
