"""Packed products beside those of the weights that they were packed from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from caesura.model import ModelConfig, PackedAttention, Transformer, load_model, save_model
from caesura.model.folder import FolderError
from caesura.model.quantised import (
    Int4Linear,
    Int8Linear,
    Quantisation,
    QuantisedLinear,
    quantise,
    quantised_linear,
    weight_bytes,
)

# Relative errors of random weights: half a step of 255 over a row's range, and of 15 over a group's.
TOLERANCE: dict[Quantisation, float] = {"int8": 0.012, "int4": 0.1}
SHAPE = ModelConfig(
    vocab_size=160,
    hidden_size=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=96,
    max_positions=128,
)


def _linear(num_inputs: int, num_outputs: int, *, bias: bool = False, seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(num_inputs, num_outputs, bias=bias).to(torch.bfloat16)


def _error(found: Tensor, expected: Tensor) -> float:
    return ((found.float() - expected.float()).norm() / expected.float().norm()).item()


@pytest.mark.parametrize("kind", ["int8", "int4"])
@given(
    num_outputs=st.integers(1, 12).map(lambda count: 16 * count),
    num_inputs=st.integers(1, 6).map(lambda count: 32 * count),
    num_rows=st.integers(1, 20),
    bias=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_packed_product_is_near_the_plain_one(
    kind: Quantisation, num_outputs: int, num_inputs: int, num_rows: int, bias: bool
) -> None:
    linear = _linear(num_inputs, num_outputs, bias=bias)
    x = torch.randn(num_rows, num_inputs, dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = x.float() @ linear.weight.float().T
        found = quantised_linear(linear, kind)(x).float() - (linear.bias.float() if bias else 0)
    assert _error(found, expected) < 2 * TOLERANCE[kind]


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("shape", [(256, 192), (96, 4096), (704, 80), (32, 16)])
def test_few_rows_and_many_rows_read_the_same_weights(kind: Quantisation, shape: tuple[int, int]) -> None:
    linear = _linear(*shape)
    packed = quantised_linear(linear, kind)
    assert _error(packed.widened(), linear.weight) < TOLERANCE[kind]
    x = torch.randn(packed.max_packed_rows + 8, shape[0], dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = x.float() @ packed.widened().float().T
        few, many = torch.cat([packed(row) for row in x.split(4)]), packed(x)
    # What is left is the rounding of bfloat16.
    assert _error(few, expected) < 0.01
    assert _error(many, expected) < 0.01


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_int4_is_read_back_in_the_order_of_other_processors(capability: str) -> None:
    code = """
import torch
from torch import nn
from caesura.model.quantised import Int4Linear
weight = torch.randn(176, 96).bfloat16()
packed = Int4Linear(weight, None)
x = torch.eye(96, dtype=torch.bfloat16)
few = torch.cat([packed(row) for row in x.split(4)]).T
assert torch.allclose(few, packed.widened(), atol=0.05)
assert (packed.widened() - weight).float().norm() < 0.1 * weight.float().norm()
"""
    environment = {"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_row_of_zeros_stays_zero() -> None:
    linear = _linear(64, 32)
    linear.weight.data[3] = 0
    for kind in ("int8", "int4"):
        assert not quantised_linear(linear, kind)(torch.randn(2, 64, dtype=torch.bfloat16))[:, 3].any()


def test_a_shape_that_int4_cannot_take_is_kept_in_int8(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(quantised_linear(_linear(48, 32), "int4"), Int8Linear)
    assert "(32, 48) is kept in int8" in caplog.text
    assert isinstance(quantised_linear(_linear(64, 32), "int4"), Int4Linear)


def test_float32_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wants a model in bfloat16, not torch\.float32"):
        quantised_linear(nn.Linear(64, 32), "int8")
    with pytest.raises(TypeError, match=r"takes bfloat16 activations, not torch\.float32"):
        quantised_linear(_linear(64, 32), "int8")(torch.randn(1, 64))


def _model(config: ModelConfig) -> Transformer:
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(3))
    return model.to_dtype(torch.bfloat16).eval()


def _logits(model: Transformer) -> Tensor:
    tokens = torch.arange(24)[None] * 5 % 160
    with torch.inference_mode():
        return model.logits(model(tokens, torch.arange(24)[None], PackedAttention()))


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_folder_is_packed_as_it_is_read(
    kind: Quantisation, is_tied: bool, has_bias: bool, tmp_path: Path
) -> None:
    family = "qwen2" if has_bias else "qwen3"
    shape = replace(
        SHAPE, family=family, tie_embeddings=is_tied, has_qkv_bias=has_bias, has_qk_norm=not has_bias
    )
    plain = _model(shape)
    for parameter in plain.parameters():  # biases start at anything; make them count
        parameter.data += 0.02 * torch.randn_like(parameter)
    save_model(plain, tmp_path)
    read = load_model(tmp_path, dtype=torch.bfloat16, quantise=kind)
    whole = quantise(load_model(tmp_path, dtype=torch.bfloat16), kind)
    assert not any(isinstance(module, nn.Linear) for module in read.modules())
    torch.testing.assert_close(_logits(read), _logits(whole), atol=0, rtol=0)
    assert _error(_logits(read), _logits(plain)) < 4 * TOLERANCE[kind]


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_the_bytes_are_known_before_a_model_is_read(kind: Quantisation, is_tied: bool) -> None:
    config = replace(SHAPE, tie_embeddings=is_tied)
    model = _model(config)
    held = sum(parameter.nbytes for parameter in model.parameters())
    assert weight_bytes(config, torch.bfloat16, None) == held
    quantise(model, kind)
    tensors = [*model.parameters(), *(buffer for name, buffer in model.named_buffers() if "rope" not in name)]
    assert weight_bytes(config, torch.bfloat16, kind) == sum(tensor.nbytes for tensor in tensors)


def test_a_folder_quantised_in_float32_is_refused(tmp_path: Path) -> None:
    save_model(_model(SHAPE), tmp_path)
    with pytest.raises((FolderError, ValueError), match="bfloat16"):
        load_model(tmp_path, quantise="int8")


def test_every_product_is_a_module_that_others_call() -> None:
    model = quantise(_model(SHAPE), "int4")
    packed = [module for module in model.modules() if isinstance(module, QuantisedLinear)]
    assert len(packed) == SHAPE.num_layers * 4 + 1
