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
        dtype = query.dtype
        if query.device.type == "cpu":
            # torch's CPU kernel is faster in float32 than in bfloat16, at 128 tokens twice as fast.
            query, key, value = query.float(), key.float(), value.float()
        query_BHTE, key_BKTE, value_BKTE = (x.transpose(1, 2) for x in (query, key, value))
        read_BHTE = F.scaled_dot_product_attention(
            query_BHTE,
            key_BKTE,
            value_BKTE,
            attn_mask=self.mask_B1TT,
            is_causal=self.mask_B1TT is None,
            enable_gqa=True,
        )
        return read_BHTE.transpose(1, 2).to(dtype)


def document_mask(positions_BT: Tensor) -> Tensor:
    """(B, 1, T, T): True where the query may read the key.

    Positions restart at 0 with each document, so the running count of zeros numbers the documents.
    """
    documents_BT = (positions_BT == 0).cumsum(dim=1)
    same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
    length = positions_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=positions_BT.device).tril()
    return (same_BTT & causal_TT)[:, None]
