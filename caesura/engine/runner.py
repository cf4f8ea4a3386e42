"""Carries out a step: integers in, logits out.

Enters: a `StepPlan`. Leaves: the logits of the rows that sample. Read next: `paged_attention.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from caesura.engine.kv_store import KVStore
from caesura.engine.paged_attention import PagedAttention, attention_plan
from caesura.engine.scheduler import Row, StepPlan
from caesura.model.transformer import Transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """What a step computed.

    sequences: the ids of the sequences that sample, in the order of the logits.
    logits_RV: one row for each of them, in the weights' dtype.
    """

    sequences: tuple[int, ...]
    logits_RV: Tensor


class Runner:
    """The model, its pages, and nothing else."""

    def __init__(self, model: Transformer, store: KVStore) -> None:
        self._model = model
        self._store = store

    @torch.inference_mode()
    def run(self, plan: StepPlan) -> StepOutput:
        """Compute the plan's tokens, and score what follows the rows that sample."""
        rows = _longest_first(plan)
        device = self._store.device
        tokens_T = torch.tensor([token for row in rows for token in row.tokens], device=device)
        positions = [row.start + offset for row in rows for offset in range(len(row.tokens))]
        attend = PagedAttention(self._store, attention_plan(rows, plan.num_decode, self._store))
        hidden_TD = self._model(tokens_T, torch.tensor(positions, device=device), attend)
        last, stop = list[int](), 0
        for row in rows:
            stop += len(row.tokens)
            if row.is_sampled:
                last.append(stop - 1)
        if len(last) < len(tokens_T):
            hidden_TD = hidden_TD.index_select(0, torch.tensor(last, dtype=torch.int64, device=device))
        sampled = tuple(row.sequence for row in rows if row.is_sampled)
        return StepOutput(sequences=sampled, logits_RV=self._model.logits(hidden_TD))


def _longest_first(plan: StepPlan) -> list[Row]:
    """Decode rows sorted by length, so that those which are padded together are neighbours."""
    decode = sorted(plan.rows[: plan.num_decode], key=lambda row: -row.start)
    return [*decode, *plan.rows[plan.num_decode :]]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster here than of float32.

    With AVX-512 BF16 a step of a 5M model takes 1.3 ms instead of 1.9 (1 row) and 4.9 instead of 14 (128
    rows); without, bfloat16 is emulated and slower.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
