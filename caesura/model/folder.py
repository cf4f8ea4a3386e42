"""Hugging Face folders: reading and writing `config.json` and safetensors.

Enters: a folder that transformers, vLLM or this project wrote. Leaves: a `Transformer`, and folders that
those open with equal logits. Never pickle. Read next: `caesura/tokens/tokenizer.py`, for the rest of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from caesura.model.config import Family, ModelConfig, RopeConfig, RopeType
from caesura.model.rope import frequencies
from caesura.model.transformer import Transformer

log = logging.getLogger(__name__)

ARCHITECTURES: dict[str, Family] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
_FUSIONS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
_MAX_SHARD_BYTES = 4_000_000_000
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


class FolderError(ValueError):
    """A model folder that is missing, damaged, or not of a kind that can be read safely."""


def read_config(folder: Path) -> ModelConfig:
    """The network's shape from `config.json`. Raises FolderError naming the file and what is wrong."""
    path = folder / "config.json"
    if not path.is_file():
        raise FolderError(f"{folder} is not a model folder: it has no config.json")
    try:
        return config_from_json(cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8"))))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} is not valid JSON: {error}") from error
    except KeyError as error:
        raise FolderError(f"{path} lacks the field {error}") from error
    except (TypeError, AttributeError, OverflowError) as error:
        raise FolderError(f"{path} has a field of the wrong type: {error}") from error
    except ValueError as error:
        raise FolderError(f"{path}: {error}") from error


def config_from_json(fields: dict[str, Any]) -> ModelConfig:
    """Hugging Face's names (of transformers 4 and 5) to ours. Raises ValueError for what we cannot honour."""
    architecture = cast(str, (fields.get("architectures") or ["none"])[0])
    family = ARCHITECTURES.get(architecture)
    if family is None:
        raise ValueError(f"architecture {architecture} is not one of {', '.join(ARCHITECTURES)}")
    if fields.get("hidden_act", "silu") != "silu" or fields.get("mlp_bias"):
        raise ValueError("only SwiGLU without biases is supported (hidden_act silu, mlp_bias false)")
    if fields.get("partial_rotary_factor") not in (None, 1):
        raise ValueError("partial_rotary_factor other than 1 is not supported")
    hidden_size, num_heads = _size(fields, "hidden_size"), _size(fields, "num_attention_heads")
    return ModelConfig(
        family=family,
        vocab_size=_size(fields, "vocab_size"),
        hidden_size=hidden_size,
        num_layers=_size(fields, "num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=_size(fields, "num_key_value_heads", num_heads),
        head_dim=_size(fields, "head_dim", hidden_size // num_heads),
        intermediate_size=_size(fields, "intermediate_size"),
        max_positions=_window(fields, family),
        norm_eps=float(fields.get("rms_norm_eps", 1e-6)),
        rope=_rope_from_json(fields),
        tie_embeddings=bool(fields.get("tie_word_embeddings", False)),
        has_qk_norm=family == "qwen3",
        has_qkv_bias=family == "qwen2" or bool(fields.get("attention_bias")),
        has_output_bias=family in ("llama", "qwen3") and bool(fields.get("attention_bias")),
    )


def _size(fields: dict[str, Any], name: str, default: int | None = None) -> int:
    """A positive number. A field that is absent or null takes the default; without one it is an error."""
    value = fields[name] if default is None else fields.get(name)
    size = default if default is not None and value is None else int(cast(int, value))
    if size < 1:
        raise ValueError(f"{name} {size} is below 1")
    return size


def _window(fields: dict[str, Any], family: Family) -> int:
    window = _size(fields, "max_position_embeddings", 2048)
    slides = family == "mistral" or bool(fields.get("use_sliding_window"))
    sliding = _size(fields, "sliding_window", window) if slides else window
    if sliding < window:
        # Within the sliding window, sliding and full attention are the same thing.
        log.warning("context limited to the model's sliding window: %d of %d tokens", sliding, window)
    return min(sliding, window)


def _rope_from_json(fields: dict[str, Any]) -> RopeConfig:
    scaling = cast(dict[str, Any], fields.get("rope_parameters") or fields.get("rope_scaling") or {})
    kind = str(scaling.get("rope_type") or scaling.get("type") or "default")
    if kind not in get_args(RopeType):
        raise ValueError(f"rope type {kind} is not one of {', '.join(get_args(RopeType))}")
    if "mscale" in scaling or "mscale_all_dim" in scaling:
        raise ValueError("YaRN with mscale is not supported")
    if scaling.get("partial_rotary_factor") not in (None, 1):
        raise ValueError("partial_rotary_factor other than 1 is not supported")
    names = ("factor", "beta_fast", "beta_slow", "low_freq_factor", "high_freq_factor", "attention_factor")
    numbers = {name: float(scaling[name]) for name in names if scaling.get(name) is not None}
    if not numbers.get("factor", 1.0) > 0:
        raise ValueError(f"rope factor {numbers['factor']} is not positive")
    original = scaling.get("original_max_position_embeddings")
    return RopeConfig(
        theta=float(scaling.get("rope_theta") or fields.get("rope_theta") or 10_000.0),
        type=cast(RopeType, kind),
        original_max_positions=int(original) if original else None,
        truncate=bool(scaling.get("truncate", True)),
        **numbers,
    )


def config_to_json(config: ModelConfig, dtype: torch.dtype) -> dict[str, Any]:
    """Our names to Hugging Face's, rope settings in both the version 4 and version 5 places."""
    rope = _rope_to_json(config)
    fields: dict[str, Any] = {
        "architectures": [next(name for name, family in ARCHITECTURES.items() if family == config.family)],
        "model_type": config.family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "hidden_act": "silu",
        "rope_theta": rope["rope_theta"],
        "rope_parameters": rope,
        "tie_word_embeddings": config.tie_embeddings,
        "sliding_window": None,
        "dtype": str(dtype).removeprefix("torch."),
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    if rope["rope_type"] != "default":
        fields["rope_scaling"] = rope
    if config.family in ("llama", "qwen3"):
        fields["attention_bias"] = config.has_qkv_bias
    if config.family in ("qwen2", "qwen3"):
        fields["use_sliding_window"] = False
    return fields


def _rope_to_json(config: ModelConfig) -> dict[str, Any]:
    rope = config.rope
    if rope.type == "ntk":
        # Hugging Face has no static NTK type; a plain base that is larger says the same.
        stretch = rope.factor ** (config.head_dim / (config.head_dim - 2))
        return {"rope_type": "default", "rope_theta": rope.theta * stretch}
    fields: dict[str, Any] = {"rope_type": rope.type, "rope_theta": rope.theta}
    if rope.type == "default":
        return fields
    fields["factor"] = rope.factor
    if rope.type in ("yarn", "llama3"):
        original = rope.original_max_positions or round(config.max_positions / rope.factor)
        fields["original_max_position_embeddings"] = original
    if rope.type == "yarn":
        fields |= {"beta_fast": rope.beta_fast, "beta_slow": rope.beta_slow, "truncate": rope.truncate}
        if rope.attention_factor is not None:
            fields["attention_factor"] = rope.attention_factor
    if rope.type == "llama3":
        fields |= {"low_freq_factor": rope.low_freq_factor, "high_freq_factor": rope.high_freq_factor}
    return fields


def load_model(folder: Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Transformer:
    """Read a whole model. Raises FolderError for a missing, damaged, incomplete or pickled folder."""
    config = read_config(folder)
    with torch.device("meta"):
        model = Transformer(config)
    state = _fuse(dict(_read_tensors(folder)), config)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    _check_names(folder, expected, state)
    model = model.to_empty(device=device)
    # Made on the meta device, the frequencies hold no numbers yet.
    model.rope_inverse_E2 = frequencies(config).inverse_E2.to(device)
    model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in state.items()}, assign=False)
    return model.to_dtype(dtype).eval()


def _check_names(folder: Path, expected: dict[str, torch.Size], state: dict[str, Tensor]) -> None:
    missing = sorted(expected.keys() - state.keys())
    surplus = sorted(state.keys() - expected.keys())
    if missing or surplus:
        raise FolderError(f"{folder}: weights missing {missing[:5]}, not known {surplus[:5]}")
    for name, shape in expected.items():
        if state[name].shape != shape:
            found = tuple(state[name].shape)
            raise FolderError(f"{folder}: {name} has shape {found}, config.json says {tuple(shape)}")


def _read_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (not a dict)
                    yield name, tensors.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise FolderError(f"{path} cannot be read as safetensors: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in the index's order if it is sharded."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if index.is_file():
        names = _indexed_names(index)
        if any(Path(name).name != name for name in names):
            raise FolderError(f"{index} names a file outside of its folder")
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise FolderError(f"{folder} lacks {len(absent)} of {len(names)} weight files, e.g. {absent[0]}")
        return [folder / name for name in names]
    if single.is_file():
        return [single]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise FolderError(
            f"{folder} has only pickled weights ({pickles[0]}), which can run code when opened; "
            "convert them to safetensors first"
        )
    raise FolderError(f"{folder} has no model.safetensors")


def _indexed_names(index: Path) -> list[str]:
    """The file names of a sharded folder's index, in its order."""
    try:
        fields: object = json.loads(index.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FolderError(f"{index} is not valid JSON: {error}") from error
    weight_map = cast(dict[str, object], fields).get("weight_map") if isinstance(fields, dict) else None
    names = list(cast(dict[str, object], weight_map).values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise FolderError(f"{index} has no weight_map from weights to file names")
    return list(dict.fromkeys(cast(list[str], names)))


def _fuse(state: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Hugging Face's names and separate projections to ours."""
    fused: dict[str, Tensor] = {}
    state = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    if config.tie_embeddings:
        state.pop("lm_head.weight", None)
    for name, tensor in state.items():
        if name.endswith("rotary_emb.inv_freq"):
            continue
        target, parts = _fusion(name)
        if target is None:
            fused[name] = tensor
        elif name == parts[0] and all(part in state for part in parts):
            fused[target] = torch.cat([state[part] for part in parts])
    return fused


def _fusion(name: str) -> tuple[str | None, list[str]]:
    """The fused name that a projection belongs to, and all the projections in it, in order."""
    for target, parts in _FUSIONS.items():
        for part in parts:
            if f".{part}." in name:
                return name.replace(part, target), [name.replace(part, each) for each in parts]
    return None, []


def unfused_state(model: Transformer) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, projections apart."""
    config = model.config
    query, kv = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        name = name if name.startswith("lm_head") else f"model.{name}"
        if ".qkv_proj." in name:
            parts = zip(_FUSIONS["qkv_proj"], tensor.split((query, kv, kv)), strict=True)
            state |= {name.replace("qkv_proj", part): piece for part, piece in parts}
        elif ".gate_up_proj." in name:
            parts = zip(_FUSIONS["gate_up_proj"], tensor.chunk(2), strict=True)
            state |= {name.replace("gate_up_proj", part): piece for part, piece in parts}
        else:
            state[name] = tensor
    return state


def save_model(
    model: Transformer,
    folder: Path,
    *,
    dtype: torch.dtype = torch.bfloat16,
    max_shard_bytes: int = _MAX_SHARD_BYTES,
) -> None:
    """Write `config.json` and safetensors (sharded beyond `max_shard_bytes`) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = config_to_json(model.config, dtype)
    (folder / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    state = {k: v.detach().to("cpu", dtype).contiguous() for k, v in unfused_state(model).items()}
    shards = _shards(state, max_shard_bytes)
    if len(shards) == 1:
        save_file(shards[0], folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file_name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file_name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, file_name)
    total = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shards(state: dict[str, Tensor], max_shard_bytes: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in state.items():
        if shards[-1] and size + tensor.nbytes > max_shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    return shards
