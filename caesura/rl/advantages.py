"""How much better a reply was than was to be expected: for groups of siblings, and for single ones.

Pure functions of numbers. Shapes: G groups, K siblings, T tokens. Enters: rewards, values. Leaves:
advantages. Read next: `losses.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_EPSILON = 1e-6


def group_advantages(rewards_GK: Tensor, *, divides_by_std: bool) -> Tensor:
    """(G, K): r - mean(r) of its group; divided by std(r) + 1e-6 for GRPO (Shao et al. 2024), as it is for
    Dr.GRPO (Liu et al. 2025), which does not let easy and hard groups count for more than others.
    """
    centred_GK = rewards_GK - rewards_GK.mean(dim=1, keepdim=True)
    if not divides_by_std:
        return centred_GK
    return centred_GK / (rewards_GK.std(dim=1, keepdim=True, unbiased=False) + _EPSILON)


def has_spread(rewards_GK: Tensor) -> Tensor:
    """(G,): whether a group's rewards differ at all; one whose do not teaches nothing (DAPO drops it)."""
    return (rewards_GK.amax(dim=1) - rewards_GK.amin(dim=1)) > _EPSILON


def overlong_penalty(num_tokens: int, max_tokens: int, *, share: float = 0.2) -> float:
    """DAPO's soft punishment (Yu et al. 2025, eq. 13): 0 up to (1 - share) * max_tokens, then falling evenly
    to -1 at max_tokens.
    """
    cushion = share * max_tokens
    return -min(1.0, max(0.0, (num_tokens - (max_tokens - cushion)) / cushion)) if cushion else 0.0


class Estimates(NamedTuple):
    """Of each token: its advantage, and what the value should have been."""

    advantages_T: Tensor
    returns_T: Tensor


def generalised_advantages(rewards_T: Tensor, values_T: Tensor, *, gamma: float, decay: float) -> Estimates:
    """GAE (Schulman et al. 2015) over one finished reply: A_t = sum_k (gamma * decay)^k * delta_(t+k), with
    delta_t = r_t + gamma * V_(t+1) - V_t and V = 0 behind the end. Returns are A + V.
    """
    advantages_T = torch.zeros_like(values_T)
    running, following = torch.zeros(()), torch.zeros(())
    for index in reversed(range(len(values_T))):
        delta = rewards_T[index] + gamma * following - values_T[index]
        running = delta + gamma * decay * running
        advantages_T[index], following = running, values_T[index]
    return Estimates(advantages_T, advantages_T + values_T)


def whitened(values_N: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1."""
    return (values_N - values_N.mean()) / (values_N.std(unbiased=False) + _EPSILON)
