"""The step loop that every trainer shares: backward, clip, step, schedule, checkpoint, and what to do when a
loss is no number.

Language models, reward models and preference optimisation differ only in the loss that they hand in. Enters:
a module, the loss of a step by its number, a config. Leaves: a trained module and checkpoints.
Read next: `loop.py`, `reward_stage.py`, `preference_stage.py`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from caesura.messages.errors import CaesuraError
from caesura.train.checkpoint import Checkpoints
from caesura.train.optimisers import OptimiserConfig, clip, make_optimisers, schedule, set_rates

log = logging.getLogger(__name__)

MAX_SKIPPED_IN_A_ROW = 3


class DivergedError(CaesuraError):
    """Several steps in a row had a loss or a gradient that is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long and how.

    num_steps: optimiser steps in all.
    optimiser: see there.
    is_compiled: torch.compile the forward and backward; needs a C++ compiler on CPUs.
    is_bfloat16: run matrix products in bfloat16 (autocast); weights stay float32.
    checkpoint_every_s: seconds between checkpoints.
    log_every: steps between rows of metrics.
    """

    num_steps: int
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    is_compiled: bool = True
    is_bfloat16: bool = True
    checkpoint_every_s: float = 180.0
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.log_every < 1:
            raise ValueError(f"num_steps {self.num_steps} and log_every {self.log_every} must be at least 1")

    def is_logged(self, step: int) -> bool:
        """Whether a row of metrics follows when `step` steps are done."""
        return step % self.log_every == 0 or step == self.num_steps


class StepDone(NamedTuple):
    """What happened in one step.

    step: steps done, this one included. loss, grad_norm: of this step; the norm is before clipping.
    learning_rate: at the plateau's scale. num_skipped: steps skipped so far in this process.
    is_skipped: the loss or the gradient was no number, so that no weight has moved.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    num_skipped: int
    is_skipped: bool


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What a trainer hands to the loop.

    loss_of: the loss of a step, a scalar; the same step gives the same loss, whoever asks again.
    on_step: told of each step, before it is saved.
    on_end: called once when the last step is done, before the last checkpoint, so that what it stores in
        the module is kept with the weights.
    is_over: whether to end after so many steps, though more were planned.
    """

    loss_of: Callable[[int], Tensor]
    on_step: Callable[[StepDone], None]
    on_end: Callable[[], None] = _nothing
    is_over: Callable[[int], bool] = lambda _: False


def run_steps(model: nn.Module, config: LoopConfig, folder: Path, steps: Steps) -> int:
    """Train to `num_steps`, from the newest checkpoint in `folder` if there is one; returns the last step.

    A step whose loss or gradient is no number moves no weight and is counted. Three of them in a row end the
    run with DivergedError; one bad batch in a long run does not. No checkpoint falls between them, so a run
    that is resumed counts as one that was never stopped.
    Raises ValueError if the newest checkpoint lies beyond `num_steps`.
    """
    optimisers = make_optimisers(model, config.optimiser)
    checkpoints = Checkpoints(folder / "checkpoints")
    first_step = checkpoints.restore(model, optimisers)
    if first_step > config.num_steps:
        raise ValueError(f"{folder} is at step {first_step} already, past num_steps {config.num_steps}")
    saved_at = time.monotonic()
    num_skipped = num_in_a_row = 0
    done = first_step
    # A run that was over before it was stopped is over still.
    is_over = steps.is_over(done)
    while done < config.num_steps and not is_over:
        set_rates(optimisers, schedule(done, config.num_steps, config.optimiser))
        loss = steps.loss_of(done)
        loss.backward()
        grad_norm = clip(model, config.optimiser.max_grad_norm)
        is_skipped = not (math.isfinite(float(loss.detach())) and math.isfinite(grad_norm))
        for optimiser in optimisers:
            if not is_skipped:
                optimiser.step()
            optimiser.zero_grad()
        done += 1
        num_skipped += is_skipped
        num_in_a_row = num_in_a_row + 1 if is_skipped else 0
        rate = optimisers[0].param_groups[0]["lr"]
        steps.on_step(StepDone(done, float(loss.detach()), grad_norm, rate, num_skipped, is_skipped))
        _check_skips(num_in_a_row, done, folder)
        is_over = steps.is_over(done) or done == config.num_steps
        if is_over:
            steps.on_end()
        is_due = time.monotonic() - saved_at > config.checkpoint_every_s and not is_skipped
        if is_due or is_over:
            checkpoints.save(done, model, optimisers)
            saved_at = time.monotonic()
    return done


def _check_skips(num_in_a_row: int, step: int, folder: Path) -> None:
    if num_in_a_row:
        log.warning("step %d skipped: its loss or its gradient is no number", step)
    if num_in_a_row >= MAX_SKIPPED_IN_A_ROW:
        raise DivergedError(
            f"{folder}: {num_in_a_row} steps in a row, up to step {step}, had a loss or a gradient that is "
            "no number; nothing of them was learnt or saved. Lower loop.optimiser.learning_rate or look at "
            "the data; the same command goes on from the last checkpoint"
        )


def seeded(model: nn.Module, device: str) -> None:
    """What every run begins with: one seed for whatever is drawn, and the module where it is to train."""
    torch.manual_seed(0)
    model.to(device).train()
