"""A byte-level tokenizer, a seeded two-layer model, and engines made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

from caesura.engine.engine import Engine
from caesura.engine.loading import EngineConfig, LoadedModel, build_engine
from caesura.engine.scheduler import SchedulerConfig
from caesura.messages.response import ModelInfo
from caesura.model import ModelConfig, Transformer
from caesura.tokens import CaesuraFormat, Tokenizer

WINDOW = 512
WIDE_WINDOW = 2048
SMALL = ModelConfig(
    vocab_size=320,  # more than the tokenizer has: the surplus must never be drawn
    hidden_size=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=96,
    max_positions=WINDOW,
)

EngineFactory = Callable[..., Engine]


def tiny_model() -> LoadedModel:
    """The seeded model."""
    tokenizer = Tokenizer.train(["the sum of two numbers is a number, and so on. " * 20], vocab_size=300)
    model = Transformer(SMALL)
    model.initialise(torch.Generator().manual_seed(7))
    # Larger embeddings make the next token depend on the last ones, so that replies differ.
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
    info = ModelInfo(
        id="tiny",
        display_name="Tiny",
        created_at="2026-01-01T00:00:00Z",
        max_input_tokens=WINDOW,
        max_tokens=WINDOW,
        trained_tokens=WINDOW,
        can_think=True,
    )
    return LoadedModel(
        model=model.eval(), tokenizer=tokenizer, chat_format=CaesuraFormat(tokenizer), info=info
    )


@pytest.fixture(scope="session")
def loaded() -> LoadedModel:
    return tiny_model()


@pytest.fixture(scope="session")
def wide(loaded: LoadedModel) -> LoadedModel:
    """The same with a longer window: schemas take many of a tokenizer's ids that knows few words."""
    model = Transformer(replace(SMALL, max_positions=WIDE_WINDOW))
    model.initialise(torch.Generator().manual_seed(7))
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
    info = replace(loaded.info, max_tokens=WIDE_WINDOW)
    return replace(loaded, model=model.eval(), info=info)


@pytest.fixture
def make_engine(loaded: LoadedModel) -> Iterator[EngineFactory]:
    """An engine with the given limits; it is closed after the test."""
    engines: list[Engine] = []

    def make(
        *, num_pages: int = 256, max_running: int = 32, max_step_tokens: int = 128, **limits: int
    ) -> Engine:
        scheduler = SchedulerConfig(max_running=max_running, max_step_tokens=max_step_tokens)
        config = replace(EngineConfig(scheduler=scheduler, num_pages=num_pages, num_threads=1), **limits)
        engines.append(build_engine(loaded, config))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
