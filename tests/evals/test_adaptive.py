"""Adaptive thinking beside fixed budgets: read off their curve, at equal accuracy."""

from __future__ import annotations

from caesura.evals.adaptive import Point, adaptive_thinking, most_saved, tokens_at
from caesura.evals.attempts import Attempt, Mode
from caesura.evals.results import Provenance, reasoning_results

CURVE = [Point(0.2, 0.0), Point(0.6, 40.0), Point(0.9, 60.0), Point(0.9, 64.0)]


def attempt(index: int, mode: Mode, budget: int, tokens: int, *, is_correct: bool) -> Attempt:
    return Attempt(
        family="chain",
        seed=0,
        index=index,
        mode=mode,
        budget=budget,
        is_correct=is_correct,
        answer="",
        has_thought=tokens > 0,
        has_answer=True,
        prompt_tokens=9,
        output_tokens=tokens + 5,
        thinking_tokens=tokens,
        streamed_thinking_tokens=tokens,
        stop_reason="end_turn",
    )


def many(mode: Mode, budget: int, tokens: list[int], num_correct: int) -> list[Attempt]:
    return [
        attempt(index, mode, budget, each, is_correct=index < num_correct)
        for index, each in enumerate(tokens)
    ]


def test_between_two_budgets_the_curve_is_straight_and_beyond_it_there_is_nothing() -> None:
    assert tokens_at(0.75, CURVE) == 50.0
    assert tokens_at(0.9, CURVE) == 60.0, "the fewest that will do"
    assert tokens_at(0.1, CURVE) == 0.0
    assert tokens_at(0.95, CURVE) is None


def test_who_skips_useless_thoughts_saves_their_tokens() -> None:
    fixed = {0: many("disabled", 0, [0] * 20, 4), 64: many("enabled", 64, [50] * 20, 16)}
    found = adaptive_thinking(many("adaptive", 0, [25] * 20, 16), fixed)
    assert found.fixed_tokens == 50.0
    assert found.saving is not None
    assert found.saving.mean == 0.5
    assert found.saving.low <= 0.5 <= found.saving.high
    assert found.thought.mean == 1.0


def test_the_most_that_can_be_saved_takes_the_shortest_thought_that_solves_each_problem() -> None:
    fixed = {
        0: many("disabled", 0, [0] * 4, 1),
        16: many("enabled", 16, [16] * 4, 2),
        64: many("enabled", 64, [40] * 4, 3),
    }
    # 0, 16, 40, and 40 for the one that nothing solves, of four times 40.
    assert most_saved(fixed) == 0.4
    assert most_saved({0: fixed[0]}) == 0.0


def test_what_no_budget_reaches_is_compared_with_none() -> None:
    fixed = {0: many("disabled", 0, [0] * 20, 4), 64: many("enabled", 64, [50] * 20, 16)}
    found = adaptive_thinking(many("adaptive", 0, [60] * 20, 19), fixed)
    assert (found.fixed_tokens, found.saving) == (None, None)


def test_adaptive_attempts_are_no_part_of_the_curve(provenance: Provenance) -> None:
    fast, slow = many("disabled", 0, [0] * 20, 4), many("enabled", 64, [50] * 20, 16)
    results = reasoning_results([*fast, *slow, *many("adaptive", 0, [25] * 20, 16)], provenance)
    assert results.accuracy[0].mean == 0.2
    assert results.thinking_tokens == {0: 0.0, 64: 50.0}
    assert results.adaptive is not None
    assert results.adaptive.accuracy.mean == 0.8
