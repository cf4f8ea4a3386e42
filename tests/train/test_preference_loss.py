"""DPO against numbers worked out by hand: loss, gradient, and what the log-probabilities are of."""

from __future__ import annotations

import math

import pytest
import torch

from caesura.train.encoding import Encoded
from caesura.train.pairs import PairSet
from caesura.train.preference_loss import (
    PreferenceLossConfig,
    hidden_function,
    implicit_lead,
    preference_loss,
    reply_log_probs,
)
from caesura.train.scoring import document_nats
from tests.train.tiny_pairs import formats, preference, tiny_model

HALF = PreferenceLossConfig(beta=0.5)
ONE_ID = torch.ones(2)


def test_equal_policies_cost_ln_2() -> None:
    same = torch.tensor([-3.0, -8.0, -5.0, -2.0])
    loss = preference_loss(same, same, torch.ones(4), torch.tensor([1.0, 0.7]), HALF)
    assert float(loss) == pytest.approx(math.log(2))


def test_the_loss_by_hand() -> None:
    # moved: chosen +2, rejected -2; the lead is 0.5 * 4 = 2
    policy, reference = torch.tensor([-1.0, -6.0]), torch.tensor([-3.0, -4.0])
    assert implicit_lead(policy, reference, ONE_ID, HALF).tolist() == [2.0]
    sure = preference_loss(policy, reference, ONE_ID, torch.tensor([1.0]), HALF)
    assert float(sure) == pytest.approx(math.log(1 + math.exp(-2)))
    soft = preference_loss(policy, reference, ONE_ID, torch.tensor([0.8]), HALF)
    assert float(soft) == pytest.approx(0.8 * math.log(1 + math.exp(-2)) + 0.2 * math.log(1 + math.exp(2)))


def test_the_gradient_by_hand() -> None:
    # d/d chosen = beta * (sigmoid(2) - p) / B, d/d rejected = the opposite
    policy = torch.tensor([-1.0, -6.0], requires_grad=True)
    preference_loss(policy, torch.tensor([-3.0, -4.0]), ONE_ID, torch.tensor([0.8]), HALF).backward()
    expected = 0.5 * (1 / (1 + math.exp(-2)) - 0.8)
    assert policy.grad is not None
    assert policy.grad.tolist() == pytest.approx([expected, -expected])


def test_a_coin_pulls_nowhere_at_equality() -> None:
    policy = torch.tensor([-1.0, -6.0], requires_grad=True)
    preference_loss(policy, policy.detach(), ONE_ID, torch.tensor([0.5]), HALF).backward()
    assert policy.grad is not None
    assert policy.grad.tolist() == [0.0, 0.0]


def test_a_soft_label_is_content_at_a_finite_lead() -> None:
    # sigmoid(beta * x) = 0.9 at x = ln 9 / beta
    policy = torch.tensor([math.log(9) / 0.5, 0.0], requires_grad=True)
    preference_loss(policy, torch.zeros(2), ONE_ID, torch.tensor([0.9]), HALF).backward()
    assert policy.grad is not None
    assert policy.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-7)


def test_lengths_count_only_where_asked() -> None:
    policy, reference = torch.tensor([4.0, 1.0]), torch.zeros(2)
    lengths = torch.tensor([8.0, 1.0])
    per_id = PreferenceLossConfig(beta=0.5, is_length_normalised=True)
    assert implicit_lead(policy, reference, lengths, HALF).tolist() == [1.5]
    assert implicit_lead(policy, reference, lengths, per_id).tolist() == [-0.25]


def test_the_sft_term_is_the_chosen_replys_nats_a_token() -> None:
    policy = torch.tensor([-6.0, -2.0], requires_grad=True)
    lengths = torch.tensor([3.0, 1.0])
    config = PreferenceLossConfig(beta=0.5, sft=0.1)
    plain = preference_loss(policy, policy.detach(), lengths, torch.tensor([0.5]), HALF)
    loss = preference_loss(policy, policy.detach(), lengths, torch.tensor([0.5]), config)
    assert (loss - plain).item() == pytest.approx(0.1 * 2.0)
    loss.backward()
    assert policy.grad is not None
    assert policy.grad.tolist() == pytest.approx([-0.1 / 3, 0.0])


def test_no_nonsense_settings() -> None:
    with pytest.raises(ValueError, match="beta 0 must be above 0"):
        PreferenceLossConfig(beta=0)


def test_log_probabilities_are_those_of_the_replies_alone() -> None:
    model = tiny_model().eval()
    pairs = PairSet.collect(formats(), [preference(number) for number in range(3)], 64)
    batch = pairs.batch([2, 0], (64,))
    sides = []
    for index in (4, 0, 5, 1):
        start, stop = pairs.sides.starts[index], pairs.sides.starts[index + 1]
        sides.append(Encoded(pairs.sides.ids[start:stop].tolist(), pairs.sides.mask[start:stop].tolist()))
    with torch.no_grad():
        found = reply_log_probs(model, batch, hidden_function(model, is_compiled=False))
    torch.testing.assert_close(found.double(), -document_nats(model, sides), atol=1e-4, rtol=1e-5)
