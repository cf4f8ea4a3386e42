"""Attention over paged keys and values: the engine's `Attend`.

A step's tokens lie in one flat batch: decode rows first, one token each, then chunks. `attention_plan`
works out once a step where each token is written and what each query reads; `PagedAttention` does it for
one layer after the other. Decode rows of similar length are padded to a group and read in one call;
queries that share a key/value head go in as several queries of that head, so nothing is copied per head.
Shapes: T tokens, R rows of a group, L padded length, N tokens of a chunk, H query heads, K key/value
heads, G = H / K, E head dimension. Enters: rows of integers. Leaves: what each query read. Read next:
`chunk_attention.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.chunk_attention import chunk_attention, chunk_mask
from caesura.engine.kv_store import KVStore
from caesura.engine.scheduler import Row

# A group of decode rows may pad this many pages, and this share of its pages; a further group costs
# about as much as reading the former.
_FREE_PADDING = 16
_PADDING_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Decode rows that are read together.

    rows: which tokens of the batch.
    page_rows: the (page, head) rows to gather, for (2, R, K, pages) in this order.
    gathered: the scratch space for them, and in it key_RKLE and value_RKLE, cut to the longest row.
    mask_R11L: 0 where a row has a token, -inf where it has padding; None where no row has any.
    """

    rows: slice
    page_rows: Tensor
    gathered: Tensor
    key_RKLE: Tensor
    value_RKLE: Tensor
    mask_R11L: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive tokens of one sequence.

    rows: which tokens of the batch.
    page_rows: the (page, head) rows to gather, for (2, K, pages); None where nothing was computed before.
    mask_NL: see `chunk_mask`.
    length: the tokens up to and including the chunk.
    """

    rows: slice
    page_rows: Tensor | None
    mask_NL: Tensor | None
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPlan:
    """A step's reading and writing.

    written: the token rows that receive the batch's keys and values, for (T, 2, K) in this order.
    groups, chunks: what is read, in the order of the batch.
    """

    written: Tensor
    groups: tuple[Group, ...]
    chunks: tuple[Chunk, ...]


def attention_plan(rows: Sequence[Row], num_decode: int, store: KVStore) -> AttentionPlan:
    """The plan for a batch. The fewer pages, the later: decode rows come sorted by length, longest first."""
    chunks: list[Chunk] = []
    start = num_decode
    for row in rows[num_decode:]:
        chunks.append(_chunk(row, start, store))
        start += len(row.tokens)
    groups = (_group(rows[a:b], a, store) for a, b in _grouped(rows[:num_decode], store.page_size))
    return AttentionPlan(written=_written(rows, store), groups=tuple(groups), chunks=tuple(chunks))


class PagedAttention:
    """One step's `Attend` over a store."""

    def __init__(self, store: KVStore, plan: AttentionPlan) -> None:
        self._store = store
        self._plan = plan

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query: (T, H, E); key, value: (T, K, E). Returns (T, H, E)."""
        rows = torch.cat((key, value), dim=-2).view(-1, self._store.head_dim)
        self._store.token_rows(layer).index_copy_(0, self._plan.written, rows)
        groups = [self._read_group(layer, query, group) for group in self._plan.groups]
        chunks = [self._read_chunk(layer, query, key, value, chunk) for chunk in self._plan.chunks]
        reads = groups + chunks
        return reads[0] if len(reads) == 1 else torch.cat(reads)

    def _read_group(self, layer: int, query: Tensor, group: Group) -> Tensor:
        torch.index_select(self._store.page_rows(layer), 0, group.page_rows, out=group.gathered)
        key_RKLE, value_RKLE = group.key_RKLE, group.value_RKLE
        query_RKGE = query[group.rows].view(len(key_RKLE), self._store.num_kv_heads, -1, self._store.head_dim)
        read = F.scaled_dot_product_attention(query_RKGE, key_RKLE, value_RKLE, attn_mask=group.mask_R11L)
        return read.flatten(1, 2)

    def _read_chunk(self, layer: int, query: Tensor, key: Tensor, value: Tensor, chunk: Chunk) -> Tensor:
        store, page_rows = self._store, chunk.page_rows
        if page_rows is None:
            key_KLE, value_KLE = (x[chunk.rows].transpose(0, 1) for x in (key, value))
        else:
            gathered = store.scratch(len(page_rows))
            torch.index_select(store.page_rows(layer), 0, page_rows, out=gathered)
            history = gathered.view(2, store.num_kv_heads, -1, store.head_dim)
            key_KLE, value_KLE = history[:, :, : chunk.length].unbind(0)
        return chunk_attention(query[chunk.rows], key_KLE, value_KLE, chunk.mask_NL)


def _written(rows: Sequence[Row], store: KVStore) -> Tensor:
    """For every token, its rows: (page * 2K + head) * page_size + position within the page."""
    size = store.page_size
    stride = 2 * store.num_kv_heads * size
    first = [
        row.pages[position // size] * stride + position % size
        for row in rows
        for position in range(row.start, row.start + len(row.tokens))
    ]
    first_T = torch.tensor(first, device=store.device)
    return (first_T[:, None] + store.row_offsets).flatten()


def _grouped(rows: Sequence[Row], page_size: int) -> Iterator[tuple[int, int]]:
    """Cut decode rows, longest first, into runs that waste little padding."""
    start = padding = 0
    longest = held = 0
    for index, row in enumerate(rows):
        pages = row.start // page_size + 1
        if index > start and padding + longest - pages > _FREE_PADDING + _PADDING_SHARE * held:
            yield start, index
            start, padding, held = index, 0, 0
        longest = pages if index == start else longest
        padding += longest - pages
        held += pages
    if rows:
        yield start, len(rows)


def _group(rows: Sequence[Row], start: int, store: KVStore) -> Group:
    longest = rows[0].start + 1
    num_pages = (longest - 1) // store.page_size + 1
    table: list[int] = []
    for row in rows:
        used = row.pages[: row.start // store.page_size + 1]
        table.extend(used)
        table.extend([0] * (num_pages - len(used)))
    pages_RP = torch.tensor(table, device=store.device).view(len(rows), num_pages)
    heads_2RKP = _heads(store)[:, None, :, None] + pages_RP[None, :, None] * (2 * store.num_kv_heads)
    page_rows = heads_2RKP.flatten()
    gathered = store.scratch(len(page_rows))
    history = gathered.view(2, len(rows), store.num_kv_heads, -1, store.head_dim)
    key_RKLE, value_RKLE = history[..., :longest, :].unbind(0)
    has_padding = rows[-1].start < rows[0].start
    return Group(
        rows=slice(start, start + len(rows)),
        page_rows=page_rows,
        gathered=gathered,
        key_RKLE=key_RKLE,
        value_RKLE=value_RKLE,
        mask_R11L=_padding_mask(rows, longest, store) if has_padding else None,
    )


def _padding_mask(rows: Sequence[Row], longest: int, store: KVStore) -> Tensor:
    last_R = torch.tensor([row.start for row in rows], device=store.device)
    is_padding = torch.arange(longest, device=store.device) > last_R[:, None]
    mask = torch.zeros(is_padding.shape, dtype=store.dtype, device=store.device)
    return mask.masked_fill_(is_padding, -torch.inf)[:, None, None]


def _chunk(row: Row, start: int, store: KVStore) -> Chunk:
    rows, length = slice(start, start + len(row.tokens)), row.start + len(row.tokens)
    if row.start == 0:
        return Chunk(rows=rows, page_rows=None, mask_NL=None, length=length)
    pages_P = torch.tensor(row.pages[: (length - 1) // store.page_size + 1], device=store.device)
    heads_2KP = _heads(store)[:, :, None] + pages_P * (2 * store.num_kv_heads)
    mask_NL = chunk_mask(len(row.tokens), length, store.dtype, store.device)
    return Chunk(rows=rows, page_rows=heads_2KP.flatten(), mask_NL=mask_NL, length=length)


def _heads(store: KVStore) -> Tensor:
    """(2, K): the number of each key or value head within a page."""
    return torch.arange(2 * store.num_kv_heads, device=store.device).view(2, -1)
