"""The model that is measured: nano's shape, and replies that never end by themselves.

Speed must not depend on when a model chooses to stop, and both sides must do the same work. So the row
of the end-of-turn token is taken out of the embedding, which is also the output projection: its logit
is 0, and greedy decoding never picks it. Enters: a trained folder, or none (then random weights of the
same shape). Leaves: a folder that every contender loads. Read next: `decode.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from caesura.model import PRESETS, ModelConfig, Transformer, load_model
from caesura.tokens import Tokenizer
from caesura.tokens.markers import END
from caesura.train.stage import export

_TEXT = "Once upon a time a hare asked a tortoise: what is 12 times 31? It paused to think. "


def shape(*, is_quick: bool) -> ModelConfig:
    """nano's, or two small layers for a smoke run."""
    nano = PRESETS["nano"]
    if not is_quick:
        return nano
    return replace(nano, vocab_size=512, hidden_size=64, num_layers=2, num_heads=4, intermediate_size=128)


def endless_folder(source: Path | None, folder: Path, *, is_quick: bool) -> Path:
    """Write the folder to be measured, from `source` if there is one."""
    if source is not None:
        model, tokenizer = load_model(source), Tokenizer.load(source)
    else:
        config = shape(is_quick=is_quick)
        model, tokenizer = Transformer(config), Tokenizer.train([_TEXT * 50], vocab_size=config.vocab_size)
        model.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.embed_tokens.weight[tokenizer.marker(END)] = 0.0
    export(model.to_dtype(torch.bfloat16), tokenizer, folder, {})
    return folder
