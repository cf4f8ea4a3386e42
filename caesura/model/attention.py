"""The one interface between the network and whatever holds its keys and values.

Enters: one layer's queries, keys and values for the tokens at hand. Leaves: what each query read.
`PackedAttention` (here) serves training; `caesura/engine/paged_attention.py` serves generation.
Shapes: B rows, T tokens, H query heads, K key/value heads, E head dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.model.blocked_attention import blocked_attention


class Attend(Protocol):
    """Causal attention over some store of keys and values."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Store the new keys and values of `layer`, and read for each query.

        query: (..., H, E), already rotated. key, value: (..., K, E). Returns (..., H, E).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAttention:
    """Attention within rows into which several documents are packed.

    mask_B1TT: True where a query may read a key: not later, and of the same document. None: one
        document fills each row, so plain causal attention serves.
    """

    mask_B1TT: Tensor | None = None

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Under autocast, norms and rotation have left queries and keys in float32.
        query, key = query.to(value.dtype), key.to(value.dtype)
        if self._is_blocked(query):
            assert self.mask_B1TT is not None
            return blocked_attention(query, key, value, self.mask_B1TT)
        query_BHTE, key_BKTE, value_BKTE = (x.transpose(1, 2) for x in (query, key, value))
        read_BHTE = F.scaled_dot_product_attention(
            query_BHTE,
            key_BKTE,
            value_BKTE,
            attn_mask=self.mask_B1TT,
            is_causal=self.mask_B1TT is None,
            enable_gqa=True,
        )
        return read_BHTE.transpose(1, 2)

    def _is_blocked(self, query: Tensor) -> bool:
        """Whether our own kernel is the faster one: several documents a row, in bfloat16, on a CPU."""
        is_on_cpu = query.device.type == "cpu"
        return is_on_cpu and query.dtype == torch.bfloat16 and self.mask_B1TT is not None


def document_mask(positions_BT: Tensor) -> Tensor:
    """(B, 1, T, T): True where the query may read the key.

    Positions restart at 0 with each document, so the running count of zeros numbers the documents.
    """
    documents_BT = (positions_BT == 0).cumsum(dim=1)
    same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
    length = positions_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=positions_BT.device).tril()
    return (same_BTT & causal_TT)[:, None]
