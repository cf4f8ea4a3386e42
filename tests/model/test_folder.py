"""Folders of the four families: read with transformers' logits, written so that transformers agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from caesura.model import ModelConfig, PackedAttention, RopeConfig, Transformer, load_model, save_model
from caesura.model.folder import FolderError, read_config

SHAPE: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama_biased_tied": ("Llama", {"attention_bias": True, "tie_word_embeddings": True}),
    "llama_llama3": ("Llama", {"rope_parameters": LLAMA3}),
    "llama_linear": ("Llama", {"rope_parameters": LINEAR}),
    "mistral": ("Mistral", {"sliding_window": None, "head_dim": 16}),
    "qwen2": ("Qwen2", {}),
    "qwen2_yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen3": ("Qwen3", {"head_dim": 16, "tie_word_embeddings": True}),
    "qwen3_yarn": ("Qwen3", {"head_dim": 16, "rope_parameters": YARN}),
}


def _theirs(name: str) -> Any:
    family, options = FAMILIES[name]
    config = getattr(transformers, f"{family}Config")(**SHAPE, **options)
    torch.manual_seed(7)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    for parameter in model.parameters():  # biases and norms start trivial: make them count
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def _our_logits(model: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    with torch.inference_mode():
        return model.logits(model(tokens, positions, PackedAttention()))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_a_folder_of_transformers_gives_the_same_logits(name: str, shard: str, tmp_path: Path) -> None:
    theirs = _theirs(name)
    theirs.save_pretrained(tmp_path, max_shard_size=shard)
    tokens = torch.randint(128, (2, 50), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs(tokens).logits
    torch.testing.assert_close(_our_logits(load_model(tmp_path), tokens), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("max_shard_bytes", [10**9, 20_000])
def test_what_we_write_opens_in_transformers(name: str, max_shard_bytes: int, tmp_path: Path) -> None:
    _theirs(name).save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    save_model(ours, tmp_path / "ours", dtype=torch.float32, max_shard_bytes=max_shard_bytes)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float32).eval()
    tokens = torch.randint(128, (2, 50), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        found = again(tokens).logits
    torch.testing.assert_close(found, _our_logits(ours, tokens), atol=1e-4, rtol=1e-4)


def test_static_ntk_is_written_as_a_larger_base(tmp_path: Path) -> None:
    rope = RopeConfig(type="ntk", factor=4.0)
    config = ModelConfig(
        vocab_size=64,
        hidden_size=32,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=32,
        max_positions=128,
        rope=rope,
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    save_model(model.eval(), tmp_path, dtype=torch.float32)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokens = torch.arange(40)[None]
    with torch.inference_mode():
        torch.testing.assert_close(again(tokens).logits, _our_logits(model, tokens), atol=1e-4, rtol=1e-4)


def _saved(folder: Path) -> Path:
    _theirs("llama").save_pretrained(folder)
    return folder


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"has no config\.json"):
        load_model(tmp_path)


def test_pickled_weights_are_refused_by_name(tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FolderError, match=r"pytorch_model\.bin.*convert them to safetensors"):
        load_model(tmp_path)


def test_a_truncated_weight_file_is_named(tmp_path: Path) -> None:
    path = _saved(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FolderError, match="cannot be read as safetensors"):
        load_model(tmp_path)


def test_weights_that_do_not_fit_the_config_are_named(tmp_path: Path) -> None:
    path = _saved(tmp_path) / "config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"intermediate_size": 40}))
    with pytest.raises(FolderError, match=r"has shape .* config\.json says"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel is not one of"),
        ({"hidden_act": "gelu"}, "only SwiGLU"),
        ({"rope_parameters": {"rope_type": "dynamic"}}, "rope type dynamic"),
        ({"num_key_value_heads": 3}, "not a multiple"),
        ({"vocab_size": None}, "wrong type"),
        ({"hidden_size": float("inf")}, "wrong type"),
        ({"vocab_size": 0}, "vocab_size 0 is below 1"),
        ({"hidden_size": -32}, "hidden_size -32 is below 1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0 is below 1"),
        ({"num_attention_heads": 0}, "num_attention_heads 0 is below 1"),
        ({"num_key_value_heads": 0}, "num_key_value_heads 0 is below 1"),
        ({"head_dim": -8}, "head_dim -8 is below 1"),
        ({"max_position_embeddings": 0}, "max_position_embeddings 0 is below 1"),
        ({"rope_parameters": LINEAR | {"factor": 0}}, r"rope factor 0\.0 is not positive"),
        ({"rope_parameters": LINEAR | {"factor": -2.0}}, r"rope factor -2\.0 is not positive"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"rope_parameters": LINEAR | {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
    ],
)
def test_a_config_that_we_cannot_honour_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = _saved(tmp_path) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FolderError, match=words):
        read_config(tmp_path)


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    _saved(tmp_path)
    index = {"weight_map": {"a": "../outside.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FolderError, match="outside of its folder"):
        load_model(tmp_path)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "\xff"])
def test_a_corrupt_index_is_named(text: str, tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(text, encoding="latin-1")
    with pytest.raises(FolderError, match=r"index\.json (is not valid JSON|has no weight_map)"):
        load_model(tmp_path)
