from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from caesura.model import ModelConfig, PackedAttention, RopeConfig, Transformer, load_model, save_model
from caesura.model.folder import FolderError
from caesura.model.rope_scaling import RopeScaling

CONFIG = ModelConfig(
    vocab_size=64,
    hidden_size=32,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=16,
    intermediate_size=32,
    max_positions=128,
)


def _saved(folder: Path, config: ModelConfig = CONFIG) -> Path:
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    save_model(model.eval(), folder, dtype=torch.float32)
    return folder


def _logits(model: Transformer) -> torch.Tensor:
    tokens = torch.arange(40)[None]
    with torch.inference_mode():
        return model.logits(model(tokens, tokens, PackedAttention()))


@pytest.mark.parametrize("kind", ["yarn", "ntk", "linear"])
def test_a_factor_of_1_changes_nothing(kind: str, tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    plain, scaled = load_model(folder), load_model(folder, rope_scaling=RopeScaling.parse(f"{kind}:1"))
    assert scaled.config == plain.config
    torch.testing.assert_close(_logits(scaled), _logits(plain), atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["yarn", "ntk", "linear"])
def test_a_factor_stretches_the_window_and_shows_in_the_config(kind: str, tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    scaled = load_model(folder, rope_scaling=RopeScaling.parse(f"{kind}:4"))
    assert scaled.config.max_positions == 4 * CONFIG.max_positions
    rope = RopeConfig(type=scaled.config.rope.type, factor=4.0, original_max_positions=128)
    assert scaled.config == replace(CONFIG, rope=rope, max_positions=512)
    assert not torch.allclose(_logits(scaled), _logits(load_model(folder)), atol=1e-3)


def test_a_stretch_at_load_equals_the_same_one_in_config_json(tmp_path: Path) -> None:
    at_load = load_model(_saved(tmp_path / "plain"), rope_scaling=RopeScaling.parse("yarn:4"))
    save_model(at_load, tmp_path / "written", dtype=torch.float32)
    written = load_model(tmp_path / "written")
    assert written.config == at_load.config
    torch.testing.assert_close(_logits(written), _logits(at_load), atol=1e-6, rtol=1e-6)


def test_a_rope_that_is_scaled_already_is_refused(tmp_path: Path) -> None:
    rope = RopeConfig(type="yarn", factor=2.0, original_max_positions=64)
    folder = _saved(tmp_path, replace(CONFIG, rope=rope))
    with pytest.raises(FolderError, match=r"config\.json: rope is scaled already \(yarn by 2\)"):
        load_model(folder, rope_scaling=RopeScaling.parse("yarn:4"))


@pytest.mark.parametrize("word", ["", "yarn", "yarn:", "yarn:x", "yarn:nan", "llama3:2", ":4", "4"])
def test_another_word_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not TYPE:FACTOR, such as yarn:4"):
        RopeScaling.parse(word)


@pytest.mark.parametrize("word", ["yarn:0.5", "ntk:-2", "ntk:inf"])
def test_a_factor_below_1_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not a number from 1 on"):
        RopeScaling.parse(word)
