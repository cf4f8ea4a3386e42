"""The loop: learns, resumes bit for bit, survives damaged checkpoints and a full disk; losses are golden."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from caesura.model import ModelConfig, PackedAttention, Transformer, document_mask, load_model
from caesura.tokens import CaesuraFormat
from caesura.train.encoding import Encoded, TokenSet
from caesura.train.loop import LoopConfig, Metrics, train, training_flops
from caesura.train.losses import cross_entropy_sum
from caesura.train.optimisers import OptimiserConfig, make_optimisers, schedule
from caesura.train.packing import Packer, PackingConfig
from caesura.train.stage import Stage, run_stage
from tests.tokens.conversations import chat_format

SHAPE = ModelConfig(
    vocab_size=64,
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    intermediate_size=48,
    max_positions=64,
)
Name = Literal["muon", "adamw"]
PACKING = PackingConfig(batch_tokens=64, row_tokens=(16,))


def _model(seed: int = 0) -> Transformer:
    model = Transformer(SHAPE)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def _packer() -> Packer:
    generator = torch.Generator().manual_seed(3)
    docs = []
    for _ in range(40):  # counting upwards from a random start: learnable at once
        start = int(torch.randint(40, (1,), generator=generator))
        docs.append(Encoded([start + i for i in range(12)], [i > 0 for i in range(12)]))
    return Packer(TokenSet.collect(docs), PACKING)


def _config(num_steps: int, name: Name = "muon", checkpoint_every_s: float = 1000) -> LoopConfig:
    optimiser = OptimiserConfig(name=name, learning_rate=1e-2, embedding_learning_rate=1e-2, warmup_steps=2)
    return LoopConfig(
        num_steps=num_steps,
        optimiser=optimiser,
        is_compiled=False,
        is_bfloat16=False,
        log_every=1,
        checkpoint_every_s=checkpoint_every_s,
    )


def _run(
    folder: Path, config: LoopConfig, stop_after: int | None = None
) -> tuple[Transformer, list[Metrics]]:
    model = _model()
    rows: list[Metrics] = []

    def on_metrics(row: Metrics) -> None:
        rows.append(row)
        if row.step == stop_after:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        train(model, _packer(), config, folder, on_metrics)
    return model, rows


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_training_learns(name: Name, tmp_path: Path) -> None:
    _, rows = _run(tmp_path, _config(60, name))
    assert rows[0].loss > 3.5
    assert rows[-1].loss < 1.0


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(name: Name, tmp_path: Path) -> None:
    config = _config(8, name)
    whole, whole_rows = _run(tmp_path / "whole", config)
    every_step = _config(8, name, checkpoint_every_s=0)
    _, first_rows = _run(tmp_path / "cut", every_step, stop_after=5)
    resumed, rest_rows = _run(tmp_path / "cut", every_step)
    assert [row.step for row in first_rows] == [1, 2, 3, 4, 5]
    assert rest_rows[0].step == 5  # the step whose checkpoint had not been written yet is done again
    for ours, theirs in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert [row.loss for row in whole_rows[4:]] == [row.loss for row in rest_rows]


def test_the_loss_of_uniform_logits_is_the_logarithm_of_the_vocabulary() -> None:
    mask = torch.tensor([[1, 0, 1]])
    loss = cross_entropy_sum(torch.zeros(1, 3, 64), torch.tensor([[1, 2, 3]]), mask)
    assert float(loss) == pytest.approx(2 * math.log(64))


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    config = OptimiserConfig(warmup_steps=4, decay_fraction=0.5)
    factors = [schedule(step, 20, config) for step in (0, 3, 9, 15, 20)]
    assert factors == [0.25, 1.0, 1.0, 0.5, 0.0]


def test_every_parameter_is_owned_by_exactly_one_optimiser() -> None:
    model = _model()
    owned = [
        id(p) for o in make_optimisers(model, OptimiserConfig()) for g in o.param_groups for p in g["params"]
    ]
    assert sorted(owned) == sorted(id(p) for p in model.parameters())


def test_flops_count_weights_and_readable_pairs_but_no_padding() -> None:
    positions = torch.tensor([[0, 1, 0, 1, 2, 0, 0, 0]])  # two documents, and three places of padding
    attention = 12 * SHAPE.num_layers * SHAPE.num_heads * SHAPE.head_dim * (1 + 2 + 1 + 2 + 3)
    assert training_flops(SHAPE, positions) == 6 * SHAPE.num_parameters * 5 + attention


def test_packing_does_not_change_what_a_document_is_given() -> None:
    model = _model()
    first, second = torch.arange(5), torch.arange(20, 27)
    alone = [model(each[None], torch.arange(len(each))[None], PackedAttention()) for each in (first, second)]
    batch = _packed(first, second)
    together = model(batch[0], batch[1], PackedAttention(mask_B1TT=batch[2]))
    torch.testing.assert_close(together[0, :5], alone[0][0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[0, 5:], alone[1][0], atol=1e-5, rtol=1e-5)


def _packed(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    positions = torch.cat([torch.arange(len(first)), torch.arange(len(second))])[None]
    return torch.cat([first, second])[None], positions, document_mask(positions)


@dataclass(frozen=True)
class _Repeated:
    """The same text eight times."""

    text: str

    def __call__(self, chat_format: CaesuraFormat, data: Path, runs: Path) -> list[Encoded]:
        ids = chat_format.tokenizer.encode(self.text)
        return [Encoded(ids, [True] * len(ids))] * 8


def _stage(num_steps: int = 2, **changes: Any) -> Stage:
    shape = ModelConfig(
        vocab_size=chat_format().tokenizer.vocab_size,
        hidden_size=16,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        intermediate_size=16,
        max_positions=64,
    )
    fields: dict[str, Any] = {
        "name": "tiny",
        "model": shape,
        "documents": _Repeated("hello"),
        "packing": PACKING,
        "loop": _config(num_steps),
    }
    return Stage(**(fields | changes))


def _run_stage(stage: Stage, runs: Path) -> tuple[Path, list[Metrics]]:
    chat_format().tokenizer.save(runs / "tokenizer", max_positions=64)
    rows: list[Metrics] = []
    tokenizer = runs / "tokenizer"
    folder = run_stage(stage, runs=runs, data=runs, tokenizer_folder=tokenizer, on_metrics=rows.append)
    return folder, rows


def test_a_stage_exports_a_folder_that_loads_and_saves_its_recipe(tmp_path: Path) -> None:
    stage = _stage()
    folder, rows = _run_stage(stage, tmp_path)
    assert load_model(folder).config == stage.model
    assert len(rows) == len((tmp_path / "tiny" / "metrics.jsonl").read_text().splitlines()) == 2
    recipe = json.loads((tmp_path / "tiny" / "recipe.json").read_text())
    assert recipe["loop"]["num_steps"] == 2
    assert recipe["documents"] == {"text": "hello", "source": "_Repeated"}
    assert json.loads((folder / "caesura.json").read_text())["trained_tokens"] == 16


def test_tensorboard_sees_what_the_metrics_file_holds(tmp_path: Path) -> None:
    _run_stage(_stage(), tmp_path)
    events = EventAccumulator(str(tmp_path / "tiny" / "tensorboard")).Reload()
    lines = (tmp_path / "tiny" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(losses)


def test_a_stage_goes_on_for_longer_but_not_with_other_settings(tmp_path: Path) -> None:
    _run_stage(_stage(2), tmp_path)
    _, rows = _run_stage(_stage(4), tmp_path)
    assert [row.step for row in rows] == [3, 4]
    with pytest.raises(ValueError, match=r"other settings: seed \(0 -> 1\); remove that folder"):
        _run_stage(_stage(4, seed=1), tmp_path)
    with pytest.raises(ValueError, match="at step 4 already, past num_steps 3"):
        _run_stage(_stage(3), tmp_path)


def test_a_stage_starts_from_a_stage_or_a_folder(tmp_path: Path) -> None:
    folder, _ = _run_stage(_stage(), tmp_path)
    for number, start in enumerate(("tiny", str(folder))):
        stage = _stage(name=f"next-{number}", model=None, start_from=start)
        assert load_model(_run_stage(stage, tmp_path)[0]).config == _stage().model


def test_a_stage_starts_either_fresh_or_from_another(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either a fresh model or a stage"):
        _run_stage(_stage(model=None), tmp_path)
