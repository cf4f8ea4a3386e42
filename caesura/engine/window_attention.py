"""Attention over pages for layers that look back only so far (Mistral's and Qwen's sliding windows).

A query at position q reads the keys k with 0 <= q - k < window, so only the pages that the window touches
are gathered. Layers without a window go on as before. Pages that no window reaches any more are kept: other
layers, or other conversations with the same beginning, may still read them.
Shapes: T tokens, R decode rows, N tokens of a chunk, L gathered positions, P pages of each row, H query
heads, K key/value heads, G = H / K, E head dimension. Enters: a step's rows. Leaves: what each query read.
Read next: `paged_attention.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.kv_store import KVStore
from caesura.engine.paged_attention import AttentionPlan, PagedAttention
from caesura.engine.scheduler import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What some rows of the batch read through one window.

    tokens: which tokens of the batch.
    num_rows: 1 for a chunk; for decode rows, how many.
    page_rows: the (head, page) rows to gather, for (2, R, K, P) in this order.
    mask_RNL: True where a query may read what was gathered.
    """

    tokens: slice
    num_rows: int
    page_rows: Tensor
    mask_RNL: Tensor


class WindowedAttention:
    """One step's `Attend` for a model some of whose layers have windows."""

    def __init__(
        self,
        store: KVStore,
        plan: AttentionPlan,
        rows: Sequence[Row],
        num_decode: int,
        windows: Sequence[int | None],
    ) -> None:
        """rows, num_decode: what the plan was made of. windows: each layer's."""
        self._store = store
        self._plan = plan
        self._full = PagedAttention(store, plan)
        self._windows = windows
        distinct = {window for window in windows if window is not None}
        self._reaches = {window: _reaches(rows, num_decode, window, store) for window in distinct}

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query: (T, H, E); key, value: (T, K, E). Returns (T, H, E)."""
        window = self._windows[layer]
        if window is None:
            return self._full(layer, query, key, value)
        self._store.write(layer, self._plan.written, key, value)
        return torch.cat([self._read(layer, query[reach.tokens], reach) for reach in self._reaches[window]])

    def _read(self, layer: int, query: Tensor, reach: Reach) -> Tensor:
        store, num_rows = self._store, reach.num_rows
        gathered = store.gather(layer, reach.page_rows, "history").widened()
        history = gathered.view(2, num_rows, store.num_kv_heads, -1, store.head_dim)
        heads = query.unflatten(0, (num_rows, -1)).unflatten(2, (store.num_kv_heads, -1))
        query_RKGNE = heads.permute(0, 2, 3, 1, 4)
        shape = (-1, -1, query_RKGNE.shape[2], -1, -1)
        key, value = (part[:, :, None].expand(shape) for part in history)
        mask = reach.mask_RNL[:, None, None]
        read_RKGNE = F.scaled_dot_product_attention(query_RKGNE, key, value, attn_mask=mask)
        return read_RKGNE.permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)


def _reaches(rows: Sequence[Row], num_decode: int, window: int, store: KVStore) -> tuple[Reach, ...]:
    """Decode rows in one, since windows are of one width; chunks one by one."""
    parts = [(rows[:num_decode], 0)] if num_decode else []
    start = num_decode
    for row in rows[num_decode:]:
        parts.append(([row], start))
        start += len(row.tokens)
    return tuple(_reach(part, start, window, store) for part, start in parts)


def _reach(rows: Sequence[Row], start: int, window: int, store: KVStore) -> Reach:
    """Rows of as many tokens each. What is gathered ends with a row's last page; rows whose history is
    shorter than others' are filled up in front with their own first page, which the mask hides.
    """
    size, num_tokens = store.page_size, len(rows[0].tokens)
    lasts = [(row.start + num_tokens - 1) // size for row in rows]
    num_pages = max(
        last - max(0, row.start - window + 1) // size + 1 for row, last in zip(rows, lasts, strict=True)
    )
    table = [_last_pages(row.pages[: last + 1], num_pages) for row, last in zip(rows, lasts, strict=True)]
    pages_RP = torch.tensor(table, device=store.device)
    heads_2K = store.head_offsets.view(2, -1)
    page_rows = heads_2K[:, None, :, None] + pages_RP[None, :, None]
    return Reach(
        tokens=slice(start, start + len(rows) * num_tokens),
        num_rows=len(rows),
        page_rows=page_rows.flatten(),
        mask_RNL=_mask(rows, [(last + 1 - num_pages) * size for last in lasts], num_pages, window, store),
    )


def _last_pages(pages: Sequence[int], count: int) -> list[int]:
    return [*[pages[0]] * (count - len(pages)), *pages[-count:]]


def _mask(rows: Sequence[Row], firsts: Sequence[int], num_pages: int, window: int, store: KVStore) -> Tensor:
    """firsts: the position that each row's gathered history starts at, below 0 where it was filled up."""
    device = store.device
    starts_R = torch.tensor([row.start for row in rows], device=device)
    query_RN = starts_R[:, None] + torch.arange(len(rows[0].tokens), device=device)
    slots_L = torch.arange(num_pages * store.page_size, device=device)
    key_RL = torch.tensor(firsts, device=device)[:, None] + slots_L
    distance_RNL = query_RN[:, :, None] - key_RL[:, None]
    return (distance_RNL >= 0) & (distance_RNL < window) & (key_RL >= 0)[:, None]
