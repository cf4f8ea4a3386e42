"""What comes back: a message, its usage, and the model descriptions of `/v1/models`.

Enters: nothing. Leaves: immutable values. Read next: `events.py`, whose stream folds into a `Message`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from caesura.messages.content import Block
from caesura.messages.context_management import AppliedEdit

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens read and written; the three input counts are disjoint and sum to the prompt's length.

    input_tokens: prompt tokens computed anew.
    output_tokens: every token written: thinking, closing text, answer.
    thinking_tokens: those of output_tokens that were thought, closing text included, markers not.
    cache_read_input_tokens: prompt tokens whose keys and values were at hand.
    cache_creation_input_tokens: prompt tokens stored for later at the caller's wish.
    cache_creation_1h_input_tokens: those of cache_creation_input_tokens that are stored for an hour.
    iterations: each pass of the model, where a reply took several. All counts are then sums over those of
        kind "message"; what a summary took stands there alone.
    """

    input_tokens: int
    output_tokens: int = 0
    thinking_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    iterations: tuple[Iteration, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """The rendered prompt's length."""
        return self.input_tokens + self.cache_read_input_tokens + self.cache_creation_input_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One pass of the model.

    kind: "message" wrote a part of the reply, "compaction" the summary of what came before.
    usage: what it took, without iterations of its own.
    """

    kind: Literal["message", "compaction"]
    usage: Usage


MissReason = Literal[
    "model_changed",
    "system_changed",
    "tools_changed",
    "messages_changed",
    "previous_message_not_found",
    "unavailable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMiss:
    """Where a prompt parts from the one that it was compared with.

    reason: the first part that differs, or why the two could not be compared.
    num_missed_tokens: about how many tokens of the earlier prompt come after that place; None where they
        could not be compared.
    """

    reason: MissReason
    num_missed_tokens: int | None = None


DropReason = Literal["model_binding_mismatch", "prefix_binding_mismatch", "organization_binding_mismatch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTransformation:
    """A part of the request that the model was not shown.

    path: where it stood, as `messages.{i}.content.{j}` of the body that was sent.
    reason: another model wrote it, its text is not the text that was signed, or this server's key did
        not sign it.
    type: what was done about it.
    """

    path: str
    reason: DropReason
    type: Literal["thinking_dropped"] = "thinking_dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole reply: the fold of an event stream.

    id: msg_...
    model: the name that the request gave.
    content: thinking first, if any, then text, then calls; several rounds of them are possible.
    stop_reason: why it ended.
    stop_sequence: the stop sequence that matched, if one did.
    usage: what it took.
    input_transformations: what of the request was not shown to the model.
    cache_miss: where the prompt parts from an earlier one; None if it does not, or nobody asked.
    applied_edits: what was cleared of the request before the model saw it; None if nobody asked.
    """

    id: str
    model: str
    content: tuple[Block, ...]
    stop_reason: StopReason
    stop_sequence: str | None
    usage: Usage
    input_transformations: tuple[InputTransformation, ...] = ()
    cache_miss: CacheMiss | None = None
    applied_edits: tuple[AppliedEdit, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model as `/v1/models` lists it.

    id: the name that requests use.
    display_name: the name that people read.
    created_at: RFC 3339.
    max_input_tokens: the context window.
    max_tokens: the most that one reply may hold.
    trained_tokens: the length up to which the model was trained; accuracy is claimed up to here only.
    can_think: whether thinking may be switched on.
    can_see: whether it reads pictures.
    can_structure: whether the form of an answer, and of calls, is guaranteed.
    can_cite: whether answers can say where in the documents things come from.
    can_read_pdf: whether it is shown the text of PDFs.
    """

    id: str
    display_name: str
    created_at: str
    max_input_tokens: int
    max_tokens: int
    trained_tokens: int
    can_think: bool
    can_see: bool = False
    can_structure: bool = False
    can_cite: bool = False
    can_read_pdf: bool = False
