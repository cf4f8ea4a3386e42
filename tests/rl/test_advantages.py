"""Advantages against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from caesura.rl.advantages import (
    generalised_advantages,
    group_advantages,
    has_spread,
    overlong_penalty,
    whitened,
)


def test_a_reply_is_compared_with_the_mean_of_its_siblings() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    centred = group_advantages(rewards, divides_by_std=False)
    assert centred.tolist() == [[0.75, -0.25, -0.25, -0.25], [0.0] * 4]


def test_grpo_divides_by_the_spread_of_the_group_and_even_groups_stay_zero() -> None:
    scaled = group_advantages(torch.tensor([[1.0, 0.0], [3.0, 3.0]]), divides_by_std=True)
    torch.testing.assert_close(scaled, torch.tensor([[1.0, -1.0], [0.0, 0.0]]), atol=1e-5, rtol=0)


def test_a_group_whose_rewards_do_not_differ_has_no_spread() -> None:
    assert has_spread(torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.9]])).tolist() == [False, False, True]


@pytest.mark.parametrize(("tokens", "penalty"), [(0, 0.0), (80, 0.0), (90, -0.5), (100, -1.0), (130, -1.0)])
def test_the_overlong_penalty_grows_evenly_over_the_last_share(tokens: int, penalty: float) -> None:
    assert overlong_penalty(tokens, 100, share=0.2) == pytest.approx(penalty)


def test_generalised_advantages_are_those_of_the_formula() -> None:
    rewards, values = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.5, 0.25, 0.5])
    gamma, decay = 0.9, 0.8
    deltas = [0.9 * 0.25 - 0.5, 0.9 * 0.5 - 0.25, 1.0 - 0.5]
    last = deltas[2]
    middle = deltas[1] + gamma * decay * last
    first = deltas[0] + gamma * decay * middle
    found = generalised_advantages(rewards, values, gamma=gamma, decay=decay)
    torch.testing.assert_close(found.advantages_T, torch.tensor([first, middle, last]))
    torch.testing.assert_close(found.returns_T, found.advantages_T + values)


def test_with_a_decay_of_one_returns_are_the_rewards_to_come() -> None:
    found = generalised_advantages(torch.tensor([1.0, 2.0, 3.0]), torch.randn(3), gamma=1.0, decay=1.0)
    torch.testing.assert_close(found.returns_T, torch.tensor([6.0, 5.0, 3.0]))


def test_whitened_numbers_have_mean_zero_and_deviation_one() -> None:
    found = whitened(torch.tensor([1.0, 2.0, 3.0, 10.0]))
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(found.std(unbiased=False)) == pytest.approx(1.0, abs=1e-5)
