from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.phases import (
    ANSWER_RESERVE,
    CallRules,
    Phase,
    PhaseMachine,
    PhaseState,
    masks,
    phase_machine,
)
from caesura.tokens import Opening, PhaseTokens
from caesura.tokens.call_writing import CallHabits, CallWriting

TOKENS = PhaseTokens(
    think=1, end_think=2, end=(3, 4), closing=(20, 21, 22), never=(1, 5), blank=frozenset({10, 11})
)


def allowed(phase: str) -> list[int]:
    mask = masks(TOKENS)[phase]  # pyright: ignore[reportArgumentType]
    if mask.allowed is not None:
        return [token for token in mask.allowed if token not in mask.banned]
    return [token for token in range(30) if token not in mask.banned]


def run(
    machine: PhaseMachine, opening: Opening, max_tokens: int, picks: list[int]
) -> tuple[PhaseState, list[tuple[int, bool]]]:
    """Feed what a random but obedient model draws until it ends: the last state, and (id, is forced)."""
    state, forced = machine.begin(opening)
    output = [(token, True) for token in forced]
    for pick in picks:
        if state.phase == "done" or state.num_output >= max_tokens:
            break
        choices = allowed(state.phase)
        token = choices[pick % len(choices)]
        state, forced = machine.advance(state, token)
        output += [(token, False), *((each, True) for each in forced)]
    return state, output


@settings(deadline=None)
@given(
    opening=st.sampled_from(["think", "answer", "choose"]),
    budget=st.none() | st.integers(1, 60),
    max_tokens=st.integers(2, 300),
    picks=st.lists(st.integers(0, 1000), max_size=320),
)
def test_every_reply_keeps_its_budget_its_closing_text_its_reserve_and_its_counts(
    opening: Opening, budget: int | None, max_tokens: int, picks: list[int]
) -> None:
    machine = phase_machine(TOKENS, budget_tokens=budget, max_tokens=max_tokens)
    last, output = run(machine, opening, max_tokens, picks)
    assert last.num_output == len(output) <= max_tokens
    ids = [token for token, _ in output]
    inside = _thought(opening, ids)
    assert last.num_thinking == len(inside)
    answer = _answer(opening, ids)
    assert (last.phase in ("answer", "done")) == any(token not in TOKENS.blank for token in answer)
    if last.phase == "done":
        assert answer[-1] in TOKENS.end
        assert any(token not in TOKENS.blank for token in answer[:-1])
    forced = [token for token, is_forced in output if is_forced]
    if last.num_thinking:
        sampled = len(inside) - len(machine.closing) if forced else len(inside)
        assert budget is None or sampled <= budget
    if forced and forced != [TOKENS.end_think]:
        assert tuple(forced) == (*TOKENS.closing, TOKENS.end_think)
    if last.phase in ("start", "answer", "done") and TOKENS.end_think in ids:
        before_answer = ids.index(TOKENS.end_think) + 1
        if opening != "answer":
            assert max_tokens - before_answer >= min(ANSWER_RESERVE, max_tokens // 2)


def _thought(opening: Opening, ids: list[int]) -> list[int]:
    if opening == "answer" or (opening == "choose" and ids[:1] != [TOKENS.think]):
        return []
    ids = ids[1:] if opening == "choose" else ids
    return ids[: ids.index(TOKENS.end_think)] if TOKENS.end_think in ids else ids


def _answer(opening: Opening, ids: list[int]) -> list[int]:
    if opening == "answer":
        return ids
    return ids[ids.index(TOKENS.end_think) + 1 :] if TOKENS.end_think in ids else []


def test_an_answer_cannot_end_before_its_first_word() -> None:
    machine = phase_machine(TOKENS, budget_tokens=None, max_tokens=100)
    state = machine.begin("answer").state
    for blank in (10, 11, 10):
        assert not set(TOKENS.end) & set(allowed(state.phase))
        state = machine.advance(state, blank).state
    state = machine.advance(state, 12).state
    assert set(TOKENS.end) <= set(allowed(state.phase))
    assert set(TOKENS.end) <= set(allowed(machine.advance(state, 10).state.phase))
    assert machine.advance(state, TOKENS.end[0]).state.phase == "done"


@settings(deadline=None)
@given(budget=st.integers(1, 500), max_tokens=st.integers(600, 2000))
def test_a_model_that_never_stops_thinking_thinks_exactly_its_budget(budget: int, max_tokens: int) -> None:
    machine = phase_machine(TOKENS, budget_tokens=budget, max_tokens=max_tokens)
    state = machine.begin("think").state
    forced: tuple[int, ...] = ()
    while not forced:
        state, forced = machine.advance(state, 10)
    assert forced == (*TOKENS.closing, TOKENS.end_think)
    assert state == PhaseState("start", budget + len(TOKENS.closing), budget + len(forced))


def test_without_a_budget_a_thought_stops_at_the_answers_reserve() -> None:
    machine = phase_machine(TOKENS, budget_tokens=None, max_tokens=200)
    state = machine.begin("think").state
    while state.phase == "think":
        state, _ = machine.advance(state, 10)
    assert 200 - state.num_output == ANSWER_RESERVE


def test_the_first_token_of_a_choice_is_one_of_two() -> None:
    assert sorted(allowed("choose")) == [TOKENS.think, TOKENS.end_think]


def test_a_thought_cannot_end_the_turn_and_an_answer_cannot_close_a_thought() -> None:
    assert not {TOKENS.think, *TOKENS.end, 5} & set(allowed("think"))
    for phase in ("start", "answer"):
        assert not {TOKENS.think, TOKENS.end_think, 5} & set(allowed(phase))
    assert TOKENS.end_think in allowed("think")
    assert set(TOKENS.end) <= set(allowed("answer"))


def test_where_no_thought_fits_a_choice_is_an_answer() -> None:
    move = phase_machine(TOKENS, budget_tokens=None, max_tokens=2).begin("choose")
    assert move.forced == (TOKENS.end_think,)
    assert move.state == PhaseState("start", 0, 1)


def test_a_single_token_is_the_answers_and_the_marker_before_it_nobodys() -> None:
    machine = phase_machine(TOKENS, budget_tokens=None, max_tokens=1)
    move = machine.begin("choose")
    assert (move.state, move.forced) == (PhaseState("start", 0, 0), (TOKENS.end_think,))
    assert machine.advance(move.state, 12).state == PhaseState("answer", 0, 1)


CALLING = replace(TOKENS, tool_call=5, end_tool_call=6)
MARKED = replace(
    TOKENS, tool_call=5, never=(1, 5, 7), calls=CallHabits(writing=CallWriting(marks=(7,)), reopen=True)
)
BARE = replace(
    TOKENS, calls=CallHabits(bare_starts=(12,), unclear_starts=(13,), follow_text=False, are_parallel=False)
)


def _mask(machine: PhaseMachine, phase: Phase) -> set[int]:
    mask = masks(machine.tokens)[machine.mask(phase)]
    chosen = range(30) if mask.allowed is None else mask.allowed
    return {token for token in chosen if token not in mask.banned}


def _walk(machine: PhaseMachine, *ids: int) -> list[tuple[str, int]]:
    state = machine.begin("answer").state
    states = [(state.phase, state.num_calls)]
    for token in ids:
        assert token in _mask(machine, state.phase)
        state = machine.advance(state, token).state
        states.append((state.phase, state.num_calls))
    return states


def _machine(tokens: PhaseTokens, **rules: bool) -> PhaseMachine:
    return phase_machine(tokens, budget_tokens=None, max_tokens=99, calls=CallRules(is_offered=True, **rules))


def test_a_call_that_nothing_closes_goes_on_to_the_next_or_to_the_end_of_the_turn() -> None:
    walked = _walk(_machine(MARKED), 5, 15, 7, 16, 5, 15, 3)
    assert walked[1:] == [("tool", 1)] * 4 + [("tool", 2)] * 2 + [("done", 2)]
    assert 5 not in _mask(_machine(MARKED, is_parallel=False), "tool")
    assert 7 not in _mask(_machine(MARKED), "answer")


def test_a_brace_as_the_first_word_begins_a_call_where_none_needs_a_marker() -> None:
    machine = _machine(BARE, is_parallel=False)
    assert _walk(machine, 10, 12, 15, 4)[1:] == [("start", 0), ("tool", 1), ("tool", 1), ("done", 1)]
    assert _walk(machine, 15, 12)[1:] == [("answer", 0), ("answer", 0)]
    assert 13 not in _mask(machine, "start")
    assert 13 in _mask(machine, "answer")


def test_a_call_that_is_wanted_and_needs_no_marker_has_begun_at_once() -> None:
    assert _walk(_machine(BARE, is_wanted=True), 12, 3) == [("tool", 1), ("tool", 1), ("done", 1)]
    machine = _machine(BARE, is_wanted=True)
    state = machine.advance(machine.begin("choose").state, TOKENS.end_think).state
    assert (state.phase, state.num_calls) == ("tool", 1)


def test_where_calls_follow_no_text_none_opens_behind_one() -> None:
    tokens = replace(CALLING, calls=CallHabits(follow_text=False))
    assert 5 in _mask(_machine(tokens), "start")
    assert 5 not in _mask(_machine(tokens), "answer")
    assert 5 in _mask(_machine(CALLING), "answer")


def test_calls_are_not_offered_where_the_model_knows_none() -> None:
    with pytest.raises(ValueError, match="knows no calls"):
        _machine(TOKENS)
