"""Rollouts as the trainer reads them: packed into rows, and scored under the masks that held.

Shapes: B rows, T tokens, N learnt tokens, D hidden size, V vocabulary. Enters: rollouts. Leaves: batches, and
for each learnt token its log-probability and the entropy of what it was drawn from. Read next: `grpo.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.sampler import MaskTable
from caesura.model import PackedAttention, Transformer, document_mask
from caesura.rl.rollouts import Rollout
from caesura.train.packing import best_fit


class AgreementError(RuntimeError):
    """Trainer and engine do not give what was sampled the same log-probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """How rollouts are laid out and computed.

    row_tokens: the row lengths on offer, ascending; a longer rollout is an error.
    batch_tokens: B * T of a micro-batch.
    is_bfloat16: run matrix products in bfloat16 (autocast); weights stay float32. Whether trainer and engine
        agree is always asked in float32.
    is_compiled: torch.compile the scoring; pays after many steps.
    """

    row_tokens: tuple[int, ...] = (256, 512, 1024)
    batch_tokens: int = 8192
    is_bfloat16: bool = True
    is_compiled: bool = False


class PackedRollouts(NamedTuple):
    """A micro-batch.

    tokens_BT, positions_BT: as in `train/packing.py`.
    places_N: where, in the flat rows, each learnt token is predicted. targets_N: its id. masks_N: the row
        of its mask in the table. old_N: its log-probability when it was drawn.
    replies_N: which rollout it belongs to, as an index into those that were packed together.
    """

    tokens_BT: Tensor
    positions_BT: Tensor
    places_N: Tensor
    targets_N: Tensor
    masks_N: Tensor
    old_N: Tensor
    replies_N: Tensor


class Scores(NamedTuple):
    """Of each learnt token: its log-probability, and the entropy of the distribution it was drawn from."""

    log_probs_N: Tensor
    entropies_N: Tensor


Score = Callable[[Transformer, PackedRollouts], Scores]


def pack(rollouts: Sequence[Rollout], table: MaskTable, config: ScoringConfig) -> Iterator[PackedRollouts]:
    """Every rollout once, whole, in rows of similar length."""
    lengths = np.asarray([len(each.ids) - 1 for each in rollouts], dtype=np.int64)
    if len(lengths) and int(lengths.max()) > config.row_tokens[-1]:
        raise ValueError(
            f"a rollout of {int(lengths.max()) + 1} tokens is longer than the longest row, "
            f"{config.row_tokens[-1]}; raise row_tokens or lower the budgets"
        )
    rows: dict[int, list[list[int]]] = {limit: [] for limit in config.row_tokens}
    for limit, row in best_fit(np.arange(len(rollouts)), lengths, config.row_tokens):
        rows[limit].append(row)
    for limit, ready in rows.items():
        size = max(1, config.batch_tokens // limit)
        for start in range(0, len(ready), size):
            yield _packed(rollouts, ready[start : start + size], limit, table)


def _packed(
    rollouts: Sequence[Rollout], rows: list[list[int]], length: int, table: MaskTable
) -> PackedRollouts:
    tokens = np.zeros((len(rows), length), np.int64)
    positions = np.zeros((len(rows), length), np.int64)
    places, targets, masks, old, replies = [], [], [], [], []
    for number, row in enumerate(rows):
        at = 0
        for index in row:
            rollout = rollouts[index]
            count = len(rollout.ids) - 1
            tokens[number, at : at + count] = rollout.ids[:-1]
            positions[number, at : at + count] = np.arange(count)
            start = number * length + at + rollout.prompt_length - 1
            for offset, is_sampled in enumerate(rollout.is_sampled):
                if is_sampled:
                    places.append(start + offset)
                    targets.append(rollout.ids[rollout.prompt_length + offset])
                    masks.append(rollout.masks[offset])
                    old.append(rollout.log_probs[offset])
                    replies.append(index)
            at += count
    return PackedRollouts(
        torch.from_numpy(tokens),
        torch.from_numpy(positions),
        torch.tensor(places),
        torch.tensor(targets),
        table.rows(masks).cpu(),
        torch.tensor(old, dtype=torch.float32),
        torch.tensor(replies),
    )


def scorer(table: MaskTable, config: ScoringConfig, *, in_float32: bool = False) -> Score:
    """A function that scores a micro-batch under a network. in_float32: whatever the config says."""
    is_bfloat16 = config.is_bfloat16 and not in_float32
    penalties_PV = table.penalties_PV

    def hidden(model: Transformer, tokens_BT: Tensor, positions_BT: Tensor) -> Tensor:
        with torch.autocast(tokens_BT.device.type, torch.bfloat16, enabled=is_bfloat16):
            mask = document_mask(positions_BT)
            return model(tokens_BT, positions_BT, PackedAttention(mask_B1TT=mask, windows=model.config.windows))

    read = torch.compile(hidden, dynamic=False) if config.is_compiled and not in_float32 else hidden

    def score(model: Transformer, batch: PackedRollouts) -> Scores:
        device = model.embed_tokens.weight.device
        hidden_BTD = read(model, batch.tokens_BT.to(device), batch.positions_BT.to(device))
        chosen_ND = hidden_BTD.flatten(0, 1).index_select(0, batch.places_N.to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16):
            logits_NV = model.logits(chosen_ND).float()
        masked_NV = logits_NV + penalties_PV.index_select(0, batch.masks_N.to(device))
        scores_NV = F.log_softmax(masked_NV, dim=-1)
        log_probs_N = scores_NV.gather(1, batch.targets_N.to(device)[:, None])[:, 0]
        return Scores(log_probs_N, entropies(scores_NV.detach()))

    return score


def entropies(log_probs_NV: Tensor) -> Tensor:
    """(N,): -sum of p * log p, where what cannot be drawn counts nothing."""
    return -(log_probs_NV.exp() * log_probs_NV.clamp_min(-1e4)).sum(dim=-1)


@torch.no_grad()
def largest_gap(model: Transformer, score: Score, batches: Sequence[PackedRollouts]) -> float:
    """The largest difference between the trainer's log-probability of a sampled token and the engine's."""
    differences = [score(model, each).log_probs_N.cpu() - each.old_N for each in batches if len(each.old_N)]
    return max((float(each.abs().max()) for each in differences), default=0.0)


def check_agreement(gap: float, limit: float) -> None:
    """Raises AgreementError if the gap is above the limit, or no number."""
    if not gap <= limit:
        raise AgreementError(
            f"trainer and engine differ by {gap:.3g} in the log-probability of a sampled token, more than "
            f"{limit:g}: what is learnt from was not drawn from this model; the run stops"
        )
