"""Folders of the four families: read with transformers' logits, written so that transformers agrees."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode

from caesura.model import ModelConfig, PackedAttention, RopeConfig, Transformer, load_model, save_model
from caesura.model.folder import FolderError, config_from_json, config_to_json, read_config
from caesura.model.quantised import Quantisation

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
    "mistral_windows": ("Mistral", {"sliding_window": 7, "head_dim": 16}),
    "qwen2_windows": ("Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}),
    "qwen3_windows": (
        "Qwen3",
        {
            "head_dim": 16,
            "use_sliding_window": True,
            "sliding_window": 5,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
}
WINDOWS = {"mistral_windows": (7, 7), "qwen2_windows": (None, 9), "qwen3_windows": (5, None)}


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
        return model.logits(model(tokens, positions, PackedAttention(windows=model.config.windows)))


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


@pytest.mark.parametrize("name", WINDOWS)
def test_each_layer_has_the_window_that_config_json_gives_it(name: str, tmp_path: Path) -> None:
    _theirs(name).save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    assert tuple(map(ours.config.window_of, range(2))) == WINDOWS[name]
    save_model(ours, tmp_path / "ours")
    assert read_config(tmp_path / "ours") == ours.config


def test_windows_that_are_switched_off_are_none() -> None:
    fields = {"architectures": ["Qwen2ForCausalLM"], "vocab_size": 8, **SHAPE, "sliding_window": 4}
    assert config_from_json({**fields, "use_sliding_window": False}).windows == ()
    assert config_from_json({**fields, "use_sliding_window": True, "max_window_layers": 2}).windows == ()
    assert config_from_json({**fields, "architectures": ["LlamaForCausalLM"]}).windows == ()
    assert config_from_json({**fields, "use_sliding_window": True, "sliding_window": None}).windows == ()


def test_windows_that_a_family_cannot_write_are_refused() -> None:
    mistral = config_from_json({"architectures": ["MistralForCausalLM"], **SHAPE, "sliding_window": 4})
    for config in (replace(mistral, windows=(4, None)), replace(mistral, family="llama")):
        with pytest.raises(ValueError, match="cannot be written"):
            config_to_json(config, torch.float32)


class PeakMode(TorchDispatchMode):
    """Adds up what operators allocate and nobody has let go of yet."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        # A storage's Python object lives as long as the memory does.
        key, size = storage.data_ptr(), storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


@pytest.mark.parametrize(("quantise", "share"), [(None, 1.02), ("int8", 0.8), ("int4", 0.6)])
def test_loading_holds_one_tensor_twice_at_most(
    quantise: Quantisation | None, share: float, tmp_path: Path
) -> None:
    config = ModelConfig(
        vocab_size=64,
        hidden_size=256,
        num_layers=24,
        num_heads=4,
        num_kv_heads=2,
        head_dim=64,
        intermediate_size=704,
        max_positions=64,
    )
    save_model(Transformer(config), tmp_path)
    total = (tmp_path / "model.safetensors").stat().st_size
    with PeakMode() as mode:
        model = load_model(tmp_path, dtype=torch.bfloat16, quantise=quantise)
    assert mode.live > 0.2 * total
    assert mode.peak < share * total
    assert model.embed_tokens.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("scaling", "beside", "window"),
    [
        # Nothing says what it was trained at: so that is the window, which YaRN then stretches.
        ({"rope_type": "yarn", "factor": 4.0}, {}, 1024),
        ({"type": "yarn", "factor": 4.0}, {}, 1024),
        (
            {"rope_type": "llama3", **{name: LLAMA3[name] for name in LLAMA3 if "original" not in name}},
            {},
            256,
        ),
        # Stretched by hand.
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}, {}, 1024),
        ({"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64}, {}, 256),
        # Stated beside the scaling.
        (
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
            {"original_max_position_embeddings": 128},
            512,
        ),
        ({"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 64}, {}, 256),
    ],
)
def test_what_a_scaling_leaves_unsaid_is_read_as_transformers_reads_it(
    tmp_path: Path, scaling: dict[str, Any], beside: dict[str, Any], window: int
) -> None:
    _saved(tmp_path)
    file = tmp_path / "config.json"
    fields = json.loads(file.read_text())
    del fields["rope_parameters"]
    file.write_text(json.dumps({**fields, **beside, "rope_theta": 10000.0, "rope_scaling": scaling}))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ours = load_model(tmp_path).eval()
    assert ours.config.max_positions == window
    torch.testing.assert_close(ours.rope_inverse_E2, theirs.model.rotary_emb.inv_freq, rtol=1e-6, atol=0)
    assert ours.rope_scale == pytest.approx(theirs.model.rotary_emb.attention_scaling)
    tokens = torch.randint(0, SHAPE["vocab_size"], (1, 200), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(theirs(tokens).logits, _our_logits(ours, tokens), atol=1e-4, rtol=1e-4)
    save_model(ours, tmp_path / "again", dtype=torch.float32)
    assert load_model(tmp_path / "again").config == ours.config


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
        ({"rope_parameters": {"rope_type": "yarn"}}, "yarn has no factor"),
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
