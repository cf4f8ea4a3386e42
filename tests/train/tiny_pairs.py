"""Preferences and models small enough to train in a test: the better reply always opens with one letter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from caesura.messages.content import text_turn
from caesura.messages.preferences import Dimension, Preference
from caesura.model import ModelConfig, Transformer
from caesura.tokens import CaesuraFormat
from caesura.train.job import Place
from caesura.train.optimisers import OptimiserConfig
from caesura.train.pairs import PairConfig
from caesura.train.stage import export
from caesura.train.steps import LoopConfig
from tests.tokens.conversations import chat_format

PAIRS = PairConfig(batch_pairs=8, row_tokens=(32, 64))
SHAPE = ModelConfig(
    vocab_size=chat_format().tokenizer.vocab_size,
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
    head_dim=16,
    intermediate_size=48,
    max_positions=128,
)


def preference(number: int, **changes: Any) -> Preference:
    fields: dict[str, Any] = {
        "prompt": (text_turn("user", f"Q{number}?"),),
        # As long on either side, so that nothing but the letter tells.
        "chosen": f"L {number % 7}" + " more" * (number // 2 % 2),
        "rejected": f"D {number % 5}" + " more" * (number % 2),
        "p": 0.95,
        "dimension": "helpful",
        "source": "ab"[number % 2],
    }
    return Preference(**(fields | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """`num` comparisons in one dimension, and one in another that is to be left out."""

    num: int = 120
    dimension: Dimension = "helpful"

    def __call__(self, data: Path, runs: Path) -> Iterator[Preference]:
        yield preference(1000, dimension="honest" if self.dimension != "honest" else "helpful")
        yield from (preference(number, dimension=self.dimension) for number in range(self.num))


def tiny_model(seed: int = 0) -> Transformer:
    model = Transformer(SHAPE)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def tiny_place(runs: Path, model: Transformer | None = None) -> Place:
    """A runs folder in which a stage called "start" has left a model."""
    tokenizer = chat_format().tokenizer
    export(model or tiny_model(), tokenizer, runs / "start" / "model", {"trained_tokens": 99})
    return Place(runs=runs, data=runs, tokenizer=runs / "start" / "model")


def tiny_loop(num_steps: int, **changes: Any) -> LoopConfig:
    rate = changes.pop("learning_rate", 1e-2)
    optimiser = OptimiserConfig(
        name="adamw", learning_rate=rate, embedding_learning_rate=rate, warmup_steps=1, decay_fraction=0.1
    )
    fields: dict[str, Any] = {"is_compiled": False, "is_bfloat16": False, "log_every": 1}
    return LoopConfig(num_steps=num_steps, optimiser=optimiser, **(fields | changes))


def formats() -> CaesuraFormat:
    return chat_format()


class InterruptedRunError(Exception):
    """What a test stops a run with."""


class StopAt:
    """Progress that ends the run at a step, as a power cut would."""

    def __init__(self, step: int | None = None) -> None:
        self.step = step
        self.notes: list[tuple[int, int, str]] = []

    def __call__(self, num_done: int, num_total: int, note: str) -> None:
        self.notes.append((num_done, num_total, note))
        if num_done == self.step:
            raise InterruptedRunError
