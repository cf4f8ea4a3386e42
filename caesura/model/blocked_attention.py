"""Attention over packed rows for training in bfloat16 on a CPU: a few rows and queries at a time.

torch's own CPU kernel spends most of its time outside of matrix products at the lengths that small models
are trained on. Here each block is four products and a softmax over scores that stay in the cache, and keys
that no query of a block may read are never touched. Both directions are operators of their own, so that a
compiled training step calls them as they are.
Shapes: B rows, T tokens, H query heads, K key/value heads, G = H / K, E head dimension. Queries lie as
(B * K, T * G, E), so that those which share a key/value head go into one product.
Enters: rotated queries, keys, values, and who may read whom. Leaves: what each query read. Read next:
`attention.py`, which chooses between this and torch's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Measured best for heads of 64 and rows of 128 to 512 tokens: scores of about a megabyte.
_ROWS = 4
_QUERIES = 128


class _Block(NamedTuple):
    """Some rows and some of their queries.

    rows: of the batch. heads: of B * K. queries: of T. folded: of T * G. num_keys: those before the
        block's last query. probs: where its probabilities lie in the flat buffer.
    """

    rows: slice
    heads: slice
    queries: slice
    folded: slice
    num_keys: int
    probs: slice


def _blocks(num_rows: int, num_tokens: int, num_kv_heads: int, group: int) -> Iterator[_Block]:
    offset = 0
    for row in range(0, num_rows, _ROWS):
        rows = slice(row, min(num_rows, row + _ROWS))
        heads = slice(rows.start * num_kv_heads, rows.stop * num_kv_heads)
        for query in range(0, num_tokens, _QUERIES):
            queries = slice(query, min(num_tokens, query + _QUERIES))
            folded = slice(queries.start * group, queries.stop * group)
            size = (heads.stop - heads.start) * (folded.stop - folded.start) * queries.stop
            yield _Block(rows, heads, queries, folded, queries.stop, slice(offset, offset + size))
            offset += size


def _num_probs(num_rows: int, num_tokens: int, num_heads: int) -> int:
    """The size of the buffer: for each block of queries, the keys before its end."""
    starts = range(0, num_tokens, _QUERIES)
    ends = [min(num_tokens, start + _QUERIES) for start in starts]
    return num_rows * num_heads * sum((end - start) * end for start, end in zip(starts, ends, strict=True))


def _fold_queries(heads_BTHE: Tensor, num_kv_heads: int) -> Tensor:
    """(B, T, H, E) -> (B * K, T * G, E)."""
    rows, tokens, _, size = heads_BTHE.shape
    grouped = heads_BTHE.reshape(rows, tokens, num_kv_heads, -1, size).transpose(1, 2)
    return grouped.reshape(rows * num_kv_heads, -1, size)


def _unfold_queries(folded: Tensor, num_rows: int, num_tokens: int) -> Tensor:
    """(B * K, T * G, E) -> (B, T, H, E)."""
    size = folded.shape[-1]
    grouped = folded.view(num_rows, -1, num_tokens, folded.shape[1] // num_tokens, size)
    return grouped.transpose(1, 2).reshape(num_rows, num_tokens, -1, size)


def _fold_keys(heads_BTKE: Tensor) -> Tensor:
    """(B, T, K, E) -> (B * K, T, E)."""
    return heads_BTKE.transpose(1, 2).reshape(-1, heads_BTKE.shape[1], heads_BTKE.shape[3])


def _unfold_keys(folded: Tensor, num_rows: int) -> Tensor:
    """(B * K, T, E) -> (B, T, K, E)."""
    return folded.view(num_rows, -1, *folded.shape[1:]).transpose(1, 2).contiguous()


@torch.library.custom_op("caesura::blocked_attention", mutates_args=())
def _forward(query: Tensor, key: Tensor, value: Tensor, mask_B1TT: Tensor) -> tuple[Tensor, Tensor]:
    rows, tokens, num_heads, size = query.shape
    num_kv_heads = key.shape[2]
    group = num_heads // num_kv_heads
    query, key, value = _fold_queries(query * size**-0.5, num_kv_heads), _fold_keys(key), _fold_keys(value)
    barred = ~mask_B1TT
    read = torch.empty_like(query)
    probs = query.new_empty(_num_probs(rows, tokens, num_heads))
    for block in _blocks(rows, tokens, num_kv_heads, group):
        keys = slice(0, block.num_keys)
        scores = torch.bmm(query[block.heads, block.folded], key[block.heads, keys].transpose(1, 2))
        grouped = scores.view(-1, num_kv_heads, block.queries.stop - block.queries.start, group, keys.stop)
        grouped.masked_fill_(barred[block.rows, :, block.queries, None, keys], float("-inf"))
        kept = probs[block.probs].view_as(scores)
        torch.softmax(scores, -1, out=kept)
        torch.bmm(kept, value[block.heads, keys], out=read[block.heads, block.folded])
    return _unfold_queries(read, rows, tokens), probs


@torch.library.custom_op("caesura::blocked_attention_backward", mutates_args=())
def _backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, probs: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    rows, tokens, num_heads, size = query.shape
    num_kv_heads = key.shape[2]
    query, grad = _fold_queries(query * size**-0.5, num_kv_heads), _fold_queries(grad, num_kv_heads)
    key, value = _fold_keys(key), _fold_keys(value)
    query_grad, key_grad, value_grad = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
    for block in _blocks(rows, tokens, num_kv_heads, num_heads // num_kv_heads):
        here, keys = (block.heads, block.folded), (block.heads, slice(0, block.num_keys))
        kept = probs[block.probs].view(-1, block.folded.stop - block.folded.start, block.num_keys)
        value_grad[keys] += torch.bmm(kept.transpose(1, 2), grad[here])
        probs_grad = torch.bmm(grad[here], value[keys].transpose(1, 2))
        scores_grad = torch.ops.aten._softmax_backward_data(probs_grad, kept, -1, kept.dtype)
        torch.bmm(scores_grad, key[keys], out=query_grad[here])
        key_grad[keys] += torch.bmm(scores_grad.transpose(1, 2), query[here])
    query_grad *= size**-0.5
    return (
        _unfold_queries(query_grad, rows, tokens),
        _unfold_keys(key_grad, rows),
        _unfold_keys(value_grad, rows),
    )


@_forward.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, mask_B1TT: Tensor) -> tuple[Tensor, Tensor]:
    rows, tokens, num_heads, _ = query.shape
    return query.new_empty(query.shape), query.new_empty(_num_probs(rows, tokens, num_heads))


@_backward.register_fake
def _(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, probs: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _remember(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, _ = inputs
    ctx.save_for_backward(query, key, value, output[1])
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    return *_backward(grad, *ctx.saved_tensors), None


_forward.register_autograd(_differentiate, setup_context=_remember)


def blocked_attention(query: Tensor, key: Tensor, value: Tensor, mask_B1TT: Tensor) -> Tensor:
    """softmax(Q K' / sqrt(E)) V where `mask_B1TT` lets a query read a key; no key after its query is read.

    query: (B, T, H, E). key, value: (B, T, K, E). Returns (B, T, H, E). Scores and probabilities are
    rounded to the inputs' dtype; sums over keys are kept in float32.
    """
    return _forward(query, key, value, mask_B1TT)[0]
