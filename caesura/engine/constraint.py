"""Grammars of one reply, and when they hold.

A grammar is armed when its phase begins: the answer's with the first token after the thought, the one for
calls anew with every call. It sees every token of its phase in order, and no other. Where the text so far is
complete, the tokens that leave the phase join what it allows: the end of the turn, the opening of a call
behind or instead of a text, the end of a call. A call without a marker begins with its grammar's first word.
Enters: phases and tokens. Leaves: for a sampled token, the ids that the grammar allows. Read next:
`grammar.py`, which makes grammars.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.engine.phases import CallRules, Phase, PhaseState
from caesura.tokens.phase_tokens import PhaseTokens

log = logging.getLogger(__name__)

# A bit for each id and one more, the first in the lowest place of the first word.
Bits = NDArray[np.uint32]


class BitRow(NamedTuple):
    """Where one grammar writes what it allows: the bits, and their address for those who know no arrays."""

    bits: Bits
    address: int


class BitBlock:
    """Rows of bits that lie behind one another, so that they are read at once.

    bits_GW: all of them, G rows of W words.
    """

    def __init__(self, num_rows: int, num_ids: int) -> None:
        self.bits_GW: Bits = np.zeros((num_rows, (num_ids + 1 + 31) // 32), dtype=np.uint32)
        first, stride = self.bits_GW.ctypes.data, self.bits_GW.strides[0]
        self.rows = [BitRow(bits, first + at * stride) for at, bits in enumerate(self.bits_GW)]


class Ends(NamedTuple):
    """Whether a text may end where it is, and whether it must."""

    may: bool
    must: bool


class Matcher(Protocol):
    """Follows one text."""

    def allow(self, row: BitRow) -> Ends:
        """Write down the ids that go on with the text. Raises GrammarError where they cannot be found."""
        ...

    def advance(self, token: int) -> None:
        """One token further. Raises GrammarError for a token that was not allowed."""
        ...


class Grammar(Protocol):
    """What texts of a kind look like."""

    def matcher(self) -> Matcher:
        """A matcher at the beginning of a text."""
        ...


class GrammarError(Exception):
    """A text that its grammar cannot follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What a reply must keep to.

    answer: the grammar of its text; None: free.
    call: the grammar of what stands between the markers of a call; None: free.
    calls: what it may do with tools.
    """

    answer: Grammar | None = None
    call: Grammar | None = None
    calls: CallRules = CallRules()  # noqa: RUF009 (immutable)


FREE = Constraint()


class Keeper:
    """Holds one reply to its constraint: follows its phases, with a matcher where a grammar holds.

    is_broken: its grammar could not say what comes next, so the reply cannot go on.
    """

    def __init__(self, constraint: Constraint, tokens: PhaseTokens) -> None:
        self._constraint = constraint
        self._tokens = tokens
        self._matcher: Matcher | None = None
        self._answer: Matcher | None = None
        self._phase: Phase = "choose"
        self._num_calls = 0
        self.is_broken = False

    @property
    def is_armed(self) -> bool:
        """Whether a grammar holds for the next token."""
        return self._matcher is not None

    def enter(self, state: PhaseState) -> None:
        """Arm or disarm as a phase begins."""
        is_same = (state.phase, state.num_calls) == (self._phase, self._num_calls)
        self._phase, self._num_calls = state.phase, state.num_calls
        if state.phase in _TEXT:
            if self._answer is None and self._constraint.answer is not None:
                self._answer = self._constraint.answer.matcher()
            self._matcher = self._answer
        elif state.phase != "tool":
            self._matcher = None
        elif not is_same:
            self._matcher = None if self._constraint.call is None else self._constraint.call.matcher()

    def advance(self, token: int, state: PhaseState) -> None:
        """A token was sampled, which led to this state. Raises GrammarError."""
        was_text, has_called = self._phase in _TEXT, state.num_calls != self._num_calls
        is_within = state.phase == self._phase or (state.phase in _TEXT and was_text)
        if self._matcher is not None and is_within and not has_called:
            self._matcher.advance(token)
        if state.phase != self._phase or has_called:
            self.enter(state)
        is_bare = was_text and has_called and token in self._tokens.calls.bare_starts
        if self._matcher is not None and is_bare:
            self._matcher.advance(token)

    def allow(self, row: BitRow) -> bool:
        """Write down the ids that may come next, those that leave the phase included. False where no grammar
        holds, or where it has broken.
        """
        if self._matcher is None:
            return False
        try:
            ends = self._matcher.allow(row)
        except GrammarError as error:
            log.error("a grammar cannot go on: %s", error)
            self.is_broken = True
            return False
        for token in self._exits(ends):
            row.bits[token >> 5] |= np.uint32(1 << (token & 31))
        return True

    def _exits(self, ends: Ends) -> tuple[int, ...]:
        """The ids that leave the phase, where they may."""
        tokens, opens, calls = self._tokens, self._tokens.tool_call, self._constraint.calls
        if self._phase == "tool":
            closes = tokens.end if tokens.end_tool_call is None else (tokens.end_tool_call,)
            reopens = (opens,) if tokens.calls.reopen and calls.is_parallel and opens is not None else ()
            return (*closes, *reopens) if ends.may else ()
        # An answer without a word comes out only where the grammar knows no other.
        exits = tokens.end if ends.may and (self._phase == "answer" or ends.must) else ()
        has_place = self._phase == "start" or (ends.may and tokens.calls.follow_text)
        may_call = calls.is_offered and has_place
        return (*exits, opens) if may_call and opens is not None else exits


_TEXT: tuple[Phase, ...] = ("start", "answer")
