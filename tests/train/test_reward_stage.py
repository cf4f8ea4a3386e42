"""A reward model from preferences to a folder: it learns, it resumes, its control learns nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from caesura.messages.content import Conversation, text_turn
from caesura.messages.errors import DataError
from caesura.train.reward_loss import RewardLossConfig
from caesura.train.reward_model import load_reward_model
from caesura.train.reward_stage import RewardStage
from caesura.train.steps import DivergedError
from tests.train.tiny_pairs import (
    PAIRS,
    InterruptedRunError,
    Numbered,
    StopAt,
    tiny_loop,
    tiny_model,
    tiny_place,
)


def _stage(num_steps: int = 30, **changes: Any) -> RewardStage:
    fields: dict[str, Any] = {
        "name": "judge",
        "dimension": "helpful",
        "comparisons": Numbered(),
        "start_from": "start",
        "loop": tiny_loop(num_steps),
        "pairs": PAIRS,
        "has_control": False,
    }
    return RewardStage(**(fields | changes))


def _report(runs: Path) -> dict[str, Any]:
    return json.loads((runs / "judge" / "report.json").read_text())


def _score(folder: Path, *replies: str) -> list[float]:
    scorer = load_reward_model(folder)
    conversations = [
        Conversation(turns=(text_turn("user", "Q5000?"), text_turn("assistant", reply))) for reply in replies
    ]
    return scorer.score(conversations).tolist()


def test_it_learns_what_is_preferred_and_its_control_does_not(tmp_path: Path) -> None:
    place, told = tiny_place(tmp_path), StopAt()
    stage = _stage(has_control=True, comparisons=Numbered(num=400))
    folder = stage.run(place, told)
    report = _report(tmp_path)
    assert report["accuracy"]["value"] > 0.95
    assert abs(report["control"]["probability"] - 0.5) < 0.2
    assert report["probability"] > 0.9
    assert abs(report["length_correlation"]["after"]) < 0.1
    assert report["by_source"]["a"]["n"] + report["by_source"]["b"]["n"] == report["accuracy"]["n"]
    left, down = _score(folder, "L 3", "D 3")
    assert left > 0 > down
    assert sum(report["num_pairs"].values()) == 400  # the one in another dimension is left out
    assert told.notes[-1][:2] == (60, 60)
    assert len((tmp_path / "judge" / "metrics.jsonl").read_text().splitlines()) == 30


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole = _stage(8).run(tiny_place(tmp_path / "whole"), StopAt())
    place = tiny_place(tmp_path / "cut")
    stage = _stage(8, loop=tiny_loop(8, checkpoint_every_s=0.0))
    with pytest.raises(InterruptedRunError):
        stage.run(place, StopAt(5))
    resumed = stage.run(place, StopAt())
    for name in ("model.safetensors", "reward_head.safetensors", "reward.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    lines = (place.runs / "judge" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [1, 2, 3, 4, 5, 5, 6, 7, 8]


def test_a_run_that_is_stopped_in_its_control_does_not_train_again(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    stage = _stage(6, has_control=True)
    with pytest.raises(InterruptedRunError):
        stage.run(place, StopAt(9))
    told = StopAt()
    stage.run(place, told)
    assert told.notes[0][0] > 6
    assert "control" in _report(tmp_path)


def test_done_is_done(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    folder = _stage(2).run(place, StopAt())
    written = (folder / "reward.json").stat().st_mtime_ns
    told = StopAt()
    assert _stage(2).run(place, told) == folder
    assert told.notes == []
    assert (folder / "reward.json").stat().st_mtime_ns == written


def test_other_settings_are_refused_in_the_same_folder(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    _stage(2).run(place, StopAt())
    with pytest.raises(ValueError, match=r"other settings: loss\.centring \(0\.01 -> 0\.5\)"):
        _stage(2, loss=RewardLossConfig(centring=0.5)).run(place, StopAt())
    with pytest.raises(ValueError, match=r"comparisons\.num \(120 -> 121\)"):
        _stage(2, comparisons=Numbered(num=121)).run(place, StopAt())


def test_statistics_lie_in_the_checkpoint(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    _stage(4).run(place, StopAt())
    told = StopAt()
    (tmp_path / "judge" / "report.json").unlink()
    before = (tmp_path / "judge" / "model" / "reward.json").read_text()
    _stage(4).run(place, told)
    assert told.notes == []  # nothing is left to train: all comes from the checkpoint
    after = (tmp_path / "judge" / "model" / "reward.json").read_text()
    assert before == after
    assert json.loads(after)["statistics"]["std"] != 1.0


def test_a_backbone_that_is_no_number_ends_the_run_with_an_error(tmp_path: Path) -> None:
    model = tiny_model()
    model.norm.weight.data.fill_(torch.nan)
    with pytest.raises(DivergedError, match="3 steps in a row"):
        _stage(9).run(tiny_place(tmp_path, model), StopAt())


def test_too_few_prompts_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more different prompts are needed"):
        _stage(2, comparisons=Numbered(num=3)).run(tiny_place(tmp_path), StopAt())
