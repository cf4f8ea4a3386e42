"""The step loop: what is no number moves nothing, is counted, and ends the run when it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from caesura.train.checkpoint import Checkpoints
from caesura.train.steps import DivergedError, StepDone, Steps, run_steps
from tests.train.tiny_pairs import tiny_loop


class _Line(nn.Module):
    """A weight of each kind of optimiser group: one inside a layer, one outside."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 1, bias=False)])
        self.bias = nn.Parameter(torch.zeros(1))

    @property
    def weight(self) -> Tensor:
        weight = self.layers[0].weight
        assert isinstance(weight, Tensor)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x) + self.bias


def _run(
    folder: Path,
    losses: Callable[[_Line, int], Tensor],
    num_steps: int = 6,
    is_over: Callable[[int], bool] = lambda _: False,
) -> tuple[_Line, list[StepDone], list[int]]:
    torch.manual_seed(1)
    model = _Line()
    done: list[StepDone] = []
    ended: list[int] = []
    steps = Steps(
        loss_of=lambda step: losses(model, step),
        on_step=done.append,
        on_end=lambda: ended.append(len(done)),
        is_over=is_over,
    )
    run_steps(model, tiny_loop(num_steps, checkpoint_every_s=0.0), folder, steps)
    return model, done, ended


def _loss(model: _Line, step: int) -> Tensor:
    return (model(torch.tensor([1.0, float(step)])) - 3).square().sum()


def _with_nan_at(*bad: int) -> Callable[[_Line, int], Tensor]:
    return lambda model, step: _loss(model, step) * (math.nan if step in bad else 1.0)


def test_a_step_that_is_no_number_moves_no_weight_and_is_counted(tmp_path: Path) -> None:
    before: list[Tensor] = []

    def losses(model: _Line, step: int) -> Tensor:
        before.append(model.weight.detach().clone())
        return _with_nan_at(2, 3, 5)(model, step)

    model, done, _ = _run(tmp_path, losses, 8)
    assert torch.equal(before[2], before[3])
    assert torch.equal(before[3], before[4])
    assert torch.equal(before[5], before[6])
    assert not torch.equal(before[4], before[5])
    assert [row.is_skipped for row in done] == [False, False, True, True, False, True, False, False]
    assert [row.num_skipped for row in done] == [0, 0, 1, 2, 2, 3, 3, 3]
    assert torch.isfinite(model.weight).all()


def test_a_gradient_that_is_no_number_is_skipped_though_the_loss_is_one(tmp_path: Path) -> None:
    # the square root has an infinite slope at 0, and the loss itself is 0
    model, done, _ = _run(tmp_path, lambda model, step: (model.weight * 0).sum().sqrt(), num_steps=2)
    assert [row.loss for row in done] == [0, 0]
    assert all(row.is_skipped for row in done)
    assert torch.isfinite(model.weight).all()


def test_three_in_a_row_end_the_run_with_what_to_do_and_nothing_of_them_saved(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"3 steps in a row, up to step 6.*Lower loop\.optimiser"):
        _run(tmp_path, _with_nan_at(3, 4, 5), 9)
    assert Checkpoints(tmp_path / "checkpoints").steps()[-1] == 3
    with pytest.raises(DivergedError, match="up to step 6"):
        _run(tmp_path, _with_nan_at(3, 4, 5), 9)


def test_two_in_a_row_do_not_end_a_run_however_often(tmp_path: Path) -> None:
    _, done, _ = _run(tmp_path, _with_nan_at(1, 2, 4, 5, 7, 8), 10)
    assert done[-1].num_skipped == 6


def test_a_run_that_is_over_early_stays_over(tmp_path: Path) -> None:
    _, done, ended = _run(tmp_path, _loss, is_over=lambda step: step == 4)
    assert [row.step for row in done] == [1, 2, 3, 4]
    assert ended == [4]
    _, again, _ = _run(tmp_path, _loss, is_over=lambda step: step == 4)
    assert again == []


def test_what_is_stored_at_the_end_lies_in_the_last_checkpoint(tmp_path: Path) -> None:
    model = _Line()

    def store() -> None:
        model.bias.data.fill_(7.0)

    steps = Steps(loss_of=lambda step: _loss(model, step), on_step=lambda _: None, on_end=store)
    run_steps(model, tiny_loop(2), tmp_path, steps)
    fresh = _Line()
    Checkpoints(tmp_path / "checkpoints").restore(fresh, [])
    assert fresh.bias.tolist() == [7.0]
