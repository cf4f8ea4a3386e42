from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.phases import Phase
from caesura.engine.sampler import Draw, MaskTable, draw, uniform
from caesura.messages.request import Sampling
from caesura.tokens import PhaseTokens

TOKENS = PhaseTokens(think=1, end_think=2, end=(3,), closing=(8,), never=(1, 4), blank=frozenset({9}))
VOCAB = 16
TABLE = MaskTable.build(TOKENS, num_words=14, vocab_size=VOCAB, device=torch.device("cpu"))


def logits(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed)) * 3


def want(phase: Phase = "answer", *, seed: int = 0, position: int = 0, **sampling: float | None) -> Draw:
    return Draw(Sampling(**sampling), phase, seed, position)  # pyright: ignore[reportArgumentType]


def test_greedy_takes_the_likeliest_that_is_allowed() -> None:
    scores = torch.zeros(4, VOCAB)
    scores[:, 15] = 9  # beyond the tokenizer's words
    scores[:, 4] = 8  # never
    scores[:, 2] = 7  # ends a thought
    scores[:, 3] = 6  # ends the turn
    scores[:, 7] = 5
    rows = [want(phase, temperature=0.0) for phase in ("choose", "think", "start", "answer")]
    assert draw(scores, rows, TABLE).ids == [2, 2, 7, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.0),
        Sampling(),
        Sampling(temperature=0.5, top_p=0.9),
        Sampling(top_k=5),
    ],
)
def test_a_row_that_is_no_numbers_is_told_and_harms_no_other(
    sampling: Sampling, bad: float, dtype: torch.dtype
) -> None:
    scores = logits(4).to(dtype)
    greedy = Sampling(temperature=0.0)
    samplings = (Sampling(), sampling, greedy, sampling)
    rows = [Draw(each, "answer", seed, 0) for seed, each in enumerate(samplings)]
    alone = [draw(scores[row : row + 1], [rows[row]], TABLE).ids[0] for row in (0, 2, 3)]
    scores[1] = bad
    drawn = draw(scores, rows, TABLE, wants_log_probs=True)
    assert drawn.is_sound == [True, False, True, True]
    assert [drawn.ids[0], *drawn.ids[2:]] == alone
    assert draw(scores[1:2], rows[1:2], TABLE).is_sound == [False]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_one_score_that_is_no_number_spoils_its_row_and_minus_infinity_does_not(temperature: float) -> None:
    scores = logits(2)
    scores[0, 6], scores[1, 6] = torch.nan, -torch.inf
    rows = [want(temperature=temperature), want(temperature=temperature)]
    assert draw(scores, rows, TABLE).is_sound == [False, True]


def test_log_probs_are_those_of_the_bare_model() -> None:
    scores = logits(2)
    drawn = draw(scores, [want(), want(temperature=0.0)], TABLE, wants_log_probs=True)
    expected = scores.log_softmax(-1)
    assert drawn.log_probs is not None
    for row, (token, log_prob) in enumerate(zip(drawn.ids, drawn.log_probs, strict=True)):
        assert abs(expected[row, token].item() - log_prob) < 1e-5


def test_log_probs_are_under_the_mask_where_a_row_asks_for_that() -> None:
    scores = logits(2)
    rows = [want(), want()._replace(scores_masked=True)]
    drawn = draw(scores, rows, TABLE, wants_log_probs=True)
    expected = (scores[0], TABLE.apply(scores, rows)[1])
    assert drawn.log_probs is not None
    for row, (token, log_prob) in enumerate(zip(drawn.ids, drawn.log_probs, strict=True)):
        assert abs(expected[row].log_softmax(-1)[token].item() - log_prob) < 1e-5
    assert draw(scores, rows, TABLE).ids == drawn.ids


@settings(max_examples=50, deadline=None)
@given(
    order=st.permutations(range(6)),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    top_k=st.none() | st.integers(1, 20),
    top_p=st.floats(0, 1),
)
def test_a_row_draws_the_same_in_any_company(
    order: list[int], temperature: float, top_k: int | None, top_p: float
) -> None:
    scores = logits(6)
    rows = [want(seed=row) for row in range(5)]
    rows.append(want(seed=5, temperature=temperature, top_k=top_k, top_p=top_p))
    together = draw(scores[order], [rows[row] for row in order], TABLE).ids
    alone = [draw(scores[row : row + 1], [rows[row]], TABLE).ids[0] for row in order]
    assert together == alone


def test_draws_follow_the_distribution() -> None:
    count = 20_000
    scores = logits(1)
    rows = [want(seed=3, position=position, temperature=0.7) for position in range(count)]
    ids = torch.tensor(draw(scores.expand(count, -1), rows, TABLE).ids)
    found = torch.bincount(ids, minlength=VOCAB) / count
    banned = TABLE.penalties_PV[3] == -torch.inf
    expected = (scores[0].masked_fill(banned, -torch.inf) / 0.7).softmax(-1)
    assert (found - expected).abs().max() < 0.015
    assert found[banned].sum() == 0


def test_top_k_and_top_p_keep_the_fewest_likeliest() -> None:
    count = 3000
    probs = torch.zeros(VOCAB)
    probs[5:10] = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    scores = (probs + 1e-12).log().expand(count, -1)

    def drawn(**sampling: float | None) -> set[int]:
        given = Sampling(**sampling)  # pyright: ignore[reportArgumentType]
        rows = [Draw(given, "answer", 1, position) for position in range(count)]
        return set(draw(scores, rows, TABLE).ids)

    assert drawn(top_k=2) == {5, 6}
    assert drawn(top_p=0.6) == {5, 6}
    assert drawn(top_p=0.75) == {5, 6, 7}
    assert drawn(top_k=3, top_p=0.99) == {5, 6, 7}
    assert drawn(top_p=0.0) == {5}


@pytest.mark.parametrize("temperature", [1e-6, 1e-7, 1e-30, 1e-50, 5e-324])
@pytest.mark.parametrize("top_k", [None, 5])
def test_a_tiny_temperature_is_greedy(temperature: float, top_k: int | None) -> None:
    scores = logits(4)
    rows = [want(seed=row, temperature=temperature, top_k=top_k) for row in range(4)]
    cold = draw(scores, rows, TABLE).ids
    assert cold == draw(scores, [want(temperature=0.0)] * 4, TABLE).ids


def test_uniform_numbers_are_uniform_and_repeatable() -> None:
    numbers = torch.tensor([uniform(9, position) for position in range(10_000)], dtype=torch.float64)
    assert uniform(9, 5) == uniform(9, 5) != uniform(10, 5)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(numbers.var() - 1 / 12) < 0.005
    pairs = numbers[:-1] - 0.5, numbers[1:] - 0.5
    assert abs((pairs[0] * pairs[1]).mean() * 12) < 0.03
