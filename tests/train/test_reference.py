"""The reference is asked once, and what it said is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from caesura.messages.errors import DataError
from caesura.train.pairs import PairBatch, PairSet
from caesura.train.reference import ReferencedPairs, policy_log_probs, reference_log_probs
from tests.train.tiny_pairs import PAIRS, formats, preference, tiny_loop, tiny_model


def _pairs(num: int = 20) -> PairSet:
    return PairSet.collect(formats(), [preference(number) for number in range(num)], 64)


def test_what_is_kept_is_what_the_policy_says_before_it_moves(tmp_path: Path) -> None:
    pairs, model = _pairs(), tiny_model().eval()
    log_probs = policy_log_probs(model, tiny_loop(1), "cpu", is_compiled=False)
    kept = reference_log_probs(log_probs, pairs, PAIRS, tmp_path / "reference.npy", "cpu")
    referenced = ReferencedPairs(pairs=pairs, num_ids_N2=pairs.num_reply_ids(), log_probs_N2=kept)
    batch = pairs.batch([7, 3, 12], PAIRS.row_tokens)
    terms = referenced.terms(batch.indices_B, "cpu")
    with torch.no_grad():
        torch.testing.assert_close(terms.reference_S, log_probs(batch), atol=1e-4, rtol=1e-5)
    assert terms.num_ids_S.tolist() == batch.mask_ST.sum(dim=1).tolist()


def test_it_is_asked_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def log_probs(batch: PairBatch) -> Tensor:
        asked.append(len(batch.p_B))
        return torch.arange(2.0 * len(batch.p_B))

    first = reference_log_probs(log_probs, _pairs(), PAIRS, tmp_path / "reference.npy", "cpu")
    second = reference_log_probs(log_probs, _pairs(), PAIRS, tmp_path / "reference.npy", "cpu")
    assert asked == [8, 8, 4]
    assert np.array_equal(first, second)


def test_a_reference_that_says_no_numbers_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no numbers"):
        reference_log_probs(
            lambda batch: torch.full((2 * len(batch.p_B),), torch.nan),
            _pairs(),
            PAIRS,
            tmp_path / "reference.npy",
            "cpu",
        )
    assert list(tmp_path.iterdir()) == []
