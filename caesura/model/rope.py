"""Rotary position embeddings: frequencies for each kind of scaling, and the rotation.

Enters: positions and heads. Leaves: rotated heads. Shapes: E head dimension, ... any leading
dimensions. Read next: `transformer.py`.

Sources: Su et al. 2021 (rotary), Peng et al. 2023 (YaRN, NTK-aware), Llama 3.1's release (llama3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from caesura.model.config import ModelConfig, RopeConfig


class Frequencies(NamedTuple):
    """What the rotation needs.

    inverse_E2: radians a position, for each pair of dimensions, float32.
    scale: the factor on cos and sin (YaRN's attention factor; 1 otherwise).
    """

    inverse_E2: Tensor
    scale: float


class Rotation(NamedTuple):
    """What to multiply with, shape (..., 1, E), ready to broadcast over heads.

    cos: of each dimension's angle; both dimensions of a pair have the same.
    sin: the same of sin, negated in the first half of the dimensions.
    """

    cos: Tensor
    sin: Tensor


def frequencies(config: ModelConfig) -> Frequencies:
    """The inverse frequencies and the scale of a model's rotary embedding."""
    rope, dim = config.rope, config.head_dim
    if rope.type == "linear":
        return Frequencies(_plain(rope.theta, dim) / rope.factor, 1.0)
    if rope.type == "ntk":
        return Frequencies(_plain(ntk_theta(rope.theta, rope.factor, dim), dim), 1.0)
    if rope.type == "yarn":
        return _yarn(rope, dim, _original_length(config))
    if rope.type == "llama3":
        return Frequencies(_llama3(rope, dim, _original_length(config)), 1.0)
    return Frequencies(_plain(rope.theta, dim), 1.0)


def rotation(freqs: Frequencies, positions: Tensor, dtype: torch.dtype) -> Rotation:
    """The rotation at `positions` (any shape); angles are taken in float32, results in `dtype`."""
    angles = positions.to(torch.float32)[..., None, None] * freqs.inverse_E2
    cos, sin = (angles.cos() * freqs.scale).to(dtype), (angles.sin() * freqs.scale).to(dtype)
    return Rotation(torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1))


def rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Turn each head's pairs (first half with second half, Hugging Face's layout). heads: (..., H, E)."""
    partners = heads.roll(heads.shape[-1] // 2, dims=-1)
    return heads * rotation.cos + partners * rotation.sin


def ntk_theta(theta: float, factor: float, dim: int) -> float:
    """NTK-aware base: theta' = theta * factor^(d / (d - 2)); stretches slow pairs, spares fast ones."""
    return theta * factor ** (dim / (dim - 2))


def _plain(theta: float, dim: int) -> Tensor:
    exponents = torch.arange(0, dim, 2, dtype=torch.int64).to(torch.float32) / dim
    return 1.0 / (theta**exponents)


def _original_length(config: ModelConfig) -> float:
    return config.rope.original_max_positions or config.max_positions / config.rope.factor


def _yarn(rope: RopeConfig, dim: int, original_length: float) -> Frequencies:
    """YaRN, "NTK-by-parts": pairs that turn more than beta_fast times over the trained length stay,
    those below beta_slow are interpolated, a linear ramp lies between. The ramp's ends are
    d ln(L / (2 pi r)) / (2 ln base) for r = beta_fast, beta_slow.
    """

    def pair_at(turns: float) -> float:
        return dim * math.log(original_length / (turns * 2 * math.pi)) / (2 * math.log(rope.theta))

    low, high = pair_at(rope.beta_fast), pair_at(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    high = high + 0.001 if low == high else high  # a ramp of no width would divide by zero
    ramp = ((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    plain = _plain(rope.theta, dim)
    inverse = plain / rope.factor * ramp + plain * (1 - ramp)
    return Frequencies(inverse, rope.attention_factor or yarn_attention_factor(rope.factor))


def yarn_attention_factor(factor: float) -> float:
    """0.1 ln(factor) + 1, applied to cos and sin alike, so scores grow by its square."""
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0


def _llama3(rope: RopeConfig, dim: int, original_length: float) -> Tensor:
    plain = _plain(rope.theta, dim)
    wavelength = 2 * math.pi / plain
    turns = original_length / wavelength
    smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    smooth = smooth.clamp(0, 1)
    return (1 - smooth) * plain / rope.factor + smooth * plain
