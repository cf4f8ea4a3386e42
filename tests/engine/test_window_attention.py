"""Sliding windows over pages against the plain model, and against transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.model import PackedAttention, Transformer, load_model
from tests.engine.conftest import SMALL
from tests.engine.test_runner import PAGE, Pages, tokens


def _model(windows: tuple[int | None, ...], dtype: torch.dtype = torch.float32) -> Transformer:
    model = Transformer(replace(SMALL, windows=windows))
    model.initialise(torch.Generator().manual_seed(7))
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
    return model.to_dtype(dtype).eval()


def _whole(model: Transformer, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        attend = PackedAttention(windows=model.config.windows)
        hidden = model(torch.tensor([ids]), torch.arange(len(ids))[None], attend)
        return model.logits(hidden)[0].float()


@given(
    windows=st.tuples(*[st.one_of(st.none(), st.integers(1, 70))] * SMALL.num_layers),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_chunks_of_any_size_see_the_same_window(windows: tuple[int | None, ...], sizes: list[int]) -> None:
    model, ids = _model(windows), tokens(sum(sizes), seed=0)
    expected, pages, stop = _whole(model, ids), Pages(model, [ids]), 0
    for size in sizes:
        stop += size
        torch.testing.assert_close(pages.run((0, size))[0], expected[stop - 1], atol=1e-4, rtol=1e-4)


def test_rows_of_all_lengths_share_a_step() -> None:
    model = _model((11, None))
    sequences = [tokens(length, seed=length) for length in (3, 9, 30, 60, 45)]
    expected, pages = [_whole(model, ids) for ids in sequences], Pages(model, sequences)
    pages.run(*[(number, len(ids) - 1) for number, ids in enumerate(sequences[:4])])
    found = pages.run(*[(number, 1) for number in range(4)], (4, 45))
    for number, scores in enumerate(expected):
        torch.testing.assert_close(found[number], scores[-1], atol=1e-4, rtol=1e-4)


def test_a_window_hides_what_lies_before_it() -> None:
    ids = tokens(40, seed=1)
    wide, narrow = _whole(_model((64, 64)), ids), _whole(_model((PAGE, PAGE)), ids)
    torch.testing.assert_close(wide[:PAGE], narrow[:PAGE])
    assert not torch.allclose(wide[-1], narrow[-1], atol=1e-2)
    torch.testing.assert_close(wide, _whole(_model(()), ids), atol=1e-4, rtol=1e-4)


def test_bfloat16_sees_the_same_window() -> None:
    model, ids = _model((9, None), torch.bfloat16), tokens(50, seed=2)
    pages = Pages(model, [ids])
    pages.run((0, 49))
    torch.testing.assert_close(pages.run((0, 1))[0], _whole(model, ids)[-1], atol=0.15, rtol=0.1)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("Mistral", {"sliding_window": 10}),
        ("Qwen2", {"use_sliding_window": True, "sliding_window": 10, "max_window_layers": 1}),
    ],
)
def test_pages_give_the_logits_of_transformers(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    shape = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
    }
    torch.manual_seed(5)
    config = getattr(transformers, f"{family}Config")(**shape, **options)
    theirs = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    theirs.save_pretrained(tmp_path)
    ids = tokens(60, seed=3)
    with torch.inference_mode():
        expected = theirs(torch.tensor([ids])).logits[0]
    pages = Pages(load_model(tmp_path), [ids])
    for stop, size in ((25, 25), (26, 1), (58, 32), (59, 1), (60, 1)):
        torch.testing.assert_close(pages.run((0, size))[0], expected[stop - 1], atol=1e-4, rtol=1e-4)
