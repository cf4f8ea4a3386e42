"""The group loss against closed forms, one switch after the other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from caesura.rl.losses import (
    DAPO,
    DR_GRPO,
    GRPO,
    GSPO,
    Counts,
    GroupLossConfig,
    Learnt,
    group_loss,
    kl_estimate,
    token_weights,
)

# Two replies, of three tokens and of one.
REPLIES = torch.tensor([0, 0, 0, 1])
COUNTS = Counts(replies=2, tokens=4)
OLD = torch.tensor([-1.0, -2.0, -0.5, -1.5])
ADVANTAGES = torch.tensor([1.0, 1.0, 1.0, -1.0])


def loss_of(ratio: list[float], config: GroupLossConfig, reference: torch.Tensor | None = None) -> float:
    new = OLD + torch.tensor(ratio).log()
    return float(group_loss(Learnt(new, OLD, ADVANTAGES, REPLIES, reference), config, COUNTS).loss)


def test_each_divisor_weighs_tokens_its_own_way() -> None:
    ones = [1.0] * 4
    assert loss_of(ones, replace(DR_GRPO, constant_tokens=10)) == pytest.approx(-(3 - 1) / 20)
    assert loss_of(ones, replace(GRPO, kl="none")) == pytest.approx(-(1 - 1) / 2)
    assert loss_of(ones, DAPO) == pytest.approx(-(3 - 1) / 4)


def test_the_ratio_is_clipped_where_that_lowers_the_gain() -> None:
    config = replace(DAPO, clip_low=0.2, clip_high=0.28)
    # Above the upper clip with a gain; below the lower one with a gain; within; a loss above the upper one.
    expected = -(1.28 + 0.5 + 1.1 - 2.0) / 4
    assert loss_of([2.0, 0.5, 1.1, 2.0], config) == pytest.approx(expected)
    assert loss_of([1.0, 1.0, 1.0, 0.5], config) == pytest.approx(-(3 - 0.8) / 4)


def test_a_clipped_token_has_no_gradient_and_is_counted() -> None:
    new = (OLD + torch.tensor([2.0, 1.0, 1.0, 0.5]).log()).requires_grad_()
    terms = group_loss(Learnt(new, OLD, ADVANTAGES, REPLIES), DAPO, COUNTS)
    (gradient,) = torch.autograd.grad(terms.loss, new)
    assert int(terms.clipped) == 2
    assert gradient[0] == gradient[3] == 0
    assert gradient[1] == pytest.approx(-1 / 4)


def test_gspo_takes_the_geometric_mean_of_the_replys_ratios() -> None:
    config = replace(GSPO, clip_low=0.5, clip_high=0.5)
    mean = (1.2 * 0.9 * 1.1) ** (1 / 3)
    assert loss_of([1.2, 0.9, 1.1, 1.3], config) == pytest.approx(-(mean - 1.3) / 2)
    assert loss_of([1.2, 0.9, 1.1, 1.3], GSPO) == pytest.approx(-(1.0004 - 1.3) / 2, abs=1e-5)


def test_on_policy_every_ratio_is_one_and_the_gradient_is_the_advantage() -> None:
    new = OLD.clone().requires_grad_()
    terms = group_loss(Learnt(new, OLD, ADVANTAGES, REPLIES), replace(DR_GRPO, constant_tokens=1), COUNTS)
    (gradient,) = torch.autograd.grad(terms.loss, new)
    torch.testing.assert_close(gradient, -ADVANTAGES / 2)


def test_kl_estimates_are_those_of_their_formulas() -> None:
    new, reference = torch.tensor([-1.0]), torch.tensor([-1.5])
    assert float(kl_estimate(new, reference, "k1")) == pytest.approx(0.5)
    assert float(kl_estimate(new, reference, "k3")) == pytest.approx(math.exp(-0.5) - 1 + 0.5)
    assert float(kl_estimate(new, new, "k3")) == 0.0


def test_distance_from_the_reference_costs_its_weight() -> None:
    config = replace(DAPO, kl="k1", kl_weight=0.1)
    with_kl = loss_of([1.0] * 4, config, reference=OLD - 2.0)
    assert with_kl == pytest.approx(loss_of([1.0] * 4, DAPO) + 0.1 * 2.0)


@pytest.mark.parametrize("config", [DR_GRPO, GRPO, DAPO, GSPO])
def test_micro_batches_add_up_to_the_batch(config: GroupLossConfig) -> None:
    new = OLD + torch.tensor([0.1, -0.05, 0.02, 0.2])
    reference = OLD - 0.3
    whole = group_loss(Learnt(new, OLD, ADVANTAGES, REPLIES, reference), config, COUNTS).loss
    parts = [slice(0, 3), slice(3, 4)]
    sums = [
        group_loss(
            Learnt(new[part], OLD[part], ADVANTAGES[part], REPLIES[part], reference[part]), config, COUNTS
        ).loss
        for part in parts
    ]
    torch.testing.assert_close(sum(sums), whole)


def test_long_replies_are_let_off_by_their_own_length_only_with_the_reply_divisor() -> None:
    per_reply = token_weights(REPLIES, GRPO, COUNTS)
    constant = token_weights(REPLIES, DR_GRPO, COUNTS)
    assert per_reply[0] < per_reply[3]
    assert constant[0] == constant[3]
