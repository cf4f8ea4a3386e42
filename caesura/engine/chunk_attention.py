"""Attention of a chunk: the last N tokens of L read what came before them, and each other up to themselves.

torch's CPU kernel is slow in bfloat16: there, blocks of queries take two products and a softmax each, over
no more keys than the block's last query may read, padded to whole pages: oneDNN prepares a product anew for
each size. Elsewhere torch's own is as fast or faster.
Shapes: N queries, L keys, H query heads, K key/value heads, G = H / K, M = N * G, E head dimension; queries
that share a key/value head are folded into one product. Enters: queries, and pieces of keys and values.
Leaves: what each query read. Read next: `paged_attention.py`, whose chunks come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.engine.history import Piece
from caesura.engine.kv_store import KVStore

# The scores of a block should stay in the cache, its products should not be small.
_BLOCK = 128


def chunk_attention(
    query_NHE: Tensor,
    pieces: Sequence[Piece],
    store: KVStore,
    *,
    length: int,
    mask_NL: Tensor | None = None,
) -> Tensor:
    """softmax(Q K' / sqrt(E)) V, query n reading the keys up to L - N + n. Returns (N, H, E).

    pieces: hold L keys, and where it works in blocks any number of others after those. store: lends the
    space for scores. length: L. mask_NL: what `chunk_mask` gave for this N and L.
    """
    if works_in_blocks(query_NHE.dtype, query_NHE.device):
        return _in_blocks(query_NHE, pieces, store, length)
    return _at_once(query_NHE, pieces, mask_NL)


def works_in_blocks(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether chunks are read in blocks of our own."""
    return device.type == "cpu" and dtype == torch.bfloat16


def chunk_mask(size: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """(N, L): 0 where a token reads a position, -inf where it lies ahead; None where no mask is needed."""
    if size == length or works_in_blocks(dtype, device):
        return None
    mask = torch.full((size, length), -torch.inf, dtype=dtype, device=device)
    return mask.triu_(length - size + 1)


def fold(query_NHE: Tensor, num_kv_heads: int) -> Tensor:
    """(K, N * G, E), divided by sqrt(E): the queries that share a key/value head, side by side."""
    num_queries, num_heads, size = query_NHE.shape
    shape = (num_queries, num_kv_heads, num_heads // num_kv_heads, size)
    return (query_NHE * size**-0.5).view(shape).transpose(0, 1).flatten(1, 2)


def unfold(read_KME: Tensor, num_queries: int) -> Tensor:
    """(N, H, E): the inverse of `fold`'s order."""
    return read_KME.unflatten(1, (num_queries, -1)).transpose(0, 1).flatten(1, 2)


def put_scores(scores_KML: Tensor, query_KME: Tensor, pieces: Iterable[Piece]) -> None:
    """Q K' of one piece after the other. Head by head: batched products copy keys and values that do not
    lie back to back.
    """
    for span, piece in _spans(pieces, scores_KML.shape[2]):
        for scores_ML, query_ME, key_LE in zip(scores_KML, query_KME, piece.key_KLE, strict=True):
            torch.mm(query_ME, key_LE.t(), out=scores_ML[:, span])
        if piece.key_scale_K1L is not None:
            scores_KML[:, :, span].mul_(piece.key_scale_K1L)


def put_values(read_KME: Tensor, weights_KML: Tensor, pieces: Iterable[Piece]) -> None:
    """P V of all pieces together. Weights of values that have scales are overwritten."""
    for span, piece in _spans(pieces, weights_KML.shape[2]):
        if piece.value_scale_K1L is not None:
            weights_KML[:, :, span].mul_(piece.value_scale_K1L)
        for read_ME, weights_ML, value_LE in zip(read_KME, weights_KML, piece.value_KLE, strict=True):
            if span.start:
                read_ME.addmm_(weights_ML[:, span], value_LE)
            else:
                torch.mm(weights_ML[:, span], value_LE, out=read_ME)


def _in_blocks(query_NHE: Tensor, pieces: Sequence[Piece], store: KVStore, length: int) -> Tensor:
    num_queries, group = len(query_NHE), query_NHE.shape[1] // store.num_kv_heads
    num_held = sum(piece.key_KLE.shape[1] for piece in pieces)
    folded = fold(query_NHE, store.num_kv_heads)
    read = torch.empty_like(folded, memory_format=torch.contiguous_format)
    for start in range(0, num_queries, _BLOCK):
        stop = min(num_queries, start + _BLOCK)
        rows, num_before = slice(start * group, stop * group), length - num_queries + start
        num_keys = min(num_held, _whole_pages(num_before + stop - start, store.page_size))
        scores = store.space("scores", store.num_kv_heads, rows.stop - rows.start, num_keys)
        put_scores(scores, folded[:, rows], pieces)
        _hide_later_keys(scores.unflatten(1, (stop - start, group))[..., num_before:])
        torch.softmax(scores, dim=-1, out=scores)
        put_values(read[:, rows], scores, pieces)
    return unfold(read, num_queries)


def _spans(pieces: Iterable[Piece], num_keys: int) -> Iterator[tuple[slice, Piece]]:
    """Where each piece's scores are, and the piece, as far as the first `num_keys` go."""
    start = 0
    for piece in pieces:
        stop = min(num_keys, start + piece.key_KLE.shape[1])
        if start == stop:
            return
        yield slice(start, stop), piece.first(stop - start)
        start = stop


def _whole_pages(num_tokens: int, page_size: int) -> int:
    return -(-num_tokens // page_size) * page_size


def _hide_later_keys(scores_KNGL: Tensor) -> None:
    """The first N keys are the queries' own tokens: each query loses those behind its own, and padding."""
    _, num_queries, _, num_keys = scores_KNGL.shape
    is_later_NL = torch.ones(num_queries, num_keys, dtype=torch.bool, device=scores_KNGL.device).triu_(1)
    scores_KNGL.masked_fill_(is_later_NL[:, None], -torch.inf)


def _at_once(query_NHE: Tensor, pieces: Sequence[Piece], mask_NL: Tensor | None) -> Tensor:
    key_KLE = _joined([piece.key_KLE for piece in pieces])
    value_KLE = _joined([piece.value_KLE for piece in pieces])
    query_KGNE = query_NHE.unflatten(1, (len(key_KLE), -1)).permute(1, 2, 0, 3)
    shape = (-1, query_KGNE.shape[1], -1, -1)
    read_KGNE = F.scaled_dot_product_attention(
        query_KGNE,
        key_KLE[:, None].expand(shape),
        value_KLE[:, None].expand(shape),
        attn_mask=mask_NL,
        is_causal=mask_NL is None,
    )
    return read_KGNE.permute(2, 0, 1, 3).flatten(1, 2)


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
