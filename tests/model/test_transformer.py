"""The network: causal, sized as its presets say, and honest about heads that do not divide."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from caesura.model import PRESETS, ModelConfig, PackedAttention, Transformer

SHAPE = ModelConfig(
    vocab_size=64,
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    intermediate_size=48,
    max_positions=64,
)


def _model() -> Transformer:
    model = Transformer(SHAPE)
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


def test_a_later_token_changes_nothing_before_it() -> None:
    model, positions = _model(), torch.arange(10)[None]
    tokens = torch.arange(10)[None]
    changed = tokens.clone()
    changed[0, 7] = 50
    with torch.inference_mode():
        before, after = (model(each, positions, PackedAttention()) for each in (tokens, changed))
    assert torch.equal(before[0, :7], after[0, :7])
    assert not torch.allclose(before[0, 7:], after[0, 7:])


def test_initial_weights_depend_on_the_seed_alone() -> None:
    one, other = _model(), _model()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_tied_embeddings_are_one_matrix() -> None:
    assert _model().lm_head is None
    untied = Transformer(dataclasses.replace(SHAPE, tie_embeddings=False))
    assert untied.lm_head is not None


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("nano", 4e6, 12.5e6), ("small", 25e6, 40e6), ("medium", 1.2e9, 1.8e9), ("large", 6e9, 8e9)],
)
def test_presets_have_the_size_that_they_promise(name: str, low: float, high: float) -> None:
    config = PRESETS[name]
    assert low < config.num_parameters < high
    assert config.max_positions == 200_000


def test_the_parameter_count_is_that_of_the_network() -> None:
    matrices = sum(p.numel() for p in _model().parameters() if p.ndim == 2)
    assert matrices == SHAPE.num_parameters


def test_medium_is_24_layers_of_32_heads() -> None:
    assert (PRESETS["medium"].num_layers, PRESETS["medium"].num_heads) == (24, 32)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="num_heads 4 is not a multiple of num_kv_heads 3"):
        dataclasses.replace(SHAPE, num_kv_heads=3)


def test_the_frequencies_stay_in_float32_when_the_weights_do_not() -> None:
    model = _model().to_dtype(torch.bfloat16)
    assert model.rope_inverse_E2.dtype == torch.float32
    assert model.norm.weight.dtype == torch.bfloat16
