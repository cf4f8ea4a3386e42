"""One step of learning from groups: sample, judge, compare with siblings, follow the gradient.

Enters: an engine, a policy, groups. Leaves: moved weights and a row of figures. Shapes: see `policy.py`.
Read next: `reinforcement.py`, which repeats it and keeps watch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from caesura.messages.errors import CaesuraError
from caesura.model import Transformer
from caesura.rl.advantages import branch_advantages, group_advantages, has_spread, overlong_penalty
from caesura.rl.curriculum import Group
from caesura.rl.losses import Counts, GroupLossConfig, Learnt, group_loss
from caesura.rl.policy import PackedRollouts, Score, ScoringConfig, largest_gap, pack, scorer
from caesura.rl.rewards import Judged, RewardConfig, check_ids, judge_group
from caesura.rl.rollouts import Rollout, RolloutEngine
from caesura.train.optimisers import clip


class NotFiniteError(CaesuraError):
    """A loss or gradient that is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """How a batch of rollouts is learnt from.

    loss: see there. scoring: see there.
    num_updates: optimiser steps a batch; the groups are dealt out among them.
    max_grad_norm: as usual.
    num_compared: how many rollouts of each batch trainer and engine are compared on, in float32.
    max_gap: how far they may differ.
    """

    loss: GroupLossConfig
    scoring: ScoringConfig
    num_updates: int = 2
    max_grad_norm: float = 1.0
    num_compared: int = 24
    max_gap: float = 1e-3


class Sampled(NamedTuple):
    """What a step's groups came to: rollouts and verdicts, one tuple a group."""

    groups: list[Group]
    rollouts: list[tuple[Rollout, ...]]
    judged: list[tuple[Judged, ...]]


class Advantaged(NamedTuple):
    """A reply, and for each of its ids how much better it was than to be expected."""

    rollout: Rollout
    advantages: tuple[float, ...]


class Learning(NamedTuple):
    """What an update did.

    loss, grad_norm: means over the batch's updates. clip_share, kl, entropy: means over learnt tokens.
    anchor_loss: nats a target of the rows beside them, a mean over the updates.
    """

    loss: float
    grad_norm: float
    clip_share: float
    kl: float
    entropy: float
    anchor_loss: float = 0.0


def sample_groups(engine: RolloutEngine, groups: Sequence[Group], config: RewardConfig) -> Sampled:
    """Reply to every ask and judge every reply."""
    rollouts = engine.sample([ask for group in groups for ask in group.asks])
    by_group: list[tuple[Rollout, ...]] = []
    start = 0
    for group in groups:
        by_group.append(tuple(rollouts[start : start + len(group.asks)]))
        start += len(group.asks)
    judged = [
        tuple(judge_group(each, group.problem, config)) for group, each in zip(groups, by_group, strict=True)
    ]
    check_ids(rollouts, [each for group in judged for each in group])
    return Sampled(list(groups), by_group, judged)


def advantages(sampled: Sampled, config: GroupLossConfig) -> list[list[Advantaged]]:
    """For each group that teaches something, its replies."""
    result: list[list[Advantaged]] = []
    for rollouts, judged in zip(sampled.rollouts, sampled.judged, strict=True):
        rewards = [
            each.reward + _overlong(rollout, config) for rollout, each in zip(rollouts, judged, strict=True)
        ]
        rewards_1K = torch.tensor([rewards])
        if config.drops_even_groups and not bool(has_spread(rewards_1K)[0]):
            continue
        values = group_advantages(rewards_1K, divides_by_std=config.divides_by_std)[0].tolist()
        if config.credit == "branch":
            result.append(_branches(rollouts, values))
        else:
            result.append([_whole(*each) for each in zip(rollouts, values, strict=True)])
    return result


def _whole(rollout: Rollout, advantage: float) -> Advantaged:
    """Every id has the reply's advantage. What was tried and did no better is left as likely as it was: the
    model would not have drawn it, so there is nothing to hold it back from.
    """
    if rollout.is_tried and advantage <= 0:
        rollout = replace(rollout, is_sampled=(False, *rollout.is_sampled[1:]))
    return Advantaged(rollout, (advantage,) * len(rollout.reply))


def _branches(rollouts: Sequence[Rollout], rewards: Sequence[float]) -> list[Advantaged]:
    """Replies cut behind the last id that has an advantage, equal ones as one with the sum of theirs."""
    merged: dict[tuple[int, ...], Advantaged] = {}
    found = branch_advantages([each.reply for each in rollouts], rewards)
    for rollout, values in zip(rollouts, found, strict=True):
        if rollout.is_tried and values[0] < 0:
            values[0] = 0.0
        count = max((number for number, value in enumerate(values, start=1) if value), default=0)
        if not count:
            continue
        ids = rollout.ids[: rollout.prompt_length + count]
        known = merged[ids].advantages if ids in merged else (0.0,) * count
        total = tuple(ours + theirs for ours, theirs in zip(known, values, strict=False))
        is_learnt = tuple(
            is_sampled and value != 0 for is_sampled, value in zip(rollout.is_sampled, total, strict=False)
        )
        short = replace(
            rollout,
            ids=ids,
            is_sampled=is_learnt,
            log_probs=rollout.log_probs[:count],
            masks=rollout.masks[:count],
        )
        merged[ids] = Advantaged(short, total)
    return list(merged.values())


def _overlong(rollout: Rollout, config: GroupLossConfig) -> float:
    if not config.overlong_share or not rollout.budget:
        return 0.0
    return overlong_penalty(rollout.thinking_tokens, rollout.budget, share=config.overlong_share)


class Updater:
    """Moves a policy. Holds what stays from step to step: how tokens are scored, and the reference."""

    def __init__(
        self,
        policy: Transformer,
        optimisers: list[Optimizer],
        engine: RolloutEngine,
        config: UpdateConfig,
        *,
        reference: Transformer | None = None,
    ) -> None:
        """reference: what the policy may not stray from, where the loss has a weight for that."""
        self._policy, self._optimisers, self._config = policy, optimisers, config
        self._table, self._reference = engine.table, reference
        self._score = scorer(engine.table, config.scoring)
        self._exact: Score = scorer(engine.table, config.scoring, in_float32=True)

    def gap(self, rollouts: Sequence[Rollout]) -> float:
        """How far trainer and engine differ on some of these rollouts, evenly spread."""
        stride = max(1, len(rollouts) // max(1, self._config.num_compared))
        chosen = list(rollouts[::stride])
        return largest_gap(self._policy, self._exact, list(pack(chosen, self._table, self._config.scoring)))

    def update(
        self,
        groups: Sequence[Sequence[Advantaged]],
        shown: Sequence[Rollout],
        shown_weight: float = 1.0,
        *,
        seed: str,
        anchor: Callable[[int], Tensor] | None = None,
        anchor_weight: float = 1.0,
    ) -> Learning:
        """Learn from groups, and from written solutions beside them. seed: of the order. anchor: from an
        update's number in the batch to a loss of other rows, which is added. anchor_weight: what it counts.

        Raises NotFiniteError before any weight is moved by what is no number.
        """
        order = list(range(len(groups)))
        Random(seed).shuffle(order)
        num_updates = max(1, min(self._config.num_updates, len(groups) or 1))
        learnt: list[_Sums] = []
        for number in range(num_updates):
            replies = [each for index in order[number::num_updates] for each in groups[index]]
            anchor_loss = _backward(anchor(number), anchor_weight) if anchor else 0.0
            sums = self._step(replies, shown[number::num_updates], shown_weight)
            learnt.append(sums._replace(anchor=anchor_loss))
        tokens = max(1, sum(each.tokens for each in learnt))
        return Learning(
            loss=sum(each.loss for each in learnt) / num_updates,
            grad_norm=sum(each.grad_norm for each in learnt) / num_updates,
            clip_share=sum(each.clipped for each in learnt) / tokens,
            kl=sum(each.kl for each in learnt) / tokens,
            entropy=sum(each.entropy for each in learnt) / tokens,
            anchor_loss=sum(each.anchor for each in learnt) / num_updates,
        )

    def _step(self, replies: Sequence[Advantaged], shown: Sequence[Rollout], shown_weight: float) -> _Sums:
        rollouts = [each.rollout for each in replies]
        counts = Counts(len(rollouts), sum(each.num_sampled for each in rollouts))
        values = [each.advantages for each in replies]
        sums = _Sums(0.0, 0.0, 0, 0.0, 0.0, counts.tokens)
        for batch in pack(rollouts, self._table, self._config.scoring, values):
            sums = self._learn(batch, counts, sums)
        num_shown = max(1, sum(each.num_sampled for each in shown))
        for batch in pack(shown, self._table, self._config.scoring):
            self._imitate(batch, shown_weight / num_shown)
        grad_norm = clip(self._policy, self._config.max_grad_norm)
        is_sound = math.isfinite(grad_norm) and math.isfinite(sums.loss)
        for optimiser in self._optimisers:
            if is_sound:
                optimiser.step()
            optimiser.zero_grad()
        if not is_sound:
            raise NotFiniteError(f"loss {sums.loss}, gradient norm {grad_norm}: the update is left out")
        return sums._replace(grad_norm=grad_norm)

    def _learn(self, batch: PackedRollouts, counts: Counts, sums: _Sums) -> _Sums:
        scores = self._score(self._policy, batch)
        log_probs_N = scores.log_probs_N.cpu()
        learnt = Learnt(
            new_N=log_probs_N,
            old_N=batch.old_N,
            advantages_N=batch.advantages_N,
            replies_N=batch.replies_N,
            reference_N=self._reference_scores(batch),
        )
        terms = group_loss(learnt, self._config.loss, counts)
        terms.loss.backward()
        return sums._replace(
            loss=sums.loss + float(terms.loss.detach()),
            clipped=sums.clipped + int(terms.clipped),
            kl=sums.kl + float(terms.kl),
            entropy=sums.entropy + float(scores.entropies_N.sum()),
        )

    def _imitate(self, batch: PackedRollouts, weight: float) -> None:
        """Cross-entropy of what was written. weight: of each token's."""
        (-weight * self._score(self._policy, batch).log_probs_N.sum()).backward()

    @torch.no_grad()
    def _reference_scores(self, batch: PackedRollouts) -> Tensor | None:
        if self._reference is None or not self._config.loss.kl_weight:
            return None
        return self._score(self._reference, batch).log_probs_N.cpu()


class _Sums(NamedTuple):
    loss: float
    grad_norm: float
    clipped: int
    kl: float
    entropy: float
    tokens: int
    anchor: float = 0.0


def _backward(loss: Tensor, weight: float) -> float:
    """Adds the weighted gradient to what is there; returns the loss itself."""
    (weight * loss).backward()
    return float(loss.detach())
