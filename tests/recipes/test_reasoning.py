"""Reasoning rows: the shares that the mix asks for, thoughts cut as the engine cuts them, free choice."""

from __future__ import annotations

from collections import Counter

from caesura.evals.tasks import FAMILIES
from caesura.messages.content import text_of, thinking_of
from caesura.recipes.reasoning import ReasoningMix, reasoning_rows

ROWS = list(reasoning_rows(5, 3000, ReasoningMix(fast=0.3, cut=0.2, free_choice=0.5)))


def test_the_same_seed_gives_the_same_rows() -> None:
    again = list(reasoning_rows(5, 50, ReasoningMix(fast=0.3, cut=0.2, free_choice=0.5)))
    assert again == ROWS[:50]


def test_the_shares_are_those_of_the_mix() -> None:
    fast = sum(not thinking_of(row.conversation.turns[-1].content) and not row.is_cut for row in ROWS)
    assert abs(fast / len(ROWS) - 0.3) < 0.03
    assert abs(sum(row.is_cut for row in ROWS) / len(ROWS) - 0.2) < 0.03


def test_every_family_is_there() -> None:
    assert set(Counter(row.source for row in ROWS)) == {f"task/{name}" for name in FAMILIES}


def test_weights_change_how_often_a_family_comes() -> None:
    mix = ReasoningMix(weights={"addition": 0.0, "chain": 5.0})
    counts = Counter(row.source for row in reasoning_rows(1, 1000, mix))
    assert counts["task/addition"] == 0
    assert counts["task/chain"] > 3 * counts["task/state"]


def test_the_choice_is_free_only_where_the_row_does_the_natural_thing() -> None:
    for row in ROWS:
        if row.mode == "adaptive":
            family = FAMILIES[row.source.removeprefix("task/")]
            has_thought = len(row.conversation.turns[-1].content) == 2
            assert has_thought is family.needs_thinking
            assert not row.is_cut


def test_every_answer_states_its_result_in_the_form_that_is_graded() -> None:
    for row in ROWS[:200]:
        reply = text_of(row.conversation.turns[-1].content)
        assert reply.startswith("The answer is ")
        assert reply.endswith(".")


def test_no_held_out_problem_is_trained_on_in_any_wording() -> None:
    thoughts = {thinking_of(row.conversation.turns[-1].content) for row in ROWS if not row.is_cut}
    for family in FAMILIES.values():
        for number in range(60):
            problem = family.problem(f"eval/0/{number}", 1 + number % 5, is_held_out=True)
            assert problem.thinking not in thoughts


def test_the_mix_decides_how_a_problem_is_answered_but_not_which_is_posed() -> None:
    mixes = (ReasoningMix(fast=1.0, cut=0.0), ReasoningMix(fast=0.0, cut=0.0, filler=1.0))
    fast, filler = (list(reasoning_rows(7, 50, mix)) for mix in mixes)
    for one, other in zip(fast, filler, strict=True):
        assert one.conversation.turns[0] == other.conversation.turns[0]
        assert text_of(one.conversation.turns[-1].content) == text_of(other.conversation.turns[-1].content)
        assert set(thinking_of(other.conversation.turns[-1].content)) == {" ", "."}
        assert other.is_cut
