"""What a reward model minimises: the soft Bradley-Terry loss, with margins and centring.

Enters: rewards of both sides of each pair, and how sure the label is. Leaves: a scalar. Shapes: B pairs.
Read next: `reward_model.py`, `reward_stage.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardLossConfig:
    """What is added to the plain comparison.

    margin: by how much the better side has to lead when the label is certain; less when it is not.
    centring: the weight of the squared sum of both rewards, which keeps them around zero.
    """

    margin: float = 0.0
    centring: float = 0.01

    def __post_init__(self) -> None:
        if min(self.margin, self.centring) < 0:
            raise ValueError(f"margin {self.margin} and centring {self.centring} must not be negative")


def soft_comparison(lead_B: Tensor, p_B: Tensor) -> Tensor:
    """-p ln sigmoid(lead) - (1 - p) ln sigmoid(-lead), each pair's, in nats.

    The cross-entropy of the label against what Bradley and Terry (1952) make of the lead; its gradient by the
    lead is sigmoid(lead) - p. Both reward models and DPO minimise it.
    """
    return -(p_B * F.logsigmoid(lead_B) + (1 - p_B) * F.logsigmoid(-lead_B))


def margins(p_B: Tensor, margin: float) -> Tensor:
    """margin * (2p - 1): whole where the label is certain, nothing where it is a coin."""
    return margin * (2 * p_B - 1)


def reward_loss(chosen_B: Tensor, rejected_B: Tensor, p_B: Tensor, config: RewardLossConfig) -> Tensor:
    """mean over pairs of the comparison at r_c - r_r - margin, and of centring * (r_c + r_r)^2."""
    lead_B = chosen_B - rejected_B - margins(p_B, config.margin)
    centring_B = config.centring * (chosen_B + rejected_B).square()
    return (soft_comparison(lead_B, p_B) + centring_B).mean()
