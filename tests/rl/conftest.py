"""A seeded two-layer model in float32 with a tokenizer that knows the problems' words, and engines of it."""

from __future__ import annotations

import pytest
import torch

from caesura.engine.loading import LoadedModel
from caesura.messages.response import ModelInfo
from caesura.model import ModelConfig, Transformer
from caesura.rl.rollouts import RolloutConfig, RolloutEngine
from caesura.tokens import CaesuraFormat, Tokenizer

SHAPE = ModelConfig(
    vocab_size=512,  # more than the tokenizer has: the surplus must never be drawn
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    intermediate_size=48,
    max_positions=2048,
)
LIMITS = RolloutConfig(max_running=64, max_step_tokens=256, num_pages=512)


def tiny_tokenizer() -> Tokenizer:
    return Tokenizer.train(["The answer is 12. Add 3 and 4, then sort 5, 1, 2. " * 20], vocab_size=340)


def tiny_policy(seed: int = 3) -> Transformer:
    model = Transformer(SHAPE)
    model.initialise(torch.Generator().manual_seed(seed))
    with torch.no_grad():  # so that what comes next depends on what came before
        model.embed_tokens.weight.mul_(8.0)
    return model


def tiny_loaded(tokenizer: Tokenizer) -> LoadedModel:
    info = ModelInfo(
        id="tiny",
        display_name="Tiny",
        created_at="2026-01-01T00:00:00Z",
        max_input_tokens=SHAPE.max_positions,
        max_tokens=SHAPE.max_positions,
        trained_tokens=SHAPE.max_positions,
        can_think=True,
    )
    return LoadedModel(
        model=tiny_policy(seed=11).eval(),
        tokenizer=tokenizer,
        chat_format=CaesuraFormat(tokenizer),
        info=info,
    )


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture
def engine(tokenizer: Tokenizer) -> RolloutEngine:
    """Not yet synced."""
    return RolloutEngine(tiny_loaded(tokenizer), LIMITS)


@pytest.fixture
def policy() -> Transformer:
    return tiny_policy()
