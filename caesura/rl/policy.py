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
from caesura.messages.errors import CaesuraError
from caesura.model import PackedAttention, Transformer
from caesura.rl.rollouts import Rollout
from caesura.train.packing import best_fit


class AgreementError(CaesuraError):
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

    tokens_BT, positions_BT: as in `train/packing.py`, but siblings continue one and the same prompt.
    prompts_BT, replies_BT: which prompt, and which of its continuations, a token belongs to; from 1 on, and 0
        for padding, and for a prompt itself.
    places_N: where, in the flat rows, each learnt token is predicted. targets_N: its id. masks_N: the row
        of its mask in the table. old_N: its log-probability when it was drawn.
    replies_N: which rollout it belongs to, as an index into those that were packed together.
    advantages_N: how much better it was than to be expected; 0 where nothing was said of it.
    """

    tokens_BT: Tensor
    positions_BT: Tensor
    prompts_BT: Tensor
    replies_BT: Tensor
    places_N: Tensor
    targets_N: Tensor
    masks_N: Tensor
    old_N: Tensor
    replies_N: Tensor
    advantages_N: Tensor


class Scores(NamedTuple):
    """Of each learnt token: its log-probability, and the entropy of the distribution it was drawn from."""

    log_probs_N: Tensor
    entropies_N: Tensor


Score = Callable[[Transformer, PackedRollouts], Scores]


def pack(
    rollouts: Sequence[Rollout],
    table: MaskTable,
    config: ScoringConfig,
    advantages: Sequence[Sequence[float]] | None = None,
) -> Iterator[PackedRollouts]:
    """Every rollout once, whole; siblings behind one copy of their prompt, as far as a row holds them.

    advantages: one for each id of each reply.
    """
    families = _families(rollouts, config.row_tokens[-1])
    lengths = np.asarray([_length(rollouts, each) for each in families], dtype=np.int64)
    rows: dict[int, list[list[int]]] = {limit: [] for limit in config.row_tokens}
    for limit, row in best_fit(np.arange(len(families)), lengths, config.row_tokens):
        rows[limit].append(row)
    for limit, ready in rows.items():
        size = max(1, config.batch_tokens // limit)
        for start in range(0, len(ready), size):
            writer = _RowWriter(rollouts, min(size, len(ready) - start), limit)
            for number, row in enumerate(ready[start : start + size]):
                writer.write(number, [families[index] for index in row])
            yield writer.packed(table, advantages)


def _families(rollouts: Sequence[Rollout], longest: int) -> list[list[int]]:
    """Indices of siblings that fit into a row together. Raises ValueError for one that does not alone."""
    by_prompt: dict[tuple[int, ...], list[list[int]]] = {}
    for index, rollout in enumerate(rollouts):
        if len(rollout.ids) - 1 > longest:
            raise ValueError(
                f"a rollout of {len(rollout.ids)} tokens is longer than the longest row, {longest}; "
                "raise row_tokens or lower the budgets"
            )
        parts = by_prompt.setdefault(rollout.ids[: rollout.prompt_length], [[]])
        if parts[-1] and _length(rollouts, [*parts[-1], index]) > longest:
            parts.append([])
        parts[-1].append(index)
    return [part for parts in by_prompt.values() for part in parts]


def _length(rollouts: Sequence[Rollout], family: Sequence[int]) -> int:
    """The tokens that the network reads: the prompt once, and each reply but for its last."""
    replies = sum(len(rollouts[index].reply) - 1 for index in family)
    return rollouts[family[0]].prompt_length + replies


class _RowWriter:
    """Fills rows of one length."""

    def __init__(self, rollouts: Sequence[Rollout], num_rows: int, length: int) -> None:
        self._rollouts, self._length = rollouts, length
        self._grid = np.zeros((4, num_rows, length), np.int64)
        self._places: list[int] = []
        self._indices: list[int] = []

    def write(self, row: int, families: Sequence[Sequence[int]]) -> None:
        """One family behind the other."""
        at = 0
        for prompt_number, family in enumerate(families, start=1):
            first = self._rollouts[family[0]]
            start = first.prompt_length
            self._put(row, at, first.ids[:start], position=0, prompt=prompt_number, reply=0)
            last, at = at + start - 1, at + start
            for reply_number, index in enumerate(family, start=1):
                reply = self._rollouts[index].reply
                self._put(row, at, reply[:-1], position=start, prompt=prompt_number, reply=reply_number)
                # The prompt's last token predicts the first of each reply, wherever that lies.
                places = [last, *range(at, at + len(reply) - 1)]
                self._places += [row * self._length + place for place in places]
                self._indices.append(index)
                at += len(reply) - 1

    def _put(self, row: int, at: int, ids: Sequence[int], *, position: int, prompt: int, reply: int) -> None:
        there = slice(at, at + len(ids))
        self._grid[0, row, there] = ids
        self._grid[1, row, there] = np.arange(position, position + len(ids))
        self._grid[2, row, there], self._grid[3, row, there] = prompt, reply

    def packed(self, table: MaskTable, advantages: Sequence[Sequence[float]] | None) -> PackedRollouts:
        """The rows, and what is learnt of them."""
        rollouts = [self._rollouts[index] for index in self._indices]
        is_sampled = np.asarray([each for rollout in rollouts for each in rollout.is_sampled], np.bool_)
        targets = np.asarray([token for rollout in rollouts for token in rollout.reply], np.int64)
        old = np.asarray([each for rollout in rollouts for each in rollout.log_probs], np.float32)
        masks = table.rows([name for rollout in rollouts for name in rollout.masks]).cpu()
        owners = np.repeat(self._indices, [len(rollout.reply) for rollout in rollouts])
        values = np.zeros(len(owners), np.float32)
        if advantages is not None:
            values = np.asarray([each for index in self._indices for each in advantages[index]], np.float32)
        tokens_BT, positions_BT, prompts_BT, replies_BT = (torch.from_numpy(each) for each in self._grid)
        chosen = torch.from_numpy(is_sampled)
        return PackedRollouts(
            tokens_BT,
            positions_BT,
            prompts_BT,
            replies_BT,
            torch.tensor(self._places, dtype=torch.int64)[chosen],
            torch.from_numpy(targets)[chosen],
            masks[chosen],
            torch.from_numpy(old)[chosen],
            torch.from_numpy(owners)[chosen],
            torch.from_numpy(values)[chosen],
        )


def sibling_mask(prompts_BT: Tensor, replies_BT: Tensor) -> Tensor:
    """(B, 1, T, T): True where the query may read the key: not later, of the same prompt, and of the prompt
    itself or of the same reply.
    """
    is_same_BTT = prompts_BT[:, :, None] == prompts_BT[:, None, :]
    is_kin_BTT = (replies_BT[:, None, :] == 0) | (replies_BT[:, :, None] == replies_BT[:, None, :])
    length = prompts_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=prompts_BT.device).tril()
    return (is_same_BTT & is_kin_BTT & causal_TT)[:, None]


def scorer(table: MaskTable, config: ScoringConfig, *, in_float32: bool = False) -> Score:
    """A function that scores a micro-batch under a network. in_float32: whatever the config says."""
    is_bfloat16 = config.is_bfloat16 and not in_float32
    penalties_PV = table.penalties_PV

    def hidden(model: Transformer, tokens_BT: Tensor, positions_BT: Tensor, mask_B1TT: Tensor) -> Tensor:
        attend = PackedAttention(mask_B1TT=mask_B1TT, windows=model.config.windows)
        with torch.autocast(tokens_BT.device.type, torch.bfloat16, enabled=is_bfloat16):
            return model(tokens_BT, positions_BT, attend)

    read = torch.compile(hidden, dynamic=False) if config.is_compiled and not in_float32 else hidden

    def score(model: Transformer, batch: PackedRollouts) -> Scores:
        device = model.embed_tokens.weight.device
        mask_B1TT = sibling_mask(batch.prompts_BT.to(device), batch.replies_BT.to(device))
        hidden_BTD = read(model, batch.tokens_BT.to(device), batch.positions_BT.to(device), mask_B1TT)
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
