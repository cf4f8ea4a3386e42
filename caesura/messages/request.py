"""A request to `POST /v1/messages`, as data.

Enters: (see `validation.py`) a JSON body. Leaves: an immutable `MessagesRequest`. Read next:
`client.py`, which takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from caesura.messages.content import Conversation
from caesura.messages.context_management import ContextEdit
from caesura.messages.response import Usage

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Display = Literal["summarized", "omitted"]
# By which clients ask for `MessagesRequest.fills_window`.
WINDOW_BETA = "model-context-window-exceeded-2025-08-26"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is drawn.

    temperature: 0 is greedy; 1 leaves the distribution as it is.
    top_p: the smallest set of tokens whose probability reaches this.
    top_k: the k likeliest tokens; None for all.
    seed: makes the draw repeatable; None for a fresh one (an extension of the API).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """Whether and how long the model pauses to think.

    mode: "disabled" answers at once, "enabled" thinks up to a budget, "adaptive" lets the model decide.
    budget_tokens: the most thinking tokens; set exactly when mode is "enabled". >= 1; None otherwise.
    display: "summarized" shows the thought, "omitted" sends an empty thought with its signature.
    """

    mode: Literal["disabled", "enabled", "adaptive"] = "disabled"
    budget_tokens: int | None = None
    display: Display = "summarized"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Whether the model may call, must call, or must not call a tool.

    mode: "auto" leaves it to the model, "any" wants a call, "tool" a call of the one that is named, "none"
        wants none. Without tools it means nothing.
    name: of the tool; set exactly when mode is "tool", and then the name of one of the tools.
    is_parallel: whether one reply may hold several calls; if not, "any" and "tool" mean exactly one.
    """

    mode: Literal["auto", "any", "tool", "none"] = "auto"
    name: str | None = None
    is_parallel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """The form that the answer's text must have. Thinking and calls are free of it.

    kind: "json_schema" as the API has it; the others are extensions of it.
    schema: a JSON Schema, for "json_schema", "xml" and "yaml"; None otherwise.
    text: a Lark grammar or a regular expression, for "lark" and "regex"; None otherwise.
    """

    kind: Literal["json_schema", "xml", "yaml", "lark", "regex"]
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """A wish to be told where the prompt parts from an earlier one.

    previous_message_id: the reply to the earlier request; None where there is none yet.
    """

    previous_message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRequest:
    """Everything a Client needs to answer.

    model: the name that the caller gave.
    conversation: what the model reads; a final assistant turn is continued (prefill).
    max_tokens: the most output tokens, thinking included. 0: the prompt is computed and kept for the next
        request that begins with it, and nothing is written.
    sampling, thinking: see there.
    effort: `output_config.effort`; steers adaptive thinking.
    tool_choice: see there; the tools themselves are the conversation's.
    output_format: what the answer must look like; None for free text.
    stop_sequences: texts that end the answer; never matched inside thinking, nor inside a call.
    stream: whether the caller wants events.
    user_id: `metadata.user_id`, opaque.
    diagnostics: None where the caller did not ask for them.
    context_edits: what to clear of the conversation, or to summarise, when it has grown long.
    fills_window: whether a reply whose `max_tokens` does not fit behind the prompt ends where the window
        does, instead of being refused.
    tenant: who asks, opaque; "" for everyone. What one tenant's prompts leave behind is never used for
        another's. It is no part of the body: the server knows it from the key.
    when_cut: told what a reply had taken that was left before its end, before the iterator is closed. A
        Client that does not know never calls it.
    when_admitted: called, on the event loop, when the reply's turn comes and its prompt begins to be read;
        for each pass of the model, where there are several. A Client that does not know never calls it.
    """

    model: str
    conversation: Conversation
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    thinking: Thinking = field(default_factory=Thinking)
    effort: Effort = "high"
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    output_format: OutputFormat | None = None
    stop_sequences: tuple[str, ...] = ()
    stream: bool = False
    user_id: str | None = None
    diagnostics: Diagnostics | None = None
    context_edits: tuple[ContextEdit, ...] = ()
    fills_window: bool = False
    tenant: str = ""
    when_cut: Callable[[Usage], None] | None = field(default=None, compare=False, repr=False)
    when_admitted: Callable[[], None] | None = field(default=None, compare=False, repr=False)
