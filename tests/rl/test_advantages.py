"""Advantages against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from caesura.rl.advantages import (
    branch_advantages,
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


def test_only_tokens_at_which_siblings_part_have_an_advantage() -> None:
    replies = [(1, 2, 3, 9), (1, 2, 3, 9), (1, 2, 4, 9), (1, 5)]
    found = branch_advantages(replies, [1.0, 1.0, 0.0, 0.0])
    mean, inner = 0.5, 2 / 3
    assert found[0] == pytest.approx([0.0, inner - mean, 1 - inner, 0.0])
    assert found[1] == found[0]
    assert found[2] == pytest.approx([0.0, inner - mean, -inner, 0.0])
    assert found[3] == pytest.approx([0.0, -mean])


def test_a_replys_advantages_add_up_to_its_reward_less_the_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    replies = [torch.randint(2, (int(n),), generator=generator).tolist() for n in (3, 5, 8, 8, 6, 2)]
    rewards = [0.0, 1.0, 0.5, 1.0, 0.0, 0.25]
    mean = sum(rewards) / len(rewards)
    for values, reward, reply in zip(branch_advantages(replies, rewards), rewards, replies, strict=True):
        if sum(other[: len(reply)] == reply for other in replies) == 1:
            assert sum(values) == pytest.approx(reward - mean)


def test_siblings_that_wrote_the_same_have_no_advantage_whatever_they_were_paid() -> None:
    assert branch_advantages([(1, 2), (1, 2)], [1.0, 0.0]) == [[0.0, 0.0], [0.0, 0.0]]
