"""PPO's parts against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from caesura.rl.advantages import Estimates
from caesura.rl.ppo import PpoConfig, Tokens, ValueHead, next_kl_weight, ppo_loss, token_rewards

CONFIG = PpoConfig(clip=0.2, value_clip=0.2, value_weight=0.5)


def tokens(ratio: float, value: float, old_value: float) -> Tokens:
    return Tokens(
        torch.tensor([math.log(ratio)]), torch.zeros(1), torch.tensor([value]), torch.tensor([old_value])
    )


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "clipped"),
    [(1.0, 2.0, -2.0, 0.0), (1.5, 2.0, -2.4, 1.0), (1.5, -2.0, 3.0, 0.0), (0.5, -2.0, 1.6, 1.0)],
)
def test_the_policy_is_clipped_where_that_lowers_the_gain(
    ratio: float, advantage: float, expected: float, clipped: float
) -> None:
    estimate = Estimates(torch.tensor([advantage]), torch.tensor([0.0]))
    terms = ppo_loss(tokens(ratio, 0.0, 0.0), estimate, CONFIG)
    assert float(terms.policy) == pytest.approx(expected)
    assert float(terms.clip_share) == clipped


def test_the_value_pays_for_the_worse_of_where_it_is_and_where_it_may_be() -> None:
    estimate = Estimates(torch.zeros(1), torch.tensor([1.0]))
    far = ppo_loss(tokens(1.0, 1.0, 0.0), estimate, CONFIG)
    assert float(far.value) == pytest.approx(0.5 * 0.8**2)
    near = ppo_loss(tokens(1.0, 0.1, 0.0), estimate, CONFIG)
    assert float(near.value) == pytest.approx(0.5 * 0.9**2)
    assert float(near.loss) == pytest.approx(0.5 * 0.5 * 0.9**2)


def test_distance_costs_at_each_token_and_the_reward_comes_last() -> None:
    new, reference = torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0])
    rewards = token_rewards(3.0, new, reference, kl_weight=0.1)
    torch.testing.assert_close(rewards, torch.tensor([-0.05, 3.1]))


def test_the_weight_follows_its_target_and_no_faster_than_a_fifth() -> None:
    config = PpoConfig(kl_target=6.0, kl_horizon=100)
    assert next_kl_weight(0.1, 6.0, 10, config) == pytest.approx(0.1)
    assert next_kl_weight(0.1, 6.6, 10, config) == pytest.approx(0.1 * (1 + 0.1 * 0.1))
    assert next_kl_weight(0.1, 600.0, 10, config) == pytest.approx(0.1 * (1 + 0.2 * 0.1))
    assert next_kl_weight(0.1, 0.0, 10, config) == pytest.approx(0.1 * (1 - 0.2 * 0.1))


def test_a_fresh_value_head_is_as_spread_out_as_it_says() -> None:
    head = ValueHead(4095, torch.Generator().manual_seed(1))
    assert float(head.linear.weight.detach().std()) == pytest.approx(1 / 64, rel=0.1)
    assert head(torch.zeros(2, 3, 4095)).tolist() == [[0.0] * 3] * 2
