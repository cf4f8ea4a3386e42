"""Attention of decode rows whose histories are read where they lie: long ones, and those that begin with
the same pages, which are read once for all of them.

The scores of what is shared and of each row's own tail lie side by side, so one softmax covers both. All
is padded to whole pages: oneDNN prepares a product anew for each size, which takes longer than the product.
Shapes: R rows, S shared tokens, L padded length of the tails, P pages of a tail, H query heads, K key/value
heads, G = H / K, M = R * G, E head dimension. Enters: a cluster. Leaves: what each row read. Read next:
`shared_prefixes.py`, which finds clusters; `chunk_attention.py`, whose products these are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.chunk_attention import fold, put_scores, put_values, unfold
from caesura.engine.history import History, Piece, history
from caesura.engine.kv_store import KVStore
from caesura.engine.shared_prefixes import Cluster

# Up to so many tokens torch's own attention, a single call, is faster than products.
_MAX_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneRead:
    """What a single long row reads.

    rows: which token of the batch.
    tokens: up to and including its own, and what follows in its last page.
    length: the tokens that count.
    is_at_once: whether torch's own attention does it; for one run only, of keys and values without scales.
    """

    rows: slice
    tokens: History
    length: int
    is_at_once: bool

    def read(self, store: KVStore, layer: int, query: Tensor) -> Tensor:
        """query: (T, H, E), the whole batch. Returns (1, H, E)."""
        if self.is_at_once:
            piece = next(self.tokens.pieces(store, layer))
            key, value = (x[None, :, : self.length] for x in (piece.key_KLE, piece.value_KLE))
            query_1KGE = query[self.rows].view(1, store.num_kv_heads, -1, store.head_dim)
            return F.scaled_dot_product_attention(query_1KGE, key, value).flatten(1, 2)
        pieces = list(self.tokens.scaled_pieces(store, layer))
        query_KGE = fold(query[self.rows], store.num_kv_heads)
        scores = store.space("scores", store.num_kv_heads, query_KGE.shape[1], self.tokens.length)
        put_scores(scores, query_KGE, pieces)
        scores[:, :, self.length :] = -torch.inf
        torch.softmax(scores, dim=-1, out=scores)
        read = torch.empty_like(query_KGE)
        put_values(read, scores, pieces)
        return unfold(read, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRead:
    """What a cluster reads.

    rows: which tokens of the batch.
    shared: the tokens that all read.
    tail_rows: the (head, page) rows of what follows them, for (2, K, R, P) in this order.
    tail_length: of all tails, with their padding.
    is_padding_R1L: True where a tail has no token.
    """

    rows: slice
    shared: History
    tail_rows: Tensor
    tail_length: int
    is_padding_R1L: Tensor

    def read(self, store: KVStore, layer: int, query: Tensor) -> Tensor:
        """query: (T, H, E), the whole batch. Returns (R, H, E)."""
        num_rows, num_shared = self.rows.stop - self.rows.start, self.shared.length
        query_KME = fold(query[self.rows], store.num_kv_heads)
        pieces = list(self.shared.pieces(store, layer))
        tail = self._tail(store, layer, num_rows)
        num_keys = num_shared + self.tail_length
        scores = store.space("scores", store.num_kv_heads, query_KME.shape[1], num_keys)
        put_scores(scores[:, :, :num_shared], query_KME, pieces)
        # Every row's queries beside its own keys: (K * R, G, ...).
        own_KRGL = scores.unflatten(1, (num_rows, -1))[..., num_shared:]
        own_query = query_KME.unflatten(1, (num_rows, -1)).flatten(0, 1)
        own_scores = torch.bmm(tail.key_KLE, own_query.transpose(1, 2)).transpose(1, 2)
        own_KRGL.copy_(own_scores.unflatten(0, (-1, num_rows)))
        own_KRGL.masked_fill_(self.is_padding_R1L, -torch.inf)
        torch.softmax(scores, dim=-1, out=scores)
        read = torch.empty_like(query_KME, memory_format=torch.contiguous_format)
        put_values(read, scores[:, :, :num_shared], pieces)
        own = torch.bmm(own_KRGL.flatten(0, 1), tail.value_KLE)
        return unfold(read.add_(own.view_as(read)), num_rows)

    def _tail(self, store: KVStore, layer: int, num_rows: int) -> Piece:
        """(K * R, L, E) each."""
        gathered = store.gather(layer, self.tail_rows, "tail").widened()
        heads = gathered.view(2, store.num_kv_heads * num_rows, -1, store.head_dim)
        return Piece(*heads)


def cluster_read(cluster: Cluster, start: int, store: KVStore) -> LoneRead | SharedRead:
    """start: where in the batch the cluster's rows begin."""
    if len(cluster.rows) != 1:
        return _shared_read(cluster, start, store)
    row = cluster.rows[0]
    pages = np.asarray(row.pages[: row.start // store.page_size + 1], dtype=np.int64)
    tokens = history(pages, len(pages) * store.page_size, store)
    length = row.start + 1
    is_at_once = len(tokens.runs) == 1 and length <= _MAX_AT_ONCE and store.stored_dtype == store.dtype
    return LoneRead(rows=slice(start, start + 1), tokens=tokens, length=length, is_at_once=is_at_once)


def _shared_read(cluster: Cluster, start: int, store: KVStore) -> SharedRead:
    size, num_shared = store.page_size, len(cluster.pages)
    lengths = [row.start + 1 - num_shared * size for row in cluster.rows]
    num_pages = (max(lengths) - 1) // size + 1
    tails = [row.pages[num_shared : row.start // size + 1] for row in cluster.rows]
    # Padding is masked, yet 0 times infinity is not 0: nobody may read what another has written.
    table = [[*tail, *[tail[0]] * (num_pages - len(tail))] for tail in tails]
    tail_rows = store.head_offsets[:, None, None] + torch.tensor(table, device=store.device)
    length_R = torch.tensor(lengths, device=store.device)
    return SharedRead(
        rows=slice(start, start + len(cluster.rows)),
        shared=history(cluster.pages, num_shared * size, store),
        tail_rows=tail_rows.flatten(),
        tail_length=num_pages * size,
        is_padding_R1L=torch.arange(num_pages * size, device=store.device) >= length_R[:, None, None],
    )
