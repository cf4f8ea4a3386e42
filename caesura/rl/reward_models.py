"""Several rewards of the same rollouts as one: each normalised within its group, then weighted, then summed.

Summed as they come, the reward with the largest spread would decide alone, whatever the weights say. So each
is first brought to mean 0 and deviation 1 within its group (the rollouts of one prompt), as GDPO does (2026).
Enters: rewards by dimension, with the ids of the rollouts that they are of. Leaves: one number a rollout, and
what each dimension contributed. Shapes: N rollouts.
Read next: `caesura/train/reward_model.py`, where they come from.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caesura.messages.preferences import Dimension

WEIGHTS: Mapping[Dimension, float] = {"helpful": 0.4, "harmless": 0.3, "honest": 0.2, "coherent": 0.1}
_LEAST_STD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """What one reward model says of some rollouts.

    ids: whose rewards these are, in order. values_N: the rewards.
    """

    ids: tuple[str, ...]
    values_N: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The sum, and what it is made of.

    values_N: one number a rollout. shares: of each dimension, weight times normalised reward; they add up to
        it.
    """

    values_N: Tensor
    shares: Mapping[Dimension, Tensor]


def combined(
    rewards: Mapping[Dimension, Rewards],
    *,
    ids: Sequence[str],
    groups: Sequence[Hashable],
    weights: Mapping[Dimension, float] = WEIGHTS,
) -> Combined:
    """sum over dimensions of weight * (reward - the group's mean) / (the group's deviation).

    ids: the rollouts', in order. groups: which group each is in. A group in which a dimension does not vary
    gets nothing from it. The deviation is the population's, so a group of one is a group without spread.
    Raises ValueError where a reward's ids are not the rollouts', in the same order; where ids repeat; where
    dimensions and weights differ; where a reward is no number.
    """
    _check(rewards, ids, groups, weights)
    shares: dict[Dimension, Tensor] = {
        dimension: weight * normalised(rewards[dimension].values_N.float(), groups)
        for dimension, weight in weights.items()
    }
    return Combined(values_N=torch.stack(list(shares.values())).sum(dim=0), shares=shares)


def normalised(values_N: Tensor, groups: Sequence[Hashable]) -> Tensor:
    """Each value's distance from its group's mean, in deviations of the group; 0 where there is no spread."""
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    result_N = torch.zeros_like(values_N)
    for indices in members.values():
        at = torch.tensor(indices, device=values_N.device)
        from_mean = values_N[at] - values_N[at].mean()
        std = from_mean.square().mean().sqrt()
        if std > _LEAST_STD:
            result_N[at] = from_mean / std
    return result_N


def _check(
    rewards: Mapping[Dimension, Rewards],
    ids: Sequence[str],
    groups: Sequence[Hashable],
    weights: Mapping[Dimension, float],
) -> None:
    if len(set(ids)) != len(ids):
        raise ValueError("two rollouts have the same id, so no reward can be told to be theirs")
    if len(groups) != len(ids):
        raise ValueError(f"{len(groups)} groups were given for {len(ids)} rollouts")
    if set(rewards) != set(weights) or not weights:
        raise ValueError(f"there are rewards for {sorted(rewards)}, and weights for {sorted(weights)}")
    for dimension, given in rewards.items():
        if given.values_N.shape != (len(given.ids),):
            raise ValueError(
                f"{dimension}: rewards of shape {tuple(given.values_N.shape)}, {len(given.ids)} ids"
            )
        if given.ids != tuple(ids):
            raise ValueError(f"{dimension}: {_mismatch(given.ids, ids)}; rewards must be of these rollouts")
        if not bool(torch.isfinite(given.values_N).all()):
            raise ValueError(f"{dimension}: a reward is no number")


def _mismatch(given: Sequence[str], wanted: Sequence[str]) -> str:
    if len(given) != len(wanted):
        return f"{len(given)} reward ids for {len(wanted)} rollouts"
    at = next(index for index, pair in enumerate(zip(given, wanted, strict=True)) if pair[0] != pair[1])
    return f"reward id {given[at]!r} stands where rollout {wanted[at]!r} is"
