"""What preference optimisation minimises: DPO with soft labels.

Enters: log-probabilities of both replies under the policy and under a frozen reference. Leaves: a scalar.
Shapes: B pairs, S = 2B sides (chosen first), T tokens, N learnt ids. Read next: `preference_stage.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.model import PackedAttention, Transformer
from caesura.train.pairs import PairBatch
from caesura.train.reward_loss import soft_comparison

Hidden = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceLossConfig:
    """The shape of the loss.

    beta: how much a nat of difference from the reference counts; the greater, the closer the policy stays.
    is_length_normalised: differences are taken a token of the reply and not a reply, so that long replies do
        not count for more.
    sft: the weight of the chosen reply's own loss, in nats a token, which keeps it probable.
    """

    beta: float = 0.1
    is_length_normalised: bool = False
    sft: float = 0.0

    def __post_init__(self) -> None:
        if self.beta <= 0 or self.sft < 0:
            raise ValueError(f"beta {self.beta} must be above 0, and sft {self.sft} not below it")


def implicit_lead(
    policy_S: Tensor, reference_S: Tensor, num_ids_S: Tensor, config: PreferenceLossConfig
) -> Tensor:
    """(B,): beta * ((policy - reference of the chosen reply) - (the same of the rejected one)).

    The lead of the reward that the policy is the best answer to (Rafailov et al. 2023, equation 7); with
    `is_length_normalised` each difference is divided by the reply's number of ids.
    """
    moved_S = policy_S - reference_S
    if config.is_length_normalised:
        moved_S = moved_S / num_ids_S
    chosen_B, rejected_B = moved_S.chunk(2)
    return config.beta * (chosen_B - rejected_B)


def preference_loss(
    policy_S: Tensor, reference_S: Tensor, num_ids_S: Tensor, p_B: Tensor, config: PreferenceLossConfig
) -> Tensor:
    """mean over pairs of the comparison at `implicit_lead`, plus sft * the chosen replies' nats a token.

    Soft labels make it the conservative form: at p < 1 the loss has its least value at a finite lead,
    ln(p / (1 - p)), so a doubtful label is not pushed without end.
    """
    lead_B = implicit_lead(policy_S, reference_S, num_ids_S, config)
    loss = soft_comparison(lead_B, p_B).mean()
    if not config.sft:
        return loss
    return loss - config.sft * (policy_S / num_ids_S).chunk(2)[0].mean()


def hidden_function(model: Transformer, *, is_compiled: bool) -> Hidden:
    """tokens_ST -> hidden_STD. Only this part has shapes that repeat, so only this part is compiled."""

    def hidden(tokens_ST: Tensor) -> Tensor:
        positions_ST = torch.arange(tokens_ST.shape[1], device=tokens_ST.device).expand_as(tokens_ST)
        return model(tokens_ST, positions_ST, PackedAttention(windows=model.config.windows))

    return torch.compile(hidden, dynamic=False) if is_compiled else hidden


def reply_log_probs(model: Transformer, batch: PairBatch, hidden: Hidden) -> Tensor:
    """(S,) float32: for each side the sum of ln p(id | ids before it) over the reply's ids and its end.

    Attention is causal, so the padding behind a side cannot reach it. Logits are made of replies alone.
    """
    mask_ST = batch.mask_ST[:, 1:]
    replies_ND = hidden(batch.tokens_ST)[:, :-1][mask_ST]
    targets_N = batch.tokens_ST[:, 1:][mask_ST]
    nats_N = F.cross_entropy(model.logits(replies_ND).float(), targets_N, reduction="none")
    sides_N = torch.arange(len(mask_ST), device=mask_ST.device)[:, None].expand_as(mask_ST)[mask_ST]
    return -torch.zeros(len(mask_ST), device=mask_ST.device).index_add(0, sides_N, nats_N)
