"""A chunk's attention: the written-out formula, in every dtype, for every split of the history."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.chunk_attention import chunk_attention, chunk_mask
from caesura.engine.history import Piece
from caesura.engine.plain_store import PlainStore
from caesura.model import ModelConfig
from tests.engine.conftest import SMALL


def _formula(query_NHE: torch.Tensor, key_KLE: torch.Tensor, value_KLE: torch.Tensor) -> torch.Tensor:
    """In float64: all scores, then those of later keys struck out."""
    num_queries, num_heads, size = query_NHE.shape
    key_HLE, value_HLE = (x.double().repeat_interleave(num_heads // len(x), 0) for x in (key_KLE, value_KLE))
    length = key_HLE.shape[1]
    scores_HNL = query_NHE.double().transpose(0, 1) @ key_HLE.transpose(1, 2) / size**0.5
    is_later_NL = torch.arange(length) > torch.arange(length - num_queries, length)[:, None]
    return (scores_HNL.masked_fill(is_later_NL, -torch.inf).softmax(-1) @ value_HLE).transpose(0, 1)


def _store(num_kv_heads: int, dtype: torch.dtype) -> PlainStore:
    """Of heads of 8, as the queries here are."""
    config: ModelConfig = replace(SMALL, num_heads=num_kv_heads, num_kv_heads=num_kv_heads, head_dim=8)
    return PlainStore(config, num_pages=1, page_size=8, dtype=dtype, device=torch.device("cpu"))


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@settings(deadline=None)
@given(
    num_queries=st.sampled_from([1, 2, 31, 127, 128, 129, 200]),
    num_before=st.sampled_from([0, 1, 50, 300]),
    heads=st.sampled_from([(1, 1), (4, 2), (4, 4), (6, 1)]),
    cuts=st.lists(st.integers(0, 1000), max_size=3),
)
def test_a_chunk_reads_what_the_formula_says(
    dtype: torch.dtype,
    error: float,
    num_queries: int,
    num_before: int,
    heads: tuple[int, int],
    cuts: list[int],
) -> None:
    generator = torch.Generator().manual_seed(num_queries + num_before)
    query = torch.randn(num_queries, heads[0], 8, generator=generator).to(dtype)
    # A history as it is gathered: longer than the chunk's keys, which are a cut of it.
    history = torch.randn(2, heads[1], num_before + num_queries + 5, 8, generator=generator).to(dtype)
    length = num_before + num_queries
    key, value = history[:, :, :length].unbind(0)
    mask = chunk_mask(num_queries, length, dtype, query.device)
    cuts = [0, *sorted(cut % length for cut in cuts), length]
    pieces = [Piece(key[:, a:b], value[:, a:b]) for a, b in pairwise(cuts) if a < b]
    read = chunk_attention(query, pieces, _store(heads[1], dtype), length=length, mask_NL=mask)
    assert read.dtype == dtype
    assert (read.double() - _formula(query, key, value)).abs().max() < error


def test_what_lies_behind_its_keys_in_the_last_page_is_never_read() -> None:
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(7, 4, 8, generator=generator).to(torch.bfloat16)
    history = torch.randn(2, 2, 64, 8, generator=generator).to(torch.bfloat16)
    read = []
    for behind in (0.0, 300.0):
        history[:, :, 45:] = behind
        piece = Piece(*history.unbind(0))
        read.append(chunk_attention(query, [piece], _store(2, torch.bfloat16), length=45))
    assert read[0].equal(read[1])
    key, value = history[:, :, :45].unbind(0)
    assert (read[0].double() - _formula(query, key, value)).abs().max() < 0.05
