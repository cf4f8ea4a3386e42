"""A Hugging Face folder of ours as a GGUF file, for llama.cpp. Runs in the peers' environment.

Weights keep 16 bits, norms are float32, as llama.cpp's own converter writes them. The vocabulary is made
up: prompts go in as ids, and each id is the text `w<id> `, so that ids can be read back from what comes
out. Enters: a folder of the families Llama or Qwen3. Leaves: the file. Read next: `llama_cpp_peer.py`.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, cast

ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen3ForCausalLM": "qwen3"}
_NORMAL = 1


def text_of(token: int) -> str:
    """What llama.cpp writes for an id."""
    return f"w{token} "


def ids_of(text: str) -> list[int]:
    """The inverse, for whole pieces of text."""
    return [int(word[1:]) for word in text.split() if word[:1] == "w" and word[1:].isdigit()]


def write_gguf(folder: Path, target: Path, *, bits: str) -> None:
    """Convert. bits: "bfloat16" or "float16"."""
    gguf = cast(Any, importlib.import_module("gguf"))
    fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architecture = ARCHITECTURES[fields["architectures"][0]]
    writer = gguf.GGUFWriter(str(target), architecture)
    _write_shape(writer, gguf, fields)
    _write_vocabulary(writer, fields["vocab_size"])
    names = gguf.get_tensor_name_map(
        gguf.MODEL_ARCH.LLAMA if architecture == "llama" else gguf.MODEL_ARCH.QWEN3,
        fields["num_hidden_layers"],
    )
    for name, tensor in _tensors(folder):
        if architecture == "llama":
            tensor = _interleaved(name, tensor, fields)
        _write_tensor(writer, gguf, names.get_name(name, try_suffixes=(".weight",)), tensor, bits)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: Any, gguf: Any, fields: dict[str, Any]) -> None:
    head_dim = fields["head_dim"]
    writer.add_context_length(fields["max_position_embeddings"])
    writer.add_embedding_length(fields["hidden_size"])
    writer.add_block_count(fields["num_hidden_layers"])
    writer.add_feed_forward_length(fields["intermediate_size"])
    writer.add_head_count(fields["num_attention_heads"])
    writer.add_head_count_kv(fields["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(fields["rope_theta"])
    writer.add_layer_norm_rms_eps(fields["rms_norm_eps"])
    writer.add_vocab_size(fields["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def _write_vocabulary(writer: Any, size: int) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text_of(token) for token in range(size)])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([_NORMAL] * size)
    # Some ids must have the roles that every vocabulary fills; the end is forbidden in each request.
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)


def _tensors(folder: Path) -> list[tuple[str, Any]]:
    load_file = importlib.import_module("safetensors.torch").load_file
    return [pair for path in sorted(folder.glob("*.safetensors")) for pair in load_file(path).items()]


def _interleaved(name: str, tensor: Any, fields: dict[str, Any]) -> Any:
    """llama.cpp turns neighbouring pairs in this family; Hugging Face turns halves. Reorders the rows."""
    heads = {"q_proj": fields["num_attention_heads"], "k_proj": fields["num_key_value_heads"]}
    count = next((count for part, count in heads.items() if part in name), None)
    if count is None:
        return tensor
    halves = tensor.view(count, 2, tensor.shape[0] // count // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def _write_tensor(writer: Any, gguf: Any, name: str, tensor: Any, bits: str) -> None:
    torch = importlib.import_module("torch")
    kinds = gguf.GGMLQuantizationType
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor.float().numpy(), raw_dtype=kinds.F32)
    elif bits == "float16":
        writer.add_tensor(name, tensor.to(torch.float16).numpy(), raw_dtype=kinds.F16)
    else:
        raw = tensor.to(torch.bfloat16).contiguous().view(torch.uint8)
        writer.add_tensor(name, raw.numpy(), raw_dtype=kinds.BF16)
