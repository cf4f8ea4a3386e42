"""Optimisers and the learning-rate schedule.

Matrices inside the network go to Muon (momentum whose step is orthogonalised, Jordan et al. 2024), with its
step scaled to AdamW's size so that one learning rate serves both (Liu et al. 2025); embeddings, norms and
biases go to AdamW. Enters: a model and a config. Leaves: optimisers. Read next: `loop.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """How weights move.

    name: "muon" (matrices by Muon, the rest by AdamW) or "adamw" (everything).
    learning_rate: at the plateau, for both.
    embedding_learning_rate: for embeddings, norms and biases under Muon.
    weight_decay, betas, max_grad_norm: as usual; decay spares norms, biases and embeddings.
    warmup_steps, decay_fraction: a linear rise, a plateau, and a linear fall to zero over the last
        fraction of the steps (warm-up, stable, decay).
    """

    name: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 2e-3
    embedding_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    max_grad_norm: float = 1.0
    warmup_steps: int = 50
    decay_fraction: float = 0.3

    def __post_init__(self) -> None:
        if min(self.learning_rate, self.embedding_learning_rate, self.max_grad_norm) <= 0:
            raise ValueError("learning rates and max_grad_norm must be above 0")


def make_optimisers(model: nn.Module, config: OptimiserConfig) -> list[Optimizer]:
    """One or two optimisers that together own every parameter; each group notes its plateau rate."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers." in name]
    owned = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in owned]
    small = {"params": rest, "lr": config.embedding_learning_rate, "weight_decay": 0.0}
    large = {"params": matrices, "lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.name == "adamw":
        small["lr"] = config.learning_rate
        optimisers: list[Optimizer] = [AdamW([large, small], betas=config.betas, eps=1e-8)]
    else:
        muon = Muon([large], momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")
        optimisers = [muon, AdamW([small], betas=config.betas, eps=1e-8)]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["plateau"] = float(group["lr"])
    return optimisers


def schedule(step: int, num_steps: int, config: OptimiserConfig) -> float:
    """The factor on the plateau rate at a step: warm-up, stable, linear decay to zero."""
    decay_steps = max(1, round(num_steps * config.decay_fraction))
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return min(warm, max(0.0, (num_steps - step) / decay_steps), 1.0)


def set_rates(optimisers: list[Optimizer], factor: float) -> None:
    """Apply the schedule's factor."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["plateau"] * factor


def clip(model: nn.Module, max_norm: float) -> float:
    """Scale gradients down to `max_norm`; returns the norm before."""
    return float(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm))
