"""The one training loop: pretraining, fine-tuning and their kin differ only in data and loss mask.

Enters: a model, batches by number, a config. Leaves: a trained model, checkpoints, one row of metrics
every few steps. Shapes: B rows, T tokens, V vocabulary. Read next: `stage.py`, which wires a whole run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from caesura.model import ModelConfig, PackedAttention, Transformer, document_mask
from caesura.train.checkpoint import Checkpoints
from caesura.train.losses import cross_entropy_sum
from caesura.train.optimisers import OptimiserConfig, clip, make_optimisers, schedule, set_rates
from caesura.train.packing import Batch, Packer


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


class Metrics(NamedTuple):
    """One row: what happened since the row before.

    step: steps done. loss: nats a target. grad_norm: before clipping. learning_rate: at the plateau's
    scale. tokens_per_s: all tokens of the rows. utilisation: useful FLOPs over the measured peak.
    targets: targets learnt so far in this process. elapsed_s: since this process began.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    tokens_per_s: float
    utilisation: float
    targets: int
    elapsed_s: float


def train(
    model: Transformer,
    packer: Packer,
    config: LoopConfig,
    folder: Path,
    on_metrics: Callable[[Metrics], None],
    *,
    device: str = "cpu",
) -> None:
    """Train to `num_steps`, from the newest checkpoint in `folder` if there is one.

    Raises ValueError if that checkpoint lies beyond `num_steps`.
    """
    torch.manual_seed(0)
    model.to(device).train()
    optimisers = make_optimisers(model, config.optimiser)
    checkpoints = Checkpoints(folder / "checkpoints")
    first_step = checkpoints.restore(model, optimisers)
    if first_step > config.num_steps:
        raise ValueError(f"{folder} is at step {first_step} already, past num_steps {config.num_steps}")
    loss_sum = loss_function(model, config, device)
    meter = Meter(model.config, matmul_peak_flops(device))
    saved_at = time.monotonic()
    for step in range(first_step, config.num_steps):
        batch = Batch(*(tensor.to(device) for tensor in packer.batch(step)))
        num_targets = batch.mask_BT.sum()
        set_rates(optimisers, schedule(step, config.num_steps, config.optimiser))
        loss = loss_sum(*batch, document_mask(batch.positions_BT)) / num_targets.clamp(min=1)
        loss.backward()
        grad_norm = clip(model, config.optimiser.max_grad_norm)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        meter.add(batch, float(loss.detach()), int(num_targets), grad_norm)
        if (step + 1) % config.log_every == 0 or step + 1 == config.num_steps:
            on_metrics(meter.read(step + 1, optimisers[0].param_groups[0]["lr"]))
        if time.monotonic() - saved_at > config.checkpoint_every_s or step + 1 == config.num_steps:
            checkpoints.save(step + 1, model, optimisers)
            saved_at = time.monotonic()
    model.eval()


def loss_function(model: Transformer, config: LoopConfig, device: str) -> Callable[..., Tensor]:
    """(tokens, targets, mask, positions, attention mask) -> summed loss, compiled if so configured."""

    def loss_sum(
        tokens_BT: Tensor, targets_BT: Tensor, mask_BT: Tensor, positions_BT: Tensor, mask_B1TT: Tensor
    ) -> Tensor:
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=config.is_bfloat16):
            attend = PackedAttention(mask_B1TT=mask_B1TT, windows=model.config.windows)
            hidden_BTD = model(tokens_BT, positions_BT, attend)
            logits_BTV = model.logits(hidden_BTD)
        return cross_entropy_sum(logits_BTV, targets_BT, mask_BT)

    # Each row length is its own shape; dynamic shapes would be slower than a few compilations.
    return torch.compile(loss_sum, dynamic=False) if config.is_compiled else loss_sum


class Meter:
    """Adds up steps until a row of metrics is read."""

    def __init__(self, config: ModelConfig, peak_flops: float) -> None:
        self._config = config
        self._peak_flops = peak_flops
        self._started = self._since = time.monotonic()
        self._targets = 0
        self._clear()

    def _clear(self) -> None:
        self._tokens, self._steps, self._loss, self._norm, self._flops = 0, 0, 0.0, 0.0, 0.0

    def add(self, batch: Batch, loss: float, num_targets: int, grad_norm: float) -> None:
        self._tokens += batch.tokens_BT.numel()
        self._steps += 1
        self._loss += loss
        self._norm += grad_norm
        self._targets += num_targets
        self._flops += training_flops(self._config, batch.positions_BT)

    def read(self, step: int, learning_rate: float) -> Metrics:
        now = time.monotonic()
        elapsed, self._since = now - self._since, now
        row = Metrics(
            step=step,
            loss=self._loss / self._steps,
            grad_norm=self._norm / self._steps,
            learning_rate=learning_rate,
            tokens_per_s=self._tokens / elapsed,
            utilisation=self._flops / elapsed / self._peak_flops,
            targets=self._targets,
            elapsed_s=now - self._started,
        )
        self._clear()
        return row


def training_flops(config: ModelConfig, positions_BT: Tensor) -> float:
    """6 a weight and token (forward 2, backward 4), and 12 * H * E a layer for each key that a query may
    read. Only useful work counts: padding does not, documents see only themselves, and looking up an
    embedding is no arithmetic.
    """
    # A document has a position 1; padding is all zeros.
    num_documents = float((positions_BT == 1).sum())
    num_tokens = float((positions_BT > 0).sum()) + num_documents
    num_pairs = float(positions_BT.sum()) + num_tokens
    weights = config.num_parameters - (0 if config.tie_embeddings else config.vocab_size * config.hidden_size)
    attention = 12.0 * config.num_layers * config.num_heads * config.head_dim * num_pairs
    return 6.0 * weights * num_tokens + attention


def matmul_peak_flops(device: str, *, size: int = 2048, repeats: int = 8) -> float:
    """FLOP/s of a large bfloat16 matrix product on this machine, here and now: the best of a few."""
    left = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        product = left @ left
        if product.is_cuda:
            torch.cuda.synchronize()
        best = max(best, 2.0 * size**3 / (time.perf_counter() - start))
    return best
