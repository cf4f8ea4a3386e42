"""The blocked kernel against torch's own, in both directions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from caesura.model import PackedAttention, document_mask
from caesura.model.blocked_attention import blocked_attention


def _positions(lengths: list[int], rows: int) -> Tensor:
    row = torch.cat([torch.arange(length) for length in lengths])
    return row.expand(rows, -1)


def _heads(rows: int, tokens: int, heads: int, size: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(rows, tokens, heads, size).to(dtype).requires_grad_()


def _read_and_grads(read: Tensor, inputs: tuple[Tensor, ...], grad: Tensor) -> list[Tensor]:
    return [read, *torch.autograd.grad(read, inputs, grad)]


@pytest.mark.parametrize(
    ("rows", "lengths", "heads", "kv_heads", "size"),
    [
        (5, [90, 80, 30], 4, 2, 64),
        (1, [7], 2, 2, 8),
        (4, [128], 4, 1, 16),
        (6, [200, 56, 1, 1], 8, 4, 32),
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 6e-2)])
def test_it_reads_and_differentiates_as_torch_does(
    rows: int,
    lengths: list[int],
    heads: int,
    kv_heads: int,
    size: int,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    torch.manual_seed(0)
    mask = document_mask(_positions(lengths, rows))
    tokens = sum(lengths)
    query, key, value = (_heads(rows, tokens, count, size, dtype) for count in (heads, kv_heads, kv_heads))
    inputs = (query, key, value)
    grad = torch.randn(rows, tokens, heads, size).to(dtype)
    ours = _read_and_grads(blocked_attention(query, key, value, mask), inputs, grad)
    floats = (x.float().transpose(1, 2) for x in inputs)
    read = F.scaled_dot_product_attention(*floats, attn_mask=mask, enable_gqa=True)
    theirs = _read_and_grads(read.transpose(1, 2), inputs, grad.float())
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.float(), reference.float(), atol=tolerance, rtol=tolerance)


def test_a_document_does_not_read_its_neighbour() -> None:
    torch.manual_seed(0)
    mask = document_mask(_positions([6, 6], 1))
    query, key, value = (torch.randn(1, 12, 2, 8, dtype=torch.bfloat16) for _ in range(3))
    before = blocked_attention(query, key, value, mask)
    key[:, :6], value[:, :6] = 9.0, 9.0
    assert torch.equal(blocked_attention(query, key, value, mask)[:, 6:], before[:, 6:])


def test_packed_attention_takes_it_in_bfloat16_and_keeps_float32_exact() -> None:
    torch.manual_seed(0)
    attend = PackedAttention(mask_B1TT=document_mask(_positions([5, 3], 2)))
    query, key, value = (torch.randn(2, 8, 2, 8) for _ in range(3))
    exact = attend(0, query, key, value)
    rounded = attend(0, query, key, value.bfloat16())  # as autocast leaves them
    assert exact.dtype == torch.float32
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=5e-2, rtol=5e-2)
