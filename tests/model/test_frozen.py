"""The frozen network: the plain network's numbers, on the plain network's weights."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest
import torch

from caesura.model import ModelConfig, PackedAttention, Transformer
from caesura.model.frozen import FrozenNorm, NormedTurn, frozen
from caesura.model.rope import frequencies, rotate, rotation
from caesura.model.transformer import Layer

QWEN3 = ModelConfig(
    vocab_size=96,
    hidden_size=64,
    num_layers=3,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=80,
    max_positions=256,
)
SHAPES = {
    "qwen3": QWEN3,
    "untied": dataclasses.replace(QWEN3, tie_embeddings=False),
    "qwen2": dataclasses.replace(QWEN3, family="qwen2", has_qk_norm=False, has_qkv_bias=True),
    "llama": dataclasses.replace(QWEN3, family="llama", has_qk_norm=False, num_kv_heads=4),
}


def _model(config: ModelConfig) -> Transformer:
    """Norms and biases are drawn too: as they are initialised, a mistake with them would not show."""
    model, generator = Transformer(config), torch.Generator().manual_seed(0)
    model.initialise(generator)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
        model.embed_tokens.weight.mul_(20)
    return model.eval()


@torch.inference_mode()
def _logits(model: Transformer, num_tokens: int = 40) -> torch.Tensor:
    tokens_BT = torch.arange(num_tokens)[None] * 7 % 96
    hidden = model(tokens_BT, torch.arange(num_tokens)[None] + 100, PackedAttention())
    return model.logits(hidden)[0].float()


@pytest.mark.parametrize("name", SHAPES)
def test_a_frozen_network_scores_as_the_plain_one(name: str) -> None:
    model = _model(SHAPES[name])
    torch.testing.assert_close(_logits(frozen(model)), _logits(model), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_in_bfloat16_it_is_as_near_to_float32_as_the_plain_one(name: str) -> None:
    model = _model(SHAPES[name])
    exact = _logits(model)
    half = model.to_dtype(torch.bfloat16)
    plain_error, frozen_error = ((_logits(each) - exact).abs().mean() for each in (half, frozen(half)))
    assert 0 < frozen_error < 1.25 * plain_error


def test_freezing_leaves_the_plain_network_alone_and_shares_its_embedding() -> None:
    model = _model(QWEN3)
    before, names = _logits(model), list(model.state_dict())
    other = frozen(model)
    assert other.embed_tokens.weight.data_ptr() == model.embed_tokens.weight.data_ptr()
    assert list(model.state_dict()) == names
    assert model.lm_head is None
    assert torch.equal(_logits(model), before)


def test_in_float32_a_row_is_the_same_bit_for_bit_however_many_there_are() -> None:
    norm, rows = _model(QWEN3).norm, torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    together = FrozenNorm(norm)(rows)
    assert torch.equal(together, torch.cat([FrozenNorm(norm)(row[None]) for row in rows]))


def test_tiny_vectors_are_normed_with_epsilon() -> None:
    norm, tiny = _model(QWEN3).norm, torch.full((2, 64), 1e-4)
    torch.testing.assert_close(FrozenNorm(norm)(tiny), norm(tiny))


def test_norm_and_turn_in_one_go_are_norm_then_turn() -> None:
    attention = cast(Layer, _model(QWEN3).layers[0]).self_attn
    assert attention.q_norm is not None
    assert attention.k_norm is not None
    heads = torch.randn(9, 6, 16, generator=torch.Generator().manual_seed(2))
    turn = rotation(frequencies(QWEN3), torch.arange(9) * 11, torch.float32)
    normed = torch.cat((attention.q_norm(heads[:, :4]), attention.k_norm(heads[:, 4:])), dim=1)
    together = NormedTurn.of(attention)
    assert together is not None
    torch.testing.assert_close(together(heads, turn), rotate(normed, turn))
