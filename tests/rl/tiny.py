"""A tiny random model as an earlier job has left it, and prompts to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from caesura.constitution.prompts import WrittenPrompt
from caesura.model import ModelConfig, Transformer
from caesura.tokens import Tokenizer
from caesura.train.job import Place
from caesura.train.stage import export

WINDOW = 2048


def place(folder: Path, *names: str) -> Place:
    """Runs in which each of the named jobs has left a model of its own."""
    tokenizer = Tokenizer.train(["I can help with the sum of two numbers, and so on. " * 20], vocab_size=300)
    for seed, name in enumerate(names):
        config = ModelConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=32,
            num_layers=1,
            num_heads=2,
            num_kv_heads=1,
            head_dim=16,
            intermediate_size=48,
            max_positions=WINDOW,
        )
        model = Transformer(config)
        model.initialise(torch.Generator().manual_seed(seed))
        facts = {"created_at": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
        (folder / "runs" / name).mkdir(parents=True)
        export(model, tokenizer, folder / "runs" / name / "model", facts)
    return Place(runs=folder / "runs", data=folder / "data", tokenizer=folder / "runs" / names[0] / "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """So many prompts, every second one harmful. padding: how many letters longer they are."""

    num: int = 10
    padding: int = 0

    def __call__(self, data: Path) -> Iterator[WrittenPrompt]:
        for number in range(self.num):
            is_harmful = number % 2 == 0
            yield WrittenPrompt(
                text=f"Number {number}?{self.padding * 'Q'}",
                is_harmful=is_harmful,
                category="privacy" if is_harmful else "none",
                answer="" if is_harmful or number % 4 == 1 else f"It is {number}.",
                source="own",
                licence="CC0-1.0",
            )


def nothing_held_out(data: Path) -> Callable[[str], bool]:
    return lambda text: False


def eights_held_out(data: Path) -> Callable[[str], bool]:
    return lambda text: "8" in text
