"""How much better a reply was than was to be expected: for groups of siblings, and for single ones.

Pure functions of numbers. Shapes: G groups, K siblings, T tokens. Enters: rewards, values. Leaves:
advantages. Read next: `losses.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def branch_advantages(replies: Sequence[Sequence[int]], rewards: Sequence[float]) -> list[list[float]]:
    """For each token of each sibling: the mean reward of those who wrote the same up to it, it included, less
    that of those who wrote the same before it.

    Siblings of a model that is nearly sure share long beginnings, so only the tokens at which they part have
    an advantage at all, and what was right before a mistake is not blamed for it. Over the siblings that
    share a beginning a token's advantages sum to 0, and along a reply they sum to its reward less the mean.
    """
    result: list[list[float]] = [[] for _ in replies]
    families = [list(range(len(replies)))]
    before = {0: sum(rewards) / len(rewards)}
    position = 0
    while families:
        following: list[list[int]] = []
        means: dict[int, float] = {}
        for number, family in enumerate(families):
            parts: dict[int, list[int]] = {}
            for index in family:
                if position < len(replies[index]):
                    parts.setdefault(replies[index][position], []).append(index)
            for part in parts.values():
                # The same siblings have the same mean: to the last bit, so that no token gets a mere rest.
                mean = before[number] if len(part) == len(family) else _mean([rewards[i] for i in part])
                for index in part:
                    result[index].append(mean - before[number])
                means[len(following)] = mean
                following.append(part)
        families, before, position = following, means, position + 1
    return result


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


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
