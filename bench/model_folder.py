"""The models that are measured: nano, and Llama shapes with random weights that every peer opens.

Speed must not depend on when a model chooses to stop, and all sides must do the same work. So the
end-of-turn token's row of the output projection is zeros in a random model, where something is always
likelier, and in a trained one points away from whatever the network says. Enters: a trained folder, or none
(then random weights of the same shape). Leaves: a folder that every contender loads. Read next: `decode.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from caesura.model import PRESETS, ModelConfig, PackedAttention, RopeConfig, Transformer, load_model
from caesura.tokens import Tokenizer
from caesura.tokens.markers import END, MARKERS
from caesura.train.stage import export

_END_LOGIT = -30.0
_NUM_PROBED = 4096
# So many texts of so many words, and as many again of its own.
_NUM_WRITTEN = 48
_TEXT = "Once upon a time a hare asked a tortoise: what is 12 times 31? It paused to think. "


def _llama(hidden_size: int, num_layers: int, intermediate_size: int, num_kv_heads: int) -> ModelConfig:
    return ModelConfig(
        family="llama",
        vocab_size=8192,
        hidden_size=hidden_size,
        num_layers=num_layers,
        num_heads=hidden_size // 64,
        num_kv_heads=num_kv_heads,
        head_dim=64,
        intermediate_size=intermediate_size,
        max_positions=65_536,
        rope=RopeConfig(theta=500_000.0),
        has_qk_norm=False,
    )


LLAMAS = {
    "5M": _llama(256, 6, 512, 2),
    "27M": _llama(512, 8, 1472, 4),
    "96M": _llama(768, 12, 2560, 6),
}


def shape(*, is_quick: bool) -> ModelConfig:
    """nano's, or two small layers for a smoke run."""
    nano = PRESETS["nano"]
    return _small(nano) if is_quick else nano


def _small(config: ModelConfig) -> ModelConfig:
    return replace(
        config, vocab_size=512, hidden_size=64, num_layers=2, num_heads=4, num_kv_heads=2,
        head_dim=32, intermediate_size=128,
    )  # fmt: skip


def endless_folder(source: Path | None, folder: Path, *, is_quick: bool) -> Path:
    """Write the folder to be measured, from `source` if there is one."""
    if source is not None:
        model, tokenizer = load_model(source), Tokenizer.load(source)
        _silence(model, tokenizer, _away_from_all(model, tokenizer.vocab_size))
    else:
        config = shape(is_quick=is_quick)
        model, tokenizer = _random(config)
    return _export(model, tokenizer, folder)


def llama_folder(name: str, folder: Path, *, is_quick: bool) -> Path:
    """Write a random model of one of the shapes in `LLAMAS`; for a smoke run, of two small layers."""
    return _export(*_random(_small(LLAMAS[name]) if is_quick else LLAMAS[name]), folder)


def _random(config: ModelConfig) -> tuple[Transformer, Tokenizer]:
    model, tokenizer = Transformer(config), Tokenizer.train([_TEXT * 50], vocab_size=config.vocab_size)
    model.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        # The engine writes words only; so must peers, which know of no markers.
        model.embed_tokens.weight[: len(MARKERS)] = 0.0
        model.embed_tokens.weight[tokenizer.vocab_size :] = 0.0
    return model, tokenizer


def _export(model: Transformer, tokenizer: Tokenizer, folder: Path) -> Path:
    export(model.to_dtype(torch.bfloat16), tokenizer, folder, {})
    return folder


def _silence(model: Transformer, tokenizer: Tokenizer, row_D: Tensor) -> None:
    output = model.embed_tokens if model.lm_head is None else model.lm_head
    with torch.no_grad():
        output.weight[tokenizer.marker(END)] = row_D


@torch.no_grad()
def _away_from_all(model: Transformer, num_words: int) -> Tensor:
    """(D,): the row whose products with what the network puts out come nearest to `_END_LOGIT`, for words in
    no order, as prompts here are, and for what the network likes best to write. A row of zeros would be drawn
    now and then among the twenty likeliest.
    """
    generator = torch.Generator().manual_seed(0)
    random_1T = torch.randint(len(MARKERS), num_words, (1, _NUM_PROBED), generator=generator)
    prompts_BT = torch.randint(len(MARKERS), num_words, (_NUM_WRITTEN, _NUM_WRITTEN), generator=generator)
    written_BT = _written(model, prompts_BT, num_words)
    hidden_TD = torch.cat([_hidden(model, tokens).flatten(0, 1) for tokens in (random_1T, written_BT)])
    return torch.linalg.lstsq(hidden_TD, torch.full((len(hidden_TD), 1), _END_LOGIT)).solution[:, 0]


def _written(model: Transformer, tokens_BT: Tensor, num_words: int) -> Tensor:
    """Texts with as many words again, each the likeliest."""
    for _ in range(tokens_BT.shape[1]):
        logits_BV = model.logits(_hidden(model, tokens_BT)[:, -1].to(model.embed_tokens.weight.dtype))
        logits_BV[:, : len(MARKERS)] = -torch.inf
        logits_BV[:, num_words:] = -torch.inf
        tokens_BT = torch.cat((tokens_BT, logits_BV.argmax(-1, keepdim=True)), dim=1)
    return tokens_BT


def _hidden(model: Transformer, tokens_BT: Tensor) -> Tensor:
    """(B, T, D), in float32."""
    positions_BT = torch.arange(tokens_BT.shape[1]).expand(tokens_BT.shape)
    return model(tokens_BT, positions_BT, PackedAttention()).float()
