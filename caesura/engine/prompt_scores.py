"""How probable a model finds each token of a text: one pass over all of it, beside the engine's pages.

It reads the same weights as the engine's own thread and writes nothing that others read, so it may run while
that thread steps. Logits are the largest tensor by far, so they are computed for some tokens at a time.
Shapes: T tokens, D hidden size, V vocabulary. Enters: a model and ids. Leaves: log-probabilities. Read next:
`text_model.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from caesura.model.attention import PackedAttention
from caesura.model.transformer import Transformer

# At a vocabulary of 150,000 in float32, 150 MB.
_ROWS = 256


class TokenScore(NamedTuple):
    """One token's log-probability, and the likeliest ids in its place with theirs, the likeliest first."""

    log_prob: float
    top: tuple[tuple[int, float], ...]


@torch.inference_mode()
def prompt_scores(model: Transformer, ids: Sequence[int], *, num_top: int) -> list[TokenScore]:
    """A score for each id after the first, under the bare model."""
    if len(ids) < 2:
        return []
    ids_T = torch.tensor(ids, device=model.embed_tokens.weight.device)
    positions_T = torch.arange(len(ids) - 1, device=ids_T.device)
    attend = PackedAttention(windows=model.config.windows)
    hidden_TD = model(ids_T[None, :-1], positions_T[None], attend)[0]
    scores: list[TokenScore] = []
    for start in range(0, len(hidden_TD), _ROWS):
        logits_TV = model.logits(hidden_TD[start : start + _ROWS]).float()
        scores += _scores(torch.log_softmax(logits_TV, dim=-1), ids_T[start + 1 : start + 1 + _ROWS], num_top)
    return scores


def _scores(log_probs_TV: Tensor, ids_T: Tensor, num_top: int) -> list[TokenScore]:
    chosen = log_probs_TV.gather(1, ids_T[:, None])[:, 0].tolist()
    top = log_probs_TV.topk(min(num_top, log_probs_TV.shape[1]), dim=-1)
    alternatives = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return [
        TokenScore(log_prob, tuple(zip(ids, values, strict=True)))
        for log_prob, (ids, values) in zip(chosen, alternatives, strict=True)
    ]
