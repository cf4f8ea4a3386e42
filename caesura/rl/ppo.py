"""Proximal policy optimisation with a learnt value, for rewards that no group of siblings can centre.

A value head guesses, at each token, what the reply will be worth; the reward comes with the last token, and
what the policy's distance from a frozen reference costs comes with each. The weight of that cost follows a
target distance. Shapes: N learnt tokens, T tokens of one reply, D hidden size. Enters: log-probabilities,
values, rewards. Leaves: a scalar, and what is watched. Read next: `advantages.py` for the estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from caesura.rl.advantages import Estimates, generalised_advantages, whitened


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoConfig:
    """The usual numbers (TRL's for Pythia).

    gamma, decay: of generalised advantages. clip, value_clip: how far ratio and value may move.
    value_weight: of the value's loss. num_epochs: passes over a batch.
    kl_weight: what a nat of distance costs at first. kl_target: nats a reply; kl_horizon: replies in which
        the weight follows an error that stays.
    """

    gamma: float = 1.0
    decay: float = 0.95
    clip: float = 0.2
    value_clip: float = 0.2
    value_weight: float = 0.1
    num_epochs: int = 4
    kl_weight: float = 0.05
    kl_target: float = 6.0
    kl_horizon: int = 10_000


class ValueHead(nn.Module):
    """One number for each hidden state: normal weights of standard deviation 1 / sqrt(D + 1), no bias."""

    def __init__(self, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, 1)
        with torch.no_grad():
            self.linear.weight.normal_(0.0, 1 / math.sqrt(hidden_size + 1), generator=generator)
            self.linear.bias.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (...)."""
        return self.linear(hidden).squeeze(-1)


def token_rewards(reward: float, new_T: Tensor, reference_T: Tensor, kl_weight: float) -> Tensor:
    """(T,): -weight * log(new / reference) at each token (k1, unbiased), and the reward at the last."""
    rewards_T = -kl_weight * (new_T - reference_T)
    rewards_T[-1] += reward
    return rewards_T


def estimates(rewards: list[Tensor], values: list[Tensor], config: PpoConfig) -> Estimates:
    """Of several replies, flat: advantages whitened over all of them, returns as they are."""
    found = [
        generalised_advantages(*each, gamma=config.gamma, decay=config.decay)
        for each in zip(rewards, values, strict=True)
    ]
    advantages_N = torch.cat([each.advantages_T for each in found])
    return Estimates(whitened(advantages_N), torch.cat([each.returns_T for each in found]))


class Tokens(NamedTuple):
    """What a pass over a batch reads.

    new_N, old_N: log-probabilities now, and when drawn. values_N, old_values_N: likewise.
    """

    new_N: Tensor
    old_N: Tensor
    values_N: Tensor
    old_values_N: Tensor


class PpoTerms(NamedTuple):
    """loss: to go backward from. policy, value: its parts. clip_share: of the tokens."""

    loss: Tensor
    policy: Tensor
    value: Tensor
    clip_share: Tensor


def ppo_loss(tokens: Tokens, estimate: Estimates, config: PpoConfig) -> PpoTerms:
    """Schulman et al. 2017: mean of max(-rho * A, -clip(rho) * A), plus value_weight times half the mean of
    max((V - R)^2, (clip(V around V_old) - R)^2).
    """
    ratio_N = (tokens.new_N - tokens.old_N).exp()
    advantages_N, returns_N = estimate
    plain_N = -ratio_N * advantages_N
    clipped_N = -ratio_N.clamp(1 - config.clip, 1 + config.clip) * advantages_N
    policy = torch.maximum(plain_N, clipped_N).mean()
    moved_N = (tokens.values_N - tokens.old_values_N).clamp(-config.value_clip, config.value_clip)
    errors_N = torch.maximum(
        (tokens.values_N - returns_N) ** 2, (tokens.old_values_N + moved_N - returns_N) ** 2
    )
    value = 0.5 * errors_N.mean()
    loss = policy + config.value_weight * value
    return PpoTerms(loss, policy.detach(), value.detach(), (clipped_N > plain_N).float().mean())


def next_kl_weight(weight: float, kl: float, num_replies: int, config: PpoConfig) -> float:
    """Ziegler et al. 2019: weight * (1 + e * n / horizon), e = kl / target - 1, held within -0.2..0.2."""
    error = max(-0.2, min(0.2, kl / config.kl_target - 1))
    return weight * (1 + error * num_replies / config.kl_horizon)
