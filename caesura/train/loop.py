"""Training on text: pretraining, fine-tuning and their kin differ only in data and loss mask.

Enters: a model, batches by number, a config. Leaves: a trained model, checkpoints, one row of metrics
every few steps. Shapes: B rows, T tokens, V vocabulary. Read next: `steps.py` for the loop itself,
`stage.py`, which wires a whole run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from caesura.model import ModelConfig, PackedAttention, Transformer, document_mask
from caesura.train.losses import cross_entropy_sum
from caesura.train.packing import Batch, Packer
from caesura.train.steps import LoopConfig, StepDone, Steps, run_steps, seeded


class Metrics(NamedTuple):
    """One row: what happened since the row before.

    step: steps done. loss: nats a target. grad_norm: before clipping. learning_rate: at the plateau's
    scale. tokens_per_s: all tokens of the rows. utilisation: useful FLOPs over the measured peak.
    targets: targets learnt so far in this process. elapsed_s: since this process began.
    num_skipped: steps skipped so far in this process, because a loss or a gradient was no number.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    tokens_per_s: float
    utilisation: float
    targets: int
    elapsed_s: float
    num_skipped: int = 0


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
    seeded(model, device)
    steps = _TextSteps(model, packer, config, on_metrics, device)
    run_steps(model, config, folder, Steps(loss_of=steps.loss_of, on_step=steps.on_step))
    model.eval()


class _TextSteps:
    """The loss of a batch of text, and the rows of metrics that follow from it."""

    def __init__(
        self,
        model: Transformer,
        packer: Packer,
        config: LoopConfig,
        on_metrics: Callable[[Metrics], None],
        device: str,
    ) -> None:
        self._packer = packer
        self._config = config
        self._on_metrics = on_metrics
        self._device = device
        self._loss_sum = loss_function(model, config, device)
        self._meter = Meter(model.config, matmul_peak_flops(device))
        self._batch = packer.batch(0)
        self._num_targets = 0

    def loss_of(self, step: int) -> Tensor:
        """Nats a learnt target, each counted as often as it weighs."""
        self._batch = Batch(*(tensor.to(self._device) for tensor in self._packer.batch(step)))
        self._num_targets = int(self._batch.mask_BT.count_nonzero())
        loss_sum = self._loss_sum(*self._batch, document_mask(self._batch.positions_BT))
        return loss_sum / self._batch.mask_BT.sum().clamp(min=1)

    def on_step(self, done: StepDone) -> None:
        if not done.is_skipped:
            self._meter.add(self._batch, done.loss, self._num_targets, done.grad_norm)
        if self._config.is_logged(done.step) and self._meter.has_steps:
            self._on_metrics(self._meter.read(done))


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

    @property
    def has_steps(self) -> bool:
        """Whether there is anything to read."""
        return self._steps > 0

    def add(self, batch: Batch, loss: float, num_targets: int, grad_norm: float) -> None:
        self._tokens += batch.tokens_BT.numel()
        self._steps += 1
        self._loss += loss
        self._norm += grad_norm
        self._targets += num_targets
        self._flops += training_flops(self._config, batch.positions_BT)

    def read(self, done: StepDone) -> Metrics:
        now = time.monotonic()
        elapsed, self._since = now - self._since, now
        row = Metrics(
            step=done.step,
            loss=self._loss / self._steps,
            grad_norm=self._norm / self._steps,
            learning_rate=done.learning_rate,
            tokens_per_s=self._tokens / elapsed,
            utilisation=self._flops / elapsed / self._peak_flops,
            targets=self._targets,
            elapsed_s=now - self._started,
            num_skipped=done.num_skipped,
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
