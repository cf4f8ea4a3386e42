"""The soft Bradley-Terry loss against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from caesura.train.reward_loss import RewardLossConfig, margins, reward_loss, soft_comparison

PLAIN = RewardLossConfig(centring=0.0)


def test_equal_rewards_cost_ln_2_whatever_the_label() -> None:
    zero = torch.zeros(3)
    assert soft_comparison(zero, torch.tensor([0.5, 0.8, 1.0])).tolist() == pytest.approx([math.log(2)] * 3)


def test_the_loss_is_the_cross_entropy_of_the_label_by_hand() -> None:
    # sigmoid(ln 3) = 3/4: -0.9 ln 0.75 - 0.1 ln 0.25
    loss = soft_comparison(torch.tensor([math.log(3)]), torch.tensor([0.9]))
    assert float(loss) == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_the_gradient_is_the_claimed_probability_minus_the_label() -> None:
    lead = torch.tensor([math.log(3), math.log(3), 0.0], requires_grad=True)
    soft_comparison(lead, torch.tensor([1.0, 0.75, 0.5])).sum().backward()
    assert lead.grad is not None
    assert lead.grad.tolist() == pytest.approx([-0.25, 0.0, 0.0], abs=1e-7)


def test_a_margin_counts_as_the_label_is_certain() -> None:
    assert margins(torch.tensor([1.0, 0.75, 0.5]), 2.0).tolist() == [2.0, 1.0, 0.0]
    certain = torch.ones(1)
    loss = reward_loss(torch.tensor([2.0]), torch.zeros(1), certain, RewardLossConfig(margin=2.0, centring=0))
    assert float(loss) == pytest.approx(math.log(2))


def test_centring_costs_a_hundredth_of_the_squared_sum() -> None:
    chosen, rejected, p = torch.tensor([3.0, 1.0]), torch.tensor([2.0, -1.0]), torch.ones(2)
    plain = float(reward_loss(chosen, rejected, p, PLAIN))
    assert float(reward_loss(chosen, rejected, p, RewardLossConfig())) - plain == pytest.approx(
        0.01 * (25 + 0) / 2
    )


def test_no_lead_is_too_great_for_a_finite_loss() -> None:
    loss = soft_comparison(torch.tensor([500.0, -500.0]), torch.tensor([0.9, 1.0]))
    assert loss.tolist() == pytest.approx([50.0, 500.0])


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"centring -0\.1 must not be negative"):
        RewardLossConfig(centring=-0.1)
