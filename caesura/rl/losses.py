"""One loss for learning from groups of replies; GRPO, Dr.GRPO, DAPO and GSPO are settings of it.

Tokens of all replies lie flat, one after the other, with the number of the reply that each belongs to. Sums
are divided by counts of the whole batch, which the caller knows, so that micro-batches add up to the same.
Shapes: N learnt tokens, S replies. Enters: log-probabilities and advantages. Leaves: a scalar, and what is
watched. Read next: `advantages.py`; `grpo.py`, which calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

KlKind = Literal["none", "k1", "k3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLossConfig:
    """The switches.

    ratio: "token", or "sequence" (GSPO: the geometric mean over the reply's tokens).
    clip_low, clip_high: how far the ratio may leave 1 before the gradient ends.
    divisor: what the sum over tokens is divided by: "reply" (each reply's mean, then the mean over replies),
        "tokens" (all learnt tokens of the batch), or "constant" (`constant_tokens` a reply, so that long
        replies are not let off).
    constant_tokens: see there.
    divides_by_std: see `group_advantages`.
    credit: "reply": each of a reply's tokens has the reply's advantage; "branch": see `branch_advantages`.
    drops_even_groups: whether groups without spread are left out of batch and counts.
    overlong_share: the last share of a reply's limit, in which DAPO's soft punishment grows; 0: none.
    kl: how the distance from a frozen reference is estimated, and kl_weight: what it costs.
    """

    ratio: Literal["token", "sequence"] = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    divisor: Literal["reply", "tokens", "constant"] = "constant"
    constant_tokens: int = 128
    divides_by_std: bool = False
    credit: Literal["reply", "branch"] = "reply"
    drops_even_groups: bool = True
    overlong_share: float = 0.0
    kl: KlKind = "none"
    kl_weight: float = 0.0


DR_GRPO = GroupLossConfig()
GRPO = GroupLossConfig(
    divisor="reply", divides_by_std=True, drops_even_groups=False, kl="k3", kl_weight=0.001
)
DAPO = GroupLossConfig(divisor="tokens", divides_by_std=True, clip_high=0.28, overlong_share=0.2)
GSPO = GroupLossConfig(ratio="sequence", divisor="reply", divides_by_std=True, clip_low=3e-4, clip_high=4e-4)


class Learnt(NamedTuple):
    """Tokens to learn from.

    new_N, old_N: log-probabilities now, and when they were drawn. advantages_N: of their replies.
    replies_N: which reply each belongs to, from 0. reference_N: log-probabilities under the reference.
    """

    new_N: Tensor
    old_N: Tensor
    advantages_N: Tensor
    replies_N: Tensor
    reference_N: Tensor | None = None


class Counts(NamedTuple):
    """Of the whole batch: replies and learnt tokens."""

    replies: int
    tokens: int


class LossTerms(NamedTuple):
    """loss: to go backward from. clipped: how many tokens had no gradient. kl: summed over tokens."""

    loss: Tensor
    clipped: Tensor
    kl: Tensor


def group_loss(learnt: Learnt, config: GroupLossConfig, counts: Counts) -> LossTerms:
    """-sum of min(rho * A, clip(rho, 1 - low, 1 + high) * A) - weight * KL, over the divisor.

    rho is exp(new - old) of the token, or of its reply's mean (Zheng et al. 2025, eq. 7). With ratios of
    whole replies the gradient still reaches each token.
    """
    log_ratio_N = learnt.new_N - learnt.old_N
    if config.ratio == "sequence":
        log_ratio_N = _reply_means(log_ratio_N, learnt.replies_N)[learnt.replies_N]
    ratio_N = log_ratio_N.exp()
    limited_N = ratio_N.clamp(1 - config.clip_low, 1 + config.clip_high)
    plain_N, clipped_N = ratio_N * learnt.advantages_N, limited_N * learnt.advantages_N
    loss_N = -torch.minimum(plain_N, clipped_N)
    kl_N = torch.zeros_like(loss_N)
    if config.kl != "none" and learnt.reference_N is not None:
        kl_N = kl_estimate(learnt.new_N, learnt.reference_N, config.kl)
        loss_N = loss_N + config.kl_weight * kl_N
    weights_N = token_weights(learnt.replies_N, config, counts)
    return LossTerms((loss_N * weights_N).sum(), (clipped_N < plain_N).sum(), kl_N.detach().sum())


def token_weights(replies_N: Tensor, config: GroupLossConfig, counts: Counts) -> Tensor:
    """(N,): what each token's loss counts, for each divisor. A reply's tokens are all here."""
    if config.divisor == "tokens":
        return torch.full(replies_N.shape, 1 / max(1, counts.tokens))
    if config.divisor == "constant":
        return torch.full(replies_N.shape, 1 / (max(1, counts.replies) * config.constant_tokens))
    lengths_S = torch.bincount(replies_N)
    return 1 / (lengths_S[replies_N] * max(1, counts.replies))


def kl_estimate(new_N: Tensor, reference_N: Tensor, kind: KlKind) -> Tensor:
    """Of KL(new || reference), for tokens drawn from new (Schulman 2020): k1 = log(new / ref), unbiased but
    noisy; k3 = ref / new - 1 - log(ref / new), never negative.
    """
    log_ratio_N = reference_N - new_N
    return -log_ratio_N if kind == "k1" else log_ratio_N.exp() - 1 - log_ratio_N


def _reply_means(values_N: Tensor, replies_N: Tensor) -> Tensor:
    lengths_S = torch.bincount(replies_N)
    sums_S = torch.zeros(len(lengths_S), dtype=values_N.dtype).index_add(0, replies_N, values_N)
    return sums_S / lengths_S.clamp(min=1)
