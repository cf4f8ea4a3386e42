"""Rotary embeddings: golden frequencies for each kind of scaling, and what a rotation must preserve."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from caesura.model import ModelConfig, RopeConfig
from caesura.model.rope import frequencies, ntk_theta, rotate, rotation, yarn_attention_factor

# d = 16, base 10,000; scaled ones for a model of 8,192 positions.
GOLDEN: dict[str, tuple[dict[str, Any], list[float], float]] = {
    "default": ({}, [1.0, 0.316228, 0.1, 0.0316228, 0.01, 0.00316228, 0.001, 0.000316228], 1.0),
    "linear": (
        {"type": "linear", "factor": 4.0},
        [0.25, 0.0790569, 0.025, 0.00790569, 0.0025, 0.000790569, 0.00025, 7.90569e-05],
        1.0,
    ),
    "ntk": (
        {"type": "ntk", "factor": 4.0},
        [1.0, 0.259413, 0.067295, 0.0174572, 0.00452862, 0.00117478, 0.000304753, 7.90569e-05],
        1.0,
    ),
    "yarn": (
        {"type": "yarn", "factor": 4.0, "original_max_positions": 2048},
        [1.0, 0.316228, 0.1, 0.0256935, 0.00625, 0.0013835, 0.00025, 7.90569e-05],
        1.138629436111989,
    ),
    "llama3": (
        {"type": "llama3", "factor": 8.0, "original_max_positions": 1024},
        [1.0, 0.316228, 0.1, 0.0316228, 0.00308676, 0.000395285, 0.000125, 3.95285e-05],
        1.0,
    ),
}


def _config(**rope: Any) -> ModelConfig:
    return ModelConfig(
        vocab_size=8,
        hidden_size=8,
        num_layers=1,
        num_heads=1,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=8,
        max_positions=8192,
        rope=RopeConfig(**rope),
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_frequencies_are_the_golden_ones(name: str) -> None:
    rope, inverse, scale = GOLDEN[name]
    found = frequencies(_config(**rope))
    torch.testing.assert_close(found.inverse_E2, torch.tensor(inverse), rtol=1e-5, atol=0)
    assert found.scale == pytest.approx(scale)


def test_the_golden_yarn_ramp_follows_from_its_formula() -> None:
    # Pairs that turn 32 and 1 times over 2,048 positions stand at these (fractional) places ...
    low, high = (16 * math.log(2048 / (turns * 2 * math.pi)) / (2 * math.log(10_000)) for turns in (32, 1))
    assert (math.floor(low), math.ceil(high)) == (2, 6)
    # ... so pairs up to 2 stay, from 6 on they are divided by 4, and pair 3 is a quarter of the way.
    stayed, divided = 10_000 ** (-3 / 8), 10_000 ** (-3 / 8) / 4
    assert GOLDEN["yarn"][1][3] == pytest.approx(0.75 * stayed + 0.25 * divided, rel=1e-4)


def test_ntk_interpolates_the_slowest_pair_exactly_and_leaves_the_fastest() -> None:
    inverse = frequencies(_config(type="ntk", factor=4.0)).inverse_E2
    plain = frequencies(_config()).inverse_E2
    assert float(inverse[0]) == 1.0
    assert float(plain[-1] / inverse[-1]) == pytest.approx(4.0, rel=1e-5)
    assert ntk_theta(10_000.0, 1.0, 16) == 10_000.0


def test_yarn_does_not_scale_what_is_not_stretched() -> None:
    assert yarn_attention_factor(1.0) == 1.0


def test_scores_depend_on_the_distance_alone() -> None:
    freqs = frequencies(_config())
    query, key = torch.randn(2, 1, 1, 16, generator=torch.Generator().manual_seed(0))

    def score(at: int, distance: int) -> float:
        turned = rotate(query, rotation(freqs, torch.tensor([at + distance]), torch.float32))
        return float((turned * rotate(key, rotation(freqs, torch.tensor([at]), torch.float32))).sum())

    assert score(3, 5) == pytest.approx(score(900, 5), abs=1e-3)
    assert score(3, 5) != pytest.approx(score(3, 6), abs=1e-3)
