"""Folders of tiny random models in other makers' families.

Enters: a folder to write to. Leaves: weights, tokenizer and template. Read next:
`tests/tokens/foreign_folders.py`.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers

from tests.tokens.foreign_folders import foreign_tokenizer, write_tokenizer

WINDOW = 2048


def write_model(folder: Path, name: str, network: str, *, window: int = WINDOW) -> Path:
    """Write a folder of a family, as transformers writes it. network: its class there, without the ending.
    window: how many positions it has. Returns the folder.
    """
    config = getattr(transformers, f"{network}Config")(
        # The vocabulary is padded, as real ones are: the surplus must never be drawn.
        vocab_size=-(-foreign_tokenizer(name).vocab_size // 64) * 64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=window,
        # Large weights make the next token depend on the last ones, so that replies differ.
        initializer_range=0.3,
        **({"sliding_window": None} if network == "Mistral" else {}),
    )
    torch.manual_seed(11)
    getattr(transformers, f"{network}ForCausalLM")(config).eval().save_pretrained(folder)
    write_tokenizer(name, folder)
    return folder
