"""Attention of a chunk: the last N tokens of L read what came before them, and each other up to themselves.

torch's CPU kernel is slow in bfloat16: there, blocks of queries take two products and a softmax each, over
no more keys than the block's last query may read. Elsewhere torch's own is as fast or faster.
Shapes: N queries, L keys, H query heads, K key/value heads, G = H / K, E head dimension; queries that share
a key/value head are folded into one product, (K, N * G, E). Enters: queries, keys, values. Leaves: what
each query read. Read next: `paged_attention.py`, whose chunks come here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# The scores of a block should stay in the cache, its products should not be small.
_BLOCK = 128


def chunk_attention(
    query_NHE: Tensor, key_KLE: Tensor, value_KLE: Tensor, mask_NL: Tensor | None = None
) -> Tensor:
    """softmax(Q K' / sqrt(E)) V, query n reading the keys up to L - N + n. Returns (N, H, E).

    mask_NL: what `chunk_mask` gave for this N and L.
    """
    if works_in_blocks(query_NHE.dtype, query_NHE.device):
        return _in_blocks(query_NHE, key_KLE, value_KLE)
    return _at_once(query_NHE, key_KLE, value_KLE, mask_NL)


def works_in_blocks(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether chunks are read in blocks of our own."""
    return device.type == "cpu" and dtype == torch.bfloat16


def chunk_mask(size: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """(N, L): 0 where a token reads a position, -inf where it lies ahead; None where no mask is needed."""
    if size == length or works_in_blocks(dtype, device):
        return None
    mask = torch.full((size, length), -torch.inf, dtype=dtype, device=device)
    return mask.triu_(length - size + 1)


def _in_blocks(query_NHE: Tensor, key_KLE: Tensor, value_KLE: Tensor) -> Tensor:
    num_queries, num_heads, size = query_NHE.shape
    num_kv_heads, length, _ = key_KLE.shape
    group = num_heads // num_kv_heads
    folded = (query_NHE * size**-0.5).unflatten(1, (num_kv_heads, group)).transpose(0, 1).flatten(1, 2)
    key_KEL, read = key_KLE.transpose(1, 2), torch.empty_like(folded)
    for start in range(0, num_queries, _BLOCK):
        stop = min(num_queries, start + _BLOCK)
        rows, num_keys = slice(start * group, stop * group), length - num_queries + stop
        scores = torch.bmm(folded[:, rows], key_KEL[:, :, :num_keys])
        _hide_later_keys(scores.view(num_kv_heads, stop - start, group, num_keys))
        torch.softmax(scores, dim=-1, out=scores)
        torch.bmm(scores, value_KLE[:, :num_keys], out=read[:, rows])
    return read.unflatten(1, (num_queries, group)).transpose(0, 1).flatten(1, 2)


def _hide_later_keys(scores_KNGL: Tensor) -> None:
    """The last N keys are the queries' own tokens: each query loses those behind its own."""
    size = scores_KNGL.shape[1]
    is_later_NN = torch.ones(size, size, dtype=torch.bool, device=scores_KNGL.device).triu_(1)
    scores_KNGL[..., -size:].masked_fill_(is_later_NN[:, None], -torch.inf)


def _at_once(query_NHE: Tensor, key_KLE: Tensor, value_KLE: Tensor, mask_NL: Tensor | None) -> Tensor:
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
