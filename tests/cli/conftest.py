"""A model folder small enough to load in every test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from caesura.model import ModelConfig, Transformer
from caesura.model.folder import save_model
from caesura.tokens import Tokenizer


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No verb finds, or leaves, anything in the state folder of whoever runs the tests."""
    monkeypatch.setenv("CAESURA_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("CAESURA_DATABASE", raising=False)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_folder(tmp_path_factory.mktemp("models") / "tiny", max_positions=512)


@pytest.fixture(scope="session")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with room for long replies: to be interrupted, or to be asked for as agents do."""
    return random_folder(tmp_path_factory.mktemp("models") / "long", max_positions=65_536)


def random_folder(folder: Path, *, max_positions: int) -> Path:
    """A model of random weights, the same ones every time."""
    tokenizer = Tokenizer.train(["the sum of two numbers is a number, and so on. " * 20], vocab_size=300)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=48,
        max_positions=max_positions,
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(7))
    save_model(model, folder)
    tokenizer.save(folder, max_positions=config.max_positions)
    return folder
