"""Attention over paged keys and values: the engine's `Attend`.

A step's tokens lie in one flat batch: decode rows first, one token each, then chunks. `attention_plan`
works out once a step where each token is written and what each query reads; `PagedAttention` does it for
one layer after the other. Decode rows that begin alike, and long ones, read their histories where they lie
(`shared_attention.py`). The others are padded to groups of similar length, gathered and read in one call;
queries that share a key/value head go in as several queries of that head, so nothing is copied per head.
Shapes: T tokens, R rows of a group, L padded length, N tokens of a chunk, H query heads, K key/value
heads, G = H / K, E head dimension. Enters: rows of integers. Leaves: what each query read. Read next:
`history.py`, `chunk_attention.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.chunk_attention import chunk_attention, chunk_mask, works_in_blocks
from caesura.engine.history import History, Piece, history
from caesura.engine.kv_store import KVStore
from caesura.engine.scheduler import Row
from caesura.engine.shared_attention import LoneRead, SharedRead, cluster_read
from caesura.engine.shared_prefixes import Arrangement

# A group of decode rows may pad this many pages, and this share of its pages; a further group costs
# about as much as reading the former.
_FREE_PADDING = 16
_PADDING_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Decode rows that are read together.

    rows: which tokens of the batch.
    page_rows: the (head, page) rows to gather, for (2, R, K, pages) in this order.
    num_rows, length: how many rows, and of the longest one.
    mask_R11L: 0 where a row has a token, -inf where it has padding; None where no row has any.
    """

    rows: slice
    page_rows: Tensor
    num_rows: int
    length: int
    mask_R11L: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive tokens of one sequence.

    rows: which tokens of the batch.
    tokens: what they read, themselves included, and perhaps what follows in the last page; None where that
        is what the step itself computes.
    length: the tokens that count.
    mask_NL: see `chunk_mask`.
    """

    rows: slice
    tokens: History | None
    length: int
    mask_NL: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPlan:
    """A step's reading and writing.

    written: the token rows that receive the batch's keys and values, for (T, 2, K) in this order.
    clusters, groups, chunks: what is read, in the order of the batch.
    """

    written: Tensor
    clusters: tuple[LoneRead | SharedRead, ...]
    groups: tuple[Group, ...]
    chunks: tuple[Chunk, ...]


def attention_plan(decode: Arrangement, chunks: Sequence[Row], store: KVStore) -> AttentionPlan:
    """The plan for a batch: the arrangement's rows in its order, then the chunks."""
    rows, start = [*decode.rows, *chunks], 0
    clusters: list[LoneRead | SharedRead] = []
    for cluster in decode.clusters:
        clusters.append(cluster_read(cluster, start, store))
        start += len(cluster.rows)
    others = decode.others
    groups = [_group(others[a:b], start + a, store) for a, b in _grouped(others, store.page_size)]
    start += len(others)
    planned: list[Chunk] = []
    for row in chunks:
        planned.append(_chunk(row, start, store))
        start += len(row.tokens)
    return AttentionPlan(
        written=_written(rows, store), clusters=tuple(clusters), groups=tuple(groups), chunks=tuple(planned)
    )


class PagedAttention:
    """One step's `Attend` over a store."""

    def __init__(self, store: KVStore, plan: AttentionPlan) -> None:
        self._store = store
        self._plan = plan

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query: (T, H, E); key, value: (T, K, E). Returns (T, H, E)."""
        self._store.write(layer, self._plan.written, key, value)
        clusters = [cluster.read(self._store, layer, query) for cluster in self._plan.clusters]
        groups = [self._read_group(layer, query, group) for group in self._plan.groups]
        chunks = [self._read_chunk(layer, query, key, value, chunk) for chunk in self._plan.chunks]
        reads = clusters + groups + chunks
        return reads[0] if len(reads) == 1 else torch.cat(reads)

    def _read_group(self, layer: int, query: Tensor, group: Group) -> Tensor:
        store, num_rows = self._store, group.num_rows
        gathered = store.gather(layer, group.page_rows, "history").widened()
        history = gathered.view(2, num_rows, store.num_kv_heads, -1, store.head_dim)
        key_RKLE, value_RKLE = history[..., : group.length, :]
        query_RKGE = query[group.rows].view(num_rows, store.num_kv_heads, -1, store.head_dim)
        read = F.scaled_dot_product_attention(query_RKGE, key_RKLE, value_RKLE, attn_mask=group.mask_R11L)
        return read.flatten(1, 2)

    def _read_chunk(self, layer: int, query: Tensor, key: Tensor, value: Tensor, chunk: Chunk) -> Tensor:
        if chunk.tokens is None:
            pieces = [Piece(*(x[chunk.rows].transpose(0, 1) for x in (key, value)))]
        else:
            pieces = list(chunk.tokens.pieces(self._store, layer))
        return chunk_attention(
            query[chunk.rows], pieces, self._store, length=chunk.length, mask_NL=chunk.mask_NL
        )


def _written(rows: Sequence[Row], store: KVStore) -> Tensor:
    """For every token, its rows: (head * num_pages + page) * page_size + position within the page."""
    size = store.page_size
    first = [
        row.pages[position // size] * size + position % size
        for row in rows
        for position in range(row.start, row.start + len(row.tokens))
    ]
    first_T = torch.tensor(first, device=store.device)
    return (first_T[:, None] + store.head_offsets * size).flatten()


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
        # Padding is masked, yet 0 times infinity is not 0: nobody may read what another has written.
        table.extend([used[0]] * (num_pages - len(used)))
    pages_RP = torch.tensor(table, device=store.device).view(len(rows), num_pages)
    heads_2RKP = store.head_offsets.view(2, 1, -1, 1) + pages_RP[None, :, None]
    page_rows = heads_2RKP.flatten()
    has_padding = rows[-1].start < rows[0].start
    return Group(
        rows=slice(start, start + len(rows)),
        page_rows=page_rows,
        num_rows=len(rows),
        length=longest,
        mask_R11L=_padding_mask(rows, longest, store) if has_padding else None,
    )


def _padding_mask(rows: Sequence[Row], longest: int, store: KVStore) -> Tensor:
    last_R = torch.tensor([row.start for row in rows], device=store.device)
    is_padding = torch.arange(longest, device=store.device) > last_R[:, None]
    mask = torch.zeros(is_padding.shape, dtype=store.dtype, device=store.device)
    return mask.masked_fill_(is_padding, -torch.inf)[:, None, None]


def _chunk(row: Row, start: int, store: KVStore) -> Chunk:
    rows, length = slice(start, start + len(row.tokens)), row.start + len(row.tokens)
    # The first of its prompt reads nothing but what it has just computed.
    if row.start == 0 and store.stored_dtype == store.dtype:
        return Chunk(rows=rows, tokens=None, length=length, mask_NL=None)
    pages = np.asarray(row.pages[: (length - 1) // store.page_size + 1], dtype=np.int64)
    held = len(pages) * store.page_size if works_in_blocks(store.dtype, store.device) else length
    mask_NL = chunk_mask(len(row.tokens), length, store.dtype, store.device)
    return Chunk(rows=rows, tokens=history(pages, held, store), length=length, mask_NL=mask_NL)
