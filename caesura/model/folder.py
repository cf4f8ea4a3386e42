"""Hugging Face folders: reading and writing `config.json` and safetensors.

Enters: a folder that transformers, vLLM or this project wrote. Leaves: a `Transformer`, and folders that
those open with equal logits. Never pickle. Read next: `weights.py`, which reads the tensors;
`caesura/tokens/tokenizer.py`, for the rest of a folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from caesura.model.config import Family, ModelConfig, RopeConfig, RopeType
from caesura.model.quantised import Quantisation, add_quantised_head, quantised_linear
from caesura.model.rope import frequencies
from caesura.model.rope_scaling import RopeScaling
from caesura.model.transformer import Transformer
from caesura.model.weights import FolderError, WeightReader

ARCHITECTURES: dict[str, Family] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
# Where `config.json` does not say; transformers' default for Llama.
_MAX_POSITIONS = 2048
_FULL, _SLIDING = "full_attention", "sliding_attention"
_FUSIONS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
_MAX_SHARD_BYTES = 4_000_000_000


def read_config(folder: Path) -> ModelConfig:
    """The network's shape from `config.json`. Raises FolderError naming the file and what is wrong."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise FolderError(f"{folder} is not a folder")
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
    num_layers = _size(fields, "num_hidden_layers")
    rope, max_positions = _rope_from_json(fields), _size(fields, "max_position_embeddings", _MAX_POSITIONS)
    return ModelConfig(
        family=family,
        vocab_size=_size(fields, "vocab_size"),
        hidden_size=hidden_size,
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=_size(fields, "num_key_value_heads", num_heads),
        head_dim=_size(fields, "head_dim", hidden_size // num_heads),
        intermediate_size=_size(fields, "intermediate_size"),
        max_positions=max(max_positions, _yarn_reach(rope)),
        norm_eps=float(fields.get("rms_norm_eps", 1e-6)),
        rope=rope,
        tie_embeddings=bool(fields.get("tie_word_embeddings", False)),
        has_qk_norm=family == "qwen3",
        has_qkv_bias=family == "qwen2" or bool(fields.get("attention_bias")),
        has_output_bias=family in ("llama", "qwen3") and bool(fields.get("attention_bias")),
        windows=_windows(fields, family, num_layers),
    )


def _size(fields: dict[str, Any], name: str, default: int | None = None) -> int:
    """A positive number. A field that is absent or null takes the default; without one it is an error."""
    value = fields[name] if default is None else fields.get(name)
    size = default if default is not None and value is None else int(cast(int, value))
    if size < 1:
        raise ValueError(f"{name} {size} is below 1")
    return size


def _windows(fields: dict[str, Any], family: Family, num_layers: int) -> tuple[int | None, ...]:
    """Mistral slides in every layer. Qwen slides where `layer_types` says so, else from `max_window_layers`
    on. Llama never does.
    """
    slides = family == "mistral" or (family != "llama" and bool(fields.get("use_sliding_window")))
    # transformers' default for a field that is absent; null means that nothing slides.
    if not slides or fields.get("sliding_window", 4096) is None:
        return ()
    window = _size(fields, "sliding_window", 4096)
    if family == "mistral":
        return (window,) * num_layers
    kinds = cast(list[str] | None, fields.get("layer_types"))
    if kinds is None:
        num_full = int(cast(int, fields.get("max_window_layers", 28)))
        kinds = [_FULL if layer < num_full else _SLIDING for layer in range(num_layers)]
    unknown = set(kinds) - {_FULL, _SLIDING}
    if unknown or len(kinds) != num_layers:
        raise ValueError(f"layer_types {kinds} are not {num_layers} of {_FULL} and {_SLIDING}")
    return tuple(window if kind == _SLIDING else None for kind in kinds) if _SLIDING in kinds else ()


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
    original = None
    if kind in ("yarn", "llama3"):
        # As transformers reads them: beside the scaling before in it, and the window where there is neither.
        name = "original_max_position_embeddings"
        stated = fields.get(name) or scaling.get(name) or fields.get("max_position_embeddings")
        original = int(stated or _MAX_POSITIONS)
        if kind == "yarn" and scaling.get("factor") is None:
            # For them null is the ratio of the two lengths; without it they refuse the folder.
            if "factor" not in scaling:
                raise ValueError("rope type yarn has no factor; give one beside it")
            numbers["factor"] = float(fields.get("max_position_embeddings") or _MAX_POSITIONS) / original
    return RopeConfig(
        theta=float(scaling.get("rope_theta") or fields.get("rope_theta") or 10_000.0),
        type=cast(RopeType, kind),
        original_max_positions=original,
        truncate=bool(scaling.get("truncate", True)),
        **numbers,
    )


def _yarn_reach(rope: RopeConfig) -> int:
    """How far YaRN stretches what the model was trained at. Many folders are stretched by hand, with
    `max_position_embeddings` left as it was, and no frequency depends on that.
    """
    return int((rope.original_max_positions or 0) * rope.factor) if rope.type == "yarn" else 0


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
        "dtype": str(dtype).removeprefix("torch."),
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    if rope["rope_type"] != "default":
        fields["rope_scaling"] = rope
    if config.family in ("llama", "qwen3"):
        fields["attention_bias"] = config.has_qkv_bias
    return fields | _windows_to_json(config)


def _windows_to_json(config: ModelConfig) -> dict[str, Any]:
    widths = {window for window in config.windows if window is not None}
    is_uneven = len(widths) > 1 or (config.family == "mistral" and None in config.windows)
    if is_uneven or (config.family == "llama" and widths):
        raise ValueError(f"windows {config.windows} cannot be written as a {config.family} config.json")
    fields: dict[str, Any] = {"sliding_window": next(iter(widths), None)}
    if config.family in ("qwen2", "qwen3"):
        fields["use_sliding_window"] = bool(widths)
    if config.family in ("qwen2", "qwen3") and widths:
        kinds = [_FULL if window is None else _SLIDING for window in config.windows]
        fields |= {"layer_types": kinds, "max_window_layers": kinds.index(_SLIDING)}
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


def load_model(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    quantise: Quantisation | None = None,
    rope_scaling: RopeScaling | None = None,
) -> Transformer:
    """Read a whole model, one tensor at a time, so that no more than two exist in another form.

    quantise: how the weights of products are packed, each as soon as it is read. Wants bfloat16.
    rope_scaling: stretches the window; see `rope_scaling.py`.
    Raises FolderError for a missing, damaged, incomplete or pickled folder.
    """
    config = read_config(folder)
    if rope_scaling is not None:
        try:
            config = rope_scaling.applied(config)
        except ValueError as error:
            raise FolderError(f"{folder / 'config.json'}: {error}") from error
    with torch.device("meta"):
        model = Transformer(config)
    # Made on the meta device, the frequencies hold no numbers yet.
    model.rope_inverse_E2 = frequencies(config).inverse_E2.to(device)
    sources = {name: _sources(name) for name, _ in model.named_parameters()}
    with WeightReader(folder) as reader:
        _check_names(folder, model, sources, reader)
        # A list of the modules themselves would keep those that are replaced.
        for path in [path for path, _ in model.named_modules()]:
            module = model.get_submodule(path)
            for name, parameter in list(module.named_parameters(recurse=False)):
                tensor = torch.empty(parameter.shape, dtype=dtype, device=device)
                reader.read_into(tensor, sources[f"{path}.{name}"])
                module.register_parameter(name, nn.Parameter(tensor))
            if quantise is not None and isinstance(module, nn.Linear):
                model.set_submodule(path, quantised_linear(module, quantise))
    if quantise is not None:
        add_quantised_head(model)
    return model.eval()


def _sources(name: str) -> tuple[str, ...]:
    """The tensors of the folder that make up one of ours, in the order of its rows."""
    name = name if name.startswith("lm_head") else f"model.{name}"
    for target, parts in _FUSIONS.items():
        if f".{target}." in name:
            return tuple(name.replace(target, part) for part in parts)
    return (name,)


def _check_names(
    folder: Path, model: Transformer, sources: Mapping[str, tuple[str, ...]], reader: WeightReader
) -> None:
    """Whether the folder holds what config.json promises, and nothing else."""
    wanted = {name for names in sources.values() for name in names}
    spare = {"lm_head.weight"} if model.config.tie_embeddings else set[str]()
    found = {name for name in reader.shapes if not name.endswith("rotary_emb.inv_freq")}
    missing, surplus = sorted(wanted - found), sorted(found - wanted - spare)
    if missing or surplus:
        raise FolderError(f"{folder}: weights missing {missing[:5]}, not known {surplus[:5]}")
    for target, parameter in model.named_parameters():
        expected = [tuple(piece.shape) for piece in _pieces(target, parameter, model.config)]
        for name, shape in zip(sources[target], expected, strict=True):
            if reader.shapes[name] != shape:
                raise FolderError(
                    f"{folder}: {name} has shape {reader.shapes[name]}, config.json says {shape}"
                )


def _pieces(name: str, tensor: Tensor, config: ModelConfig) -> tuple[Tensor, ...]:
    """A fused tensor's projections; any other tensor whole."""
    if ".qkv_proj." in name:
        query, kv = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        return tensor.split((query, kv, kv))
    return tensor.chunk(2) if ".gate_up_proj." in name else (tensor,)


def unfused_state(model: Transformer) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, projections apart."""
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        state |= dict(zip(_sources(name), _pieces(name, tensor, model.config), strict=True))
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
