"""The phase machine: it owns thinking and tool calls, and reads ids only, never text.

    choose --think--> think --end_think--> start --word--> answer --end--> done
       \\--------end_think---------------/   |               |
                                             +--tool_call----+--> tool --end_tool_call--> next --end--> done
                                                                    \\------tool_call------/

An answer that has started holds at least one word, which is any token that is not blank: until then it
cannot end, so no reply comes out empty or blank that could not be sent back as a message.
It counts thinking tokens exactly and ends a thought by force, with the closing text and `end_think`, when
the budget is spent or when more thought would eat the answer's reserve. What it forces is appended to the
sequence at once and computed as one chunk, so a forced token never competes with a sampled one.

A call stands where text could, if tools are offered; after a call comes another or the end, and no text.
Where a call is wanted, `call` takes the place of `start`: nothing but `tool_call` can be sampled. Where only
one call may be made, the reply is done with its end. What is inside a call is the grammar's business.
Models write calls in several forms (`caesura/tokens/call_forms.py`). In some, no id closes a call: the turn
ends behind it, or the next call opens; in some, calls stand at the beginning of a reply only; and in some no
marker has to open one: there a brace as the first word does, and a wanted call begins as `tool`.

Counts: `num_thinking` is the tokens inside the thought, closing text included, markers excluded;
`num_output` is every token, sampled or forced, markers and the end token included; except that a reply of
at most one token has no room for the marker that declines a thought, which then counts as nobody's.
Enters: one sampled id at a time. Leaves: the new state and the ids to force. Read next: `sampler.py`,
which obeys the masks; `constraint.py`, which holds what grammars add to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from caesura.tokens.phase_tokens import Opening, PhaseTokens

Phase = Literal["choose", "think", "start", "answer", "call", "tool", "next", "done"]
MaskName = Literal[
    "choose",
    "think",
    "start",
    "answer",
    "call",
    "tool",
    "next",
    "start_or_call",
    "answer_or_call",
    "tool_or_call",
]

ANSWER_RESERVE = 64


class Mask(NamedTuple):
    """What may be sampled.

    allowed: nothing but these; None: anything.
    banned: not these.
    """

    allowed: tuple[int, ...] | None
    banned: tuple[int, ...]


def masks(tokens: PhaseTokens) -> dict[MaskName, Mask]:
    """By name, what may be sampled.

    The first token only decides; a thought can end in no other way than `end_think`; an answer cannot
    close a thought that is closed, nor end before it has started; a call can end in no other way than
    `end_tool_call`, or, where there is none, with the turn. Where the model knows no calls, what speaks of
    them is never asked for.
    """
    calls = tokens.calls
    opens, closes = _ids(tokens.tool_call), _ids(tokens.end_tool_call)
    structure = _distinct((*tokens.never, tokens.think, *opens, *closes))
    started, written = (*structure, tokens.end_think, *tokens.end), (*structure, tokens.end_think)
    called = _without(started if closes else written, (*closes, *calls.writing.marks))
    return {
        "choose": Mask((tokens.think, tokens.end_think), ()),
        "think": Mask(None, _distinct((*structure, *tokens.end))),
        "start": Mask(None, _distinct(started)),
        "answer": Mask(None, _distinct(written)),
        "start_or_call": Mask(None, _without((*started, *calls.unclear_starts), opens)),
        "answer_or_call": Mask(None, _without(written, opens)),
        "call": Mask(opens, ()),
        "tool": Mask(None, called),
        "tool_or_call": Mask(None, _without(called, opens)),
        "next": Mask(_distinct((*opens, *tokens.end, *tokens.between_calls)), ()),
    }


def _ids(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)


def _distinct(ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))


def _without(ids: tuple[int, ...], left_out: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token in _distinct(ids) if token not in left_out)


@dataclass(frozen=True, slots=True)
class PhaseState:
    """Where a reply stands: its phase, the two counts (see above), and how many calls have begun."""

    phase: Phase
    num_thinking: int = 0
    num_output: int = 0
    num_calls: int = 0


class Move(NamedTuple):
    """The state after a token and after what is forced behind it, and what is forced."""

    state: PhaseState
    forced: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRules:
    """What a reply may do with tools.

    is_offered: it may call. is_wanted: it must, and first of all. is_parallel: several times.
    """

    is_offered: bool = False
    is_wanted: bool = False
    is_parallel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMachine:
    """The rules for one reply; build it with `phase_machine`.

    tokens: the ids that it goes by.
    closing: what is forced before `end_think`.
    budget_tokens: thoughts are closed after this many tokens; None: by `close_at` alone.
    close_at: an open thought is closed as soon as this many tokens have been written.
    max_tokens: the most output tokens.
    calls: what it may do with tools.
    """

    tokens: PhaseTokens
    closing: tuple[int, ...]
    budget_tokens: int | None
    close_at: int
    max_tokens: int
    calls: CallRules

    def begin(self, opening: Opening) -> Move:
        """The state before the first token. Where no thought fits, it is closed, or declined, at once."""
        if opening == "choose" and self.close_at < 1:
            num_output = 1 if self.max_tokens > 1 else 0
            return Move(self._opened(0, num_output), (self.tokens.end_think,))
        return self._settle(self._opened(0, 0) if opening == "answer" else PhaseState(opening))

    def advance(self, state: PhaseState, token: int) -> Move:
        """One sampled token further."""
        num_output = state.num_output + 1
        if state.phase == "think":
            if token == self.tokens.end_think:
                return Move(self._opened(state.num_thinking, num_output), ())
            return self._settle(PhaseState("think", state.num_thinking + 1, num_output))
        if state.phase == "choose":
            does_think = token == self.tokens.think
            return self._settle(
                PhaseState("think", 0, num_output) if does_think else self._opened(0, num_output)
            )
        phase = self._after(state.phase, token)
        has_begun = phase == "tool" and (state.phase != "tool" or self._reopens(token))
        return Move(PhaseState(phase, state.num_thinking, num_output, state.num_calls + has_begun), ())

    def mask(self, phase: Phase, *, has_grammar: bool = False) -> MaskName:
        """Which mask holds. has_grammar: a grammar holds too, and it is for the grammar to say when the text
        may end.
        """
        if phase == "start" and not has_grammar:
            return "start_or_call" if self.calls.is_offered else "start"
        if phase in ("start", "answer"):
            may_call = self.calls.is_offered and (phase == "start" or self.tokens.calls.follow_text)
            return "answer_or_call" if may_call else "answer"
        if phase == "tool" and self.calls.is_parallel and self.tokens.calls.reopen:
            return "tool_or_call"
        assert phase != "done"
        return phase

    def _opened(self, num_thinking: int, num_output: int) -> PhaseState:
        """The state in which an answer begins."""
        if not self.calls.is_wanted:
            return PhaseState("start", num_thinking, num_output)
        if self.tokens.calls.bare_starts:
            return PhaseState("tool", num_thinking, num_output, num_calls=1)
        return PhaseState("call", num_thinking, num_output)

    def _reopens(self, token: int) -> bool:
        """Whether an id within a call ends it and opens the next."""
        may_reopen = self.tokens.calls.reopen and self.calls.is_parallel
        return may_reopen and token == self.tokens.tool_call

    def _after(self, phase: Phase, token: int) -> Phase:
        """The phase that a token of the answer leads to."""
        tokens = self.tokens
        if phase == "tool":
            if tokens.end_tool_call is None:
                return "done" if token in tokens.end else "tool"
            if token != tokens.end_tool_call:
                return "tool"
            return "next" if self.calls.is_parallel else "done"
        is_bare = phase == "start" and token in tokens.calls.bare_starts
        if self.calls.is_offered and (is_bare or token == tokens.tool_call):
            return "tool"
        if token in tokens.end:
            return "done"
        if phase in ("next", "call"):
            # What stands between two calls announces the second.
            return "call"
        return phase if token in tokens.blank else "answer"

    def _settle(self, state: PhaseState) -> Move:
        """Close the thought if it may not grow."""
        is_spent = self.budget_tokens is not None and state.num_thinking >= self.budget_tokens
        if state.phase != "think" or not (is_spent or state.num_output >= self.close_at):
            return Move(state, ())
        forced = (*self.closing, self.tokens.end_think)
        num_thinking = state.num_thinking + len(self.closing)
        return Move(self._opened(num_thinking, state.num_output + len(forced)), forced)


def phase_machine(
    tokens: PhaseTokens,
    *,
    budget_tokens: int | None,
    max_tokens: int,
    calls: CallRules = CallRules(),
) -> PhaseMachine:
    """The machine for one reply of at most `max_tokens` output tokens.

    The answer's reserve is min(64, max_tokens // 2) tokens, kept for every max_tokens >= 2. Where closing
    text and reserve together leave no room for a single thought token (max_tokens of a dozen), the
    closing text is left out and `end_think` alone is forced.
    Raises ValueError for calls of tools where the model knows none.
    """
    if calls.is_offered and not tokens.can_call:
        raise ValueError("this model knows no calls of tools")
    before_answer = max_tokens - min(ANSWER_RESERVE, max_tokens // 2)
    closing, close_at = tokens.closing, before_answer - len(tokens.closing) - 1
    if close_at < 1:
        closing, close_at = (), before_answer - 1
    return PhaseMachine(
        tokens=tokens,
        closing=closing,
        budget_tokens=budget_tokens,
        close_at=close_at,
        max_tokens=max_tokens,
        calls=calls,
    )
