"""The few ids by which thinking and tool calls are steered, and the three ways in which a reply can open.

Enters: nothing. Leaves: plain values that chat format, parser and phase machine share. Read next:
`chat_format.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from caesura.tokens.call_writing import CallHabits

# "think": a thought is open; "answer": no pause; "choose": the model's first token decides.
Opening = Literal["think", "answer", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTokens:
    """The ids that the phase machine goes by.

    think, end_think: open and close a thought; some id of `never` where the model cannot think.
    end: the ids that end a turn.
    closing: the closing text that is forced when the budget is spent, without `end_think`.
    never: ids that must not be sampled inside a thought or an answer.
    blank: ids that add nothing visible to an answer; text made of them alone may be nothing but whitespace.
    tool_call: opens a call of a tool; None where the model knows no calls, or none with a marker. It may be
        among `never`, which does not hold for it where tools are offered.
    end_tool_call: closes a call, and may be among `never` too; None where the end of the turn does.
    between_calls: ids of which one may stand between two calls of a reply.
    calls: where calls stand, and how they read.
    """

    think: int
    end_think: int
    end: tuple[int, ...]
    closing: tuple[int, ...]
    never: tuple[int, ...]
    blank: frozenset[int]
    tool_call: int | None = None
    end_tool_call: int | None = None
    between_calls: tuple[int, ...] = ()
    calls: CallHabits = CallHabits()  # noqa: RUF009 (immutable)

    @property
    def can_call(self) -> bool:
        """Whether the model knows calls."""
        return self.tool_call is not None or bool(self.calls.bare_starts)
