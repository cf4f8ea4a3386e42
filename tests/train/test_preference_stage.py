"""DPO from preferences to a folder: it learns, it resumes, and it stops before it forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from caesura.messages.content import Conversation, text_turn
from caesura.model import Transformer, load_model
from caesura.tokens import CaesuraFormat
from caesura.train.data import Row
from caesura.train.encoding import Encoded, encode_row
from caesura.train.packing import PackingConfig
from caesura.train.preference_loss import PreferenceLossConfig
from caesura.train.preference_stage import PreferenceStage
from caesura.train.preference_watch import WatchConfig
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    """One conversation, again and again."""

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> Iterator[Encoded]:
        turns = (text_turn("user", "And?"), text_turn("assistant", "So."))
        row = Row(conversation=Conversation(turns=turns), mode="fast", source="", licence="")
        yield from [encode_row(chat_format, row)] * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _NormGold:
    """Falls by as much as the final norm has moved, times a factor."""

    factor: float

    def __call__(self, model: Transformer, chat_format: CaesuraFormat) -> float:
        return 1.0 - self.factor * float((model.norm.weight.detach() - 1).abs().mean())


def _stage(num_steps: int = 12, **changes: Any) -> PreferenceStage:
    fields: dict[str, Any] = {
        "name": "moved",
        "comparisons": Numbered(),
        "start_from": "start",
        "loop": tiny_loop(num_steps, learning_rate=3e-3),
        "pairs": PAIRS,
        "anchors": _Remembered(),
        "anchor_packing": PackingConfig(batch_tokens=32, row_tokens=(32,)),
        "watch": WatchConfig(every=4, max_kl=50.0, num_pairs=8),
    }
    return PreferenceStage(**(fields | changes))


def _report(runs: Path) -> dict[str, Any]:
    return json.loads((runs / "moved" / "report.json").read_text())


def _rows(runs: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (runs / "moved" / "metrics.jsonl").read_text().splitlines()]


def test_it_moves_towards_what_is_preferred(tmp_path: Path) -> None:
    folder = _stage(20).run(tiny_place(tmp_path), StopAt())
    report, rows = _report(tmp_path), _rows(tmp_path)
    assert report["before"]["margin"] == pytest.approx(0.0, abs=1e-4)
    assert report["before"]["kl"] == pytest.approx(0.0, abs=1e-5)
    assert report["after"]["accuracy"] == 1.0
    assert report["after"]["margin"] > 0.5
    assert report["after"]["kl"] > 0.01
    assert report["exported_step"] == 20
    assert report["stopped_because"] is None
    assert rows[-1]["anchor_loss"] < rows[0]["anchor_loss"]
    assert rows[-1]["accuracy"] == 1.0
    assert json.loads((folder / "caesura.json").read_text())["trained_tokens"] == 99
    assert load_model(folder).config.hidden_size == 32


def test_the_first_loss_is_ln_2_and_the_anchors_beside_it(tmp_path: Path) -> None:
    _stage(1).run(tiny_place(tmp_path), StopAt())
    [row] = _rows(tmp_path)
    assert row["loss"] == pytest.approx(0.693147 + row["anchor_loss"], abs=1e-4)
    assert row["drift"] == pytest.approx(0.0, abs=1e-5)


def test_without_anchors_the_loss_is_that_of_the_pairs(tmp_path: Path) -> None:
    _stage(1, anchors=None).run(tiny_place(tmp_path), StopAt())
    assert _rows(tmp_path)[0]["loss"] == pytest.approx(0.693147, abs=1e-4)


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole = _stage(8).run(tiny_place(tmp_path / "whole"), StopAt())
    place = tiny_place(tmp_path / "cut")
    stage = _stage(8, loop=tiny_loop(8, learning_rate=3e-3, checkpoint_every_s=0.0))
    with pytest.raises(InterruptedRunError):
        stage.run(place, StopAt(6))
    resumed = stage.run(place, StopAt())
    assert (whole / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
    assert [row["step"] for row in _rows(place.runs)] == [1, 2, 3, 4, 5, 6, 6, 7, 8]
    looks = (place.runs / "moved" / "watch.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in looks] == [0, 4, 8]


def test_a_fall_of_the_gold_measure_ends_it_with_the_last_good_weights(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    # after 4 steps the norm has moved by about 0.01, after 8 by about 0.02
    stage = _stage(
        20, gold=_NormGold(factor=10.0), watch=WatchConfig(every=4, max_gold_drop=0.15, max_kl=50.0)
    )
    folder = stage.run(place, StopAt())
    report = _report(tmp_path)
    assert report["num_steps_done"] < 20
    assert 0 < report["exported_step"] < report["num_steps_done"]
    assert report["stopped_because"].startswith("the gold measure fell from 1.000 to ")
    assert report["after"]["gold"] >= 0.85
    kept = load_model(folder).norm.weight.detach()
    assert 1.0 - 10.0 * float((kept - 1).abs().mean()) >= 0.84  # bfloat16 rounds
    told = StopAt()
    assert stage.run(place, told) == folder
    assert told.notes == []


def test_going_too_far_ends_it_and_what_it_started_from_comes_back(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    folder = _stage(8, watch=WatchConfig(every=4, max_kl=1e-6)).run(place, StopAt())
    assert _report(tmp_path)["exported_step"] == 0
    start = load_model(tmp_path / "start" / "model")
    for ours, theirs in zip(load_model(folder).parameters(), start.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_changed_setting_is_refused(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    _stage(1).run(place, StopAt())
    with pytest.raises(ValueError, match=r"loss\.beta \(0\.1 -> 0\.2\)"):
        _stage(1, loss=PreferenceLossConfig(beta=0.2)).run(place, StopAt())


def test_losses_that_are_no_numbers_end_it_with_nothing_lost(tmp_path: Path) -> None:
    place = tiny_place(tmp_path)
    stage = _stage(9, loop=tiny_loop(9, learning_rate=1e30), watch=WatchConfig(every=100))
    with pytest.raises(DivergedError, match="3 steps in a row"):
        stage.run(place, StopAt())
    assert load_model(tmp_path / "start" / "model").config == tiny_model().config
