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
    windows: the network's `ModelConfig.windows`.
    """

    mask_B1TT: Tensor | None = None
    windows: tuple[int | None, ...] = ()

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Under autocast, norms and rotation have left queries and keys in float32.
        query, key = query.to(value.dtype), key.to(value.dtype)
        mask = self._mask(layer, query)
        if mask is not None and _is_blocked(query):
            return blocked_attention(query, key, value, mask.expand(query.shape[0], -1, -1, -1))
        query_BHTE, key_BKTE, value_BKTE = (x.transpose(1, 2) for x in (query, key, value))
        read_BHTE = F.scaled_dot_product_attention(
            query_BHTE,
            key_BKTE,
            value_BKTE,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=True,
        )
        return read_BHTE.transpose(1, 2)

    def _mask(self, layer: int, query: Tensor) -> Tensor | None:
        """(B or 1, 1, T, T): the documents' mask, narrowed to what the layer's window reaches."""
        window = self.windows[layer] if self.windows else None
        if window is None or window >= query.shape[1]:
            return self.mask_B1TT
        band_11TT = window_mask(query.shape[1], window, query.device)[None, None]
        return band_11TT if self.mask_B1TT is None else self.mask_B1TT & band_11TT


def _is_blocked(query: Tensor) -> bool:
    """Whether our own kernel is the faster one under a mask: in bfloat16 on a CPU."""
    return query.device.type == "cpu" and query.dtype == torch.bfloat16


def window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """(T, T): True where 0 <= query - key < window."""
    index_T = torch.arange(length, device=device)
    distance_TT = index_T[:, None] - index_T
    return (distance_TT >= 0) & (distance_TT < window)


def document_mask(positions_BT: Tensor) -> Tensor:
    """(B, 1, T, T): True where the query may read the key.

    Positions restart at 0 with each document, so the running count of zeros numbers the documents.
    """
    documents_BT = (positions_BT == 0).cumsum(dim=1)
    same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
    length = positions_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=positions_BT.device).tril()
    return (same_BTT & causal_TT)[:, None]
