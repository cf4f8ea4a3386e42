"""When a grammar holds: with every token of its phase, in order, and no other."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from caesura.engine.constraint import (
    BitBlock,
    BitRow,
    Constraint,
    Ends,
    GrammarError,
    Keeper,
)
from caesura.engine.phases import CallRules, PhaseState
from caesura.tokens import PhaseTokens
from caesura.tokens.call_writing import CallHabits, CallWriting

TOKENS = PhaseTokens(
    think=1,
    end_think=2,
    end=(3, 4),
    closing=(20,),
    never=(1, 5, 6, 7),
    blank=frozenset({10}),
    tool_call=6,
    end_tool_call=7,
)
NUM_IDS = 70


class Recorder:
    """A grammar of exact words; notes what its matchers were told."""

    def __init__(self, words: tuple[int, ...], *, breaks_at: int | None = None) -> None:
        self.words = words
        self.breaks_at = breaks_at
        self.heard: list[list[int]] = []

    def matcher(self) -> Follower:
        self.heard.append([])
        return Follower(self, self.heard[-1])


class Follower:
    def __init__(self, grammar: Recorder, heard: list[int]) -> None:
        self._grammar = grammar
        self._heard = heard

    def allow(self, row: BitRow) -> Ends:
        at = len(self._heard)
        if at == self._grammar.breaks_at:
            raise GrammarError("too much work")
        row.bits[:] = 0
        words = self._grammar.words
        for token in words[at : at + 1]:
            row.bits[token >> 5] |= 1 << (token & 31)
        return Ends(at == len(words), at == len(words))

    def advance(self, token: int) -> None:
        if token not in self._grammar.words[len(self._heard) :][:1]:
            raise GrammarError(f"{token} was not allowed")
        self._heard.append(token)


def allowed(keeper: Keeper) -> set[int]:
    row = BitBlock(1, NUM_IDS).rows[0]
    assert keeper.allow(row)
    return {token for token in range(NUM_IDS) if row.bits[token >> 5] >> (token & 31) & 1}


def begun(constraint: Constraint, phase: str = "start") -> Keeper:
    keeper = Keeper(constraint, TOKENS)
    keeper.enter(PhaseState(phase))  # pyright: ignore[reportArgumentType]
    return keeper


def test_rows_of_bits_lie_where_their_addresses_say() -> None:
    block = BitBlock(3, 64)
    assert block.bits_GW.shape == (3, 3)
    block.rows[1].bits[2] = 9
    assert block.bits_GW[1, 2] == 9
    first, second, _ = (row.address for row in block.rows)
    assert second - first == block.bits_GW.strides[0]


def test_the_end_joins_where_the_text_is_complete() -> None:
    keeper = begun(Constraint(answer=Recorder((30, 69))))
    assert allowed(keeper) == {30}
    keeper.advance(30, PhaseState("answer"))
    assert allowed(keeper) == {69}
    keeper.advance(69, PhaseState("answer"))
    assert allowed(keeper) == {3, 4}


def test_a_call_may_come_first_or_behind_a_complete_text_but_never_within() -> None:
    calling = CallRules(is_offered=True)
    keeper = begun(Constraint(answer=Recorder((30, 31)), call=Recorder((40,)), calls=calling))
    assert allowed(keeper) == {30, 6}
    keeper.advance(30, PhaseState("answer"))
    assert allowed(keeper) == {31}
    keeper.advance(31, PhaseState("answer"))
    assert allowed(keeper) == {3, 4, 6}


def test_every_call_has_a_matcher_of_its_own_which_hears_the_call_alone() -> None:
    answer, call = Recorder((30,)), Recorder((40, 41))
    keeper = begun(Constraint(answer=answer, call=call, calls=CallRules(is_offered=True)))
    keeper.advance(30, PhaseState("answer"))
    for _ in range(2):
        keeper.advance(6, PhaseState("tool"))
        assert allowed(keeper) == {40}
        keeper.advance(40, PhaseState("tool"))
        keeper.advance(41, PhaseState("tool"))
        assert allowed(keeper) == {7}
        keeper.advance(7, PhaseState("next"))
        assert not keeper.is_armed
    assert (answer.heard, call.heard) == ([[30]], [[40, 41], [40, 41]])


def test_a_thought_is_free_and_heard_by_no_grammar() -> None:
    answer = Recorder((30,))
    keeper = begun(Constraint(answer=answer), "think")
    for token in (50, 51, 30):
        assert not keeper.is_armed
        keeper.advance(token, PhaseState("think"))
    keeper.advance(2, PhaseState("start"))
    assert keeper.is_armed
    assert allowed(keeper) == {30}
    assert answer.heard == [[]]


def test_a_choice_and_a_wanted_call_are_the_phases_business() -> None:
    constraint = Constraint(answer=Recorder((30,)), call=Recorder((40,)))
    assert not begun(constraint, "choose").is_armed
    assert not begun(constraint, "call").is_armed


def test_an_answer_without_a_word_comes_out_only_where_the_grammar_knows_no_other() -> None:
    class Optional(Recorder):
        def matcher(self) -> Follower:
            return Unsure(self, [])

    class Unsure(Follower):
        def allow(self, row: BitRow) -> Ends:
            super().allow(row)
            return Ends(may=True, must=False)

    assert allowed(begun(Constraint(answer=Optional((30,))))) == {30}
    assert allowed(begun(Constraint(answer=Recorder(())))) == {3, 4}


def test_a_grammar_that_breaks_is_said_to_be_broken(caplog: pytest.LogCaptureFixture) -> None:
    keeper = begun(Constraint(answer=Recorder((30, 31), breaks_at=1)))
    keeper.advance(30, PhaseState("answer"))
    row = BitBlock(1, NUM_IDS).rows[0]
    with caplog.at_level(logging.ERROR):
        assert not keeper.allow(row)
    assert keeper.is_broken
    assert "too much work" in caplog.text


def test_a_token_that_was_not_allowed_is_an_error() -> None:
    keeper = begun(Constraint(answer=Recorder((30,))))
    with pytest.raises(GrammarError):
        keeper.advance(33, PhaseState("answer"))


def test_without_a_constraint_nothing_is_held() -> None:
    keeper = begun(Constraint())
    assert not keeper.is_armed
    assert not keeper.allow(BitBlock(1, NUM_IDS).rows[0])


MARKED = replace(TOKENS, end_tool_call=None, calls=CallHabits(writing=CallWriting(marks=(7,)), reopen=True))
BARE = replace(
    TOKENS,
    tool_call=None,
    end_tool_call=None,
    calls=CallHabits(bare_starts=(40, 42), follow_text=False, are_parallel=False),
)


def test_a_call_that_nothing_closes_ends_with_the_turn_or_where_the_next_one_opens() -> None:
    for is_parallel, exits in ((True, {3, 4, 6}), (False, {3, 4})):
        call = Recorder((40, 41))
        rules = CallRules(is_offered=True, is_parallel=is_parallel)
        keeper = Keeper(Constraint(call=call, calls=rules), MARKED)
        keeper.enter(PhaseState("start"))
        keeper.advance(6, PhaseState("tool", num_calls=1))
        assert allowed(keeper) == {40}
        keeper.advance(40, PhaseState("tool", num_calls=1))
        keeper.advance(41, PhaseState("tool", num_calls=1))
        assert allowed(keeper) == exits
        keeper.advance(6, PhaseState("tool", num_calls=2))
        assert allowed(keeper) == {40}
        assert call.heard == [[40, 41], []]


def test_the_first_word_of_a_call_without_a_marker_is_heard_by_its_grammar() -> None:
    call = Recorder((40, 41))
    keeper = Keeper(Constraint(call=call, calls=CallRules(is_offered=True)), BARE)
    keeper.enter(PhaseState("start"))
    assert not keeper.is_armed
    keeper.advance(10, PhaseState("start"))
    keeper.advance(40, PhaseState("tool", num_calls=1))
    assert allowed(keeper) == {41}
    keeper.advance(41, PhaseState("tool", num_calls=1))
    assert allowed(keeper) == {3, 4}
    assert call.heard == [[40, 41]]


def test_a_call_that_is_wanted_begins_with_its_grammar_where_no_marker_opens_it() -> None:
    call = Recorder((40, 41))
    keeper = Keeper(Constraint(call=call, calls=CallRules(is_offered=True, is_wanted=True)), BARE)
    keeper.enter(PhaseState("tool", num_calls=1))
    assert allowed(keeper) == {40}
    keeper.advance(40, PhaseState("tool", num_calls=1))
    assert call.heard == [[40]]


def test_where_calls_follow_no_text_none_opens_behind_one() -> None:
    tokens = replace(TOKENS, calls=CallHabits(follow_text=False))
    keeper = Keeper(Constraint(answer=Recorder((30,)), calls=CallRules(is_offered=True)), tokens)
    keeper.enter(PhaseState("start"))
    assert allowed(keeper) == {30, 6}
    keeper.advance(30, PhaseState("answer"))
    assert allowed(keeper) == {3, 4}
