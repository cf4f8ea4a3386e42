from __future__ import annotations

from pathlib import Path

import torch

from bench.kv_dtype import difference, log_probs
from bench.model_folder import endless_folder
from caesura.engine import load


def test_either_kind_scores_every_token_of_a_reply(tmp_path: Path) -> None:
    folder = endless_folder(None, tmp_path / "model", is_quick=True)
    loaded = load(folder, dtype=torch.float32)
    texts = [(list(range(16, 56)), 30), (list(range(60, 150)), 85)]
    plain, int8 = log_probs(loaded, texts, None), log_probs(loaded, texts, "int8")
    assert len(plain) == len(int8) == 15
    torch.testing.assert_close(plain.exp().sum(-1), torch.ones(15))
    # On average: the model's two silenced tokens have logits far from all others'.
    apart = (plain - int8).abs().mean()
    assert 0 < apart < 0.005


def test_only_the_written_tokens_are_compared() -> None:
    one, other = torch.zeros(2, 3), torch.tensor([[0.0, -0.5, 9.0], [1.0, 0.25, 0.0]])
    assert difference(one, other, torch.tensor([1, 1])) == ["2", "0.3750", "0.500", "50.00%"]
