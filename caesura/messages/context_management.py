"""What may be done to a conversation that has grown long, and what was done.

Enters: nothing. Leaves: immutable edits, as a request asks for them, and applied edits, as a reply tells of
them. Read next: `context_in.py` (from the wire), `context_edits.py` (what clearing means), `compaction.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ClearingType = Literal["clear_tool_uses_20250919", "clear_thinking_20251015"]
EditType = Literal[ClearingType, "compact_20260112"]
EDIT_TYPES: tuple[EditType, ...] = (*get_args(ClearingType), "compact_20260112")

# The API's own numbers; a model whose window they do not fit has smaller ones, see below.
CLEAR_TRIGGER_TOKENS = 100_000
COMPACT_TRIGGER_TOKENS = 150_000
MIN_COMPACT_TRIGGER_TOKENS = 50_000
NUM_KEPT_TOOL_USES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When to clear the results of tools.

    kind: what is counted: the tokens of the prompt, or the calls in the conversation.
    value: clearing begins above it.
    """

    kind: Literal["input_tokens", "tool_uses"]
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUseClearing:
    """`clear_tool_uses_20250919`: the results of the oldest calls give way to a placeholder.

    trigger: None: `clear_trigger_tokens`.
    num_kept: how many of the latest calls are left as they are.
    min_cleared_tokens: nothing is cleared unless it saves as much.
    excluded_tools: the names of tools whose results stay.
    clears_inputs: whether what the calls asked for goes too: of all tools, of none, or of those named.
    """

    trigger: Trigger | None = None
    num_kept: int = NUM_KEPT_TOOL_USES
    min_cleared_tokens: int = 0
    excluded_tools: tuple[str, ...] = ()
    clears_inputs: bool | tuple[str, ...] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingClearing:
    """`clear_thinking_20251015`: the thoughts of the oldest turns are left out.

    num_kept_turns: how many of the assistant's latest turns keep their thoughts; None: all of them do.
    """

    num_kept_turns: int | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """`compact_20260112`: a summary takes the place of the conversation.

    trigger_tokens: from this length of the prompt on; None: `compact_trigger_tokens`.
    pauses: whether the reply is the summary alone, and the client says how to go on.
    instructions: what to put into the summary; None: `compaction.DEFAULT_INSTRUCTIONS`.
    """

    trigger_tokens: int | None = None
    pauses: bool = False
    instructions: str | None = None


ContextEdit = ToolUseClearing | ThinkingClearing | Compaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedEdit:
    """Something that was cleared.

    type: by which edit.
    num_cleared: how many calls, or turns with thoughts.
    num_cleared_tokens: how much shorter the prompt has become by it.
    """

    type: ClearingType
    num_cleared: int
    num_cleared_tokens: int


def clear_trigger_tokens(window: int) -> int:
    """Above which length results are cleared unless said otherwise: half of a window that is small."""
    return min(CLEAR_TRIGGER_TOKENS, window // 2)


def compact_trigger_tokens(window: int) -> int:
    """From which length on a conversation is summarised unless said otherwise: in a small window, when three
    quarters are full.
    """
    return min(COMPACT_TRIGGER_TOKENS, window * 3 // 4)


def min_compact_trigger_tokens(window: int) -> int:
    """The least that may be asked for: a quarter of a window that is small."""
    return min(MIN_COMPACT_TRIGGER_TOKENS, window // 4)
