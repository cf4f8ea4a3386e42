"""Every algorithm has to solve a bandit: a table of scores, one row a context, replies of two tokens.

Only one pair of tokens is paid in each context, so the second token is worth nothing without the first.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from caesura.rl.advantages import branch_advantages, group_advantages, has_spread
from caesura.rl.losses import DAPO, DR_GRPO, GRPO, GSPO, Counts, GroupLossConfig, Learnt, group_loss
from caesura.rl.ppo import PpoConfig, Tokens, estimates, next_kl_weight, ppo_loss, token_rewards

NUM_CONTEXTS, NUM_ACTIONS, NUM_SIBLINGS, NUM_TOKENS = 4, 5, 16, 2
BEST = torch.tensor([[0, 3], [4, 1], [2, 2], [1, 0]])


class Table:
    """(C, T, A) scores, drawn from token by token."""

    def __init__(self) -> None:
        self.scores = torch.zeros(NUM_CONTEXTS, NUM_TOKENS, NUM_ACTIONS, requires_grad=True)
        self.generator = torch.Generator().manual_seed(5)

    def draw(self) -> tuple[Tensor, Tensor]:
        """(C, K, T) actions and (C, K) rewards."""
        probs = self.scores.detach().softmax(-1).flatten(0, 1)
        drawn = torch.multinomial(probs, NUM_SIBLINGS, replacement=True, generator=self.generator)
        actions = drawn.unflatten(0, (NUM_CONTEXTS, NUM_TOKENS)).transpose(1, 2)
        return actions, (actions == BEST[:, None]).all(dim=-1).float()

    def log_probs(self, actions: Tensor) -> Tensor:
        """(C, K, T)."""
        scores = self.scores.log_softmax(-1)[:, None].expand(-1, NUM_SIBLINGS, -1, -1)
        return scores.gather(-1, actions[..., None])[..., 0]

    def solved(self) -> float:
        """How likely the paid pair is, in the mean over contexts."""
        probs = self.scores.detach().softmax(-1)
        return float(probs.gather(-1, BEST[..., None])[..., 0].prod(dim=1).mean())


def credited(actions: Tensor, advantages: Tensor, config: GroupLossConfig) -> Tensor:
    """(C, K, T): each token's advantage."""
    if config.credit == "reply":
        return advantages[..., None].expand(-1, -1, NUM_TOKENS)
    groups = zip(actions.tolist(), advantages.tolist(), strict=True)
    return torch.tensor([branch_advantages(*each) for each in groups])


def play(config: GroupLossConfig, num_steps: int, *, sign: float = 1.0) -> float:
    table = Table()
    optimiser = torch.optim.Adam([table.scores], lr=0.1)
    for _ in range(num_steps):
        actions, rewards = table.draw()
        advantages = sign * group_advantages(rewards, divides_by_std=config.divides_by_std)
        kept = has_spread(rewards) if config.drops_even_groups else torch.ones(NUM_CONTEXTS, dtype=torch.bool)
        if not bool(kept.any()):
            continue
        old = table.log_probs(actions).detach()
        for _ in range(2):
            new = table.log_probs(actions)
            num_replies = int(kept.sum()) * NUM_SIBLINGS
            learnt = Learnt(
                new_N=new[kept].flatten(),
                old_N=old[kept].flatten(),
                advantages_N=credited(actions, advantages, config)[kept].flatten(),
                replies_N=torch.arange(num_replies).repeat_interleave(NUM_TOKENS),
                reference_N=old[kept].flatten() if config.kl != "none" else None,
            )
            optimiser.zero_grad()
            group_loss(learnt, config, Counts(num_replies, num_replies * NUM_TOKENS)).loss.backward()
            optimiser.step()
    return table.solved()


@pytest.mark.parametrize(
    "config",
    [DR_GRPO, GRPO, DAPO, replace(GSPO, clip_low=0.2, clip_high=0.2), replace(DR_GRPO, credit="branch")],
    ids=["dr_grpo", "grpo", "dapo", "gspo", "branch"],
)
def test_each_group_algorithm_solves_the_bandit(config: GroupLossConfig) -> None:
    assert play(config, 150) > 0.95


def test_gspo_solves_it_with_its_own_narrow_clip() -> None:
    assert play(GSPO, 400) > 0.95


def test_turned_round_the_same_loss_unlearns_it() -> None:
    assert play(DR_GRPO, 150, sign=-1.0) < 0.05


def test_ppo_solves_the_bandit_under_a_cost_of_distance() -> None:
    table, config = Table(), PpoConfig(kl_weight=0.01, kl_target=6.0, kl_horizon=2000)
    values = torch.zeros(NUM_CONTEXTS, NUM_TOKENS, requires_grad=True)
    optimiser = torch.optim.Adam([table.scores, values], lr=0.05)
    weight = config.kl_weight
    for _ in range(150):
        actions, rewards = table.draw()
        old, old_values = (
            table.log_probs(actions).detach(),
            values.detach()[:, None].expand(-1, NUM_SIBLINGS, -1),
        )
        even = torch.full_like(old, NUM_ACTIONS).log().neg()
        pairs = list(zip(old.flatten(0, 1), even.flatten(0, 1), rewards.flatten().tolist(), strict=True))
        paid = [token_rewards(reward, new, reference, weight) for new, reference, reward in pairs]
        found = estimates(paid, list(old_values.flatten(0, 1)), config)
        for _ in range(config.num_epochs):
            tokens = Tokens(
                table.log_probs(actions).flatten(),
                old.flatten(),
                values[:, None].expand(-1, NUM_SIBLINGS, -1).flatten(),
                old_values.flatten(),
            )
            optimiser.zero_grad()
            ppo_loss(tokens, found, config).loss.backward()
            optimiser.step()
        weight = next_kl_weight(weight, float((old - even).sum(-1).mean()), len(pairs), config)
    assert table.solved() > 0.95
