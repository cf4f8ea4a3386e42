"""The rules of a request body that no single field can state.

Enters: a body whose shape is right. Leaves: nothing, or an `InvalidRequestError` with the wording that
clients act on. Read next: `validation.py`, which applies them and builds the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, cast

from caesura.messages.errors import InvalidRequestError
from caesura.messages.wire_in import (
    MAX_BLOCKS,
    WireBlock,
    WireCacheControl,
    WireCountRequest,
    WireDisabled,
    WireEnabled,
    WireMessage,
    WireRequest,
    WireText,
    WireThinkingConfig,
)

MAX_CACHE_BREAKPOINTS = 4
MAX_STOP_SEQUENCES = 64
MAX_STOP_SEQUENCE_CHARACTERS = 1_024
_NOT_PERMITTED = "Extra inputs are not permitted"


def is_thinking(thinking: WireThinkingConfig | None) -> bool:
    """Whether the model may think."""
    return thinking is not None and thinking.type in ("enabled", "adaptive")


def check_num_blocks(fields: Mapping[str, Any]) -> None:
    """Refuse more blocks than are read in reasonable time, before they are read."""
    messages = cast("list[object]", fields["messages"]) if isinstance(fields.get("messages"), list) else []
    contents = [
        cast("dict[str, object]", message).get("content") for message in messages if isinstance(message, dict)
    ]
    lists = [content for content in (*contents, fields.get("system")) if isinstance(content, list)]
    num_blocks = sum(len(cast("list[object]", content)) for content in lists)
    if num_blocks > MAX_BLOCKS:
        raise InvalidRequestError(
            f"messages: {num_blocks} content blocks > {MAX_BLOCKS} maximum; shorten the conversation"
        )


def check_supported(body: WireCountRequest) -> None:
    """Refuse by name what a client would expect to have an effect, and has none here."""
    if body.tools:
        raise InvalidRequestError("tools: tools are not supported by this server; leave them out")
    if body.tool_choice is not None and body.tool_choice.type in ("any", "tool"):
        choice = body.tool_choice.type
        raise InvalidRequestError(f"tool_choice.{choice}: forced tool use is not supported by this server")
    config = body.output_config
    formats = {
        "output_config.format": config and config.format,
        "output_config.task_budget": config and config.task_budget,
        "output_format": body.output_format,
        "container": body.container,
        "mcp_servers": body.mcp_servers,
        "compaction": body.compaction,
        "thread": body.thread,
    }
    for path, value in formats.items():
        if value is not None and value != []:
            raise InvalidRequestError(f"{path}: this field is not supported by this server; leave it out")


def check_warming(body: WireCountRequest) -> None:
    """`max_tokens` 0 computes the prompt for the next request and writes nothing, so nothing can be asked of
    what is written.
    """
    if not isinstance(body, WireRequest) or body.max_tokens:
        return
    choice = body.tool_choice.type if body.tool_choice is not None else "auto"
    asked = {
        "stream: true": bool(body.stream),
        "thinking.type: enabled": isinstance(body.thinking, WireEnabled),
        "output_config.format": body.output_config is not None and body.output_config.format is not None,
        "output_format": body.output_format is not None,
        f"tool_choice.type: {choice}": choice in ("any", "tool"),
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise InvalidRequestError(
                f"max_tokens: 0 fills the prompt cache and writes nothing, so it cannot be combined with"
                f" `{name}`; leave that out, or ask for at least 1"
            )


def check_sampling_with_thinking(body: WireCountRequest) -> None:
    """A thinking budget fixes how tokens are drawn."""
    if body.temperature is not None and body.temperature != 1:
        raise InvalidRequestError("`temperature` may only be set to 1 when thinking is enabled")
    if body.top_k is not None:
        raise InvalidRequestError("`top_k` must be unset when thinking is enabled")
    if body.top_p is not None and body.top_p < 0.95:
        raise InvalidRequestError(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled"
        )


def check_thinking(body: WireCountRequest) -> None:
    """The forms of `thinking`, and what it does not go together with."""
    thinking = body.thinking
    match thinking:
        case WireEnabled():
            _check_enabled(body, thinking)
        case WireDisabled() if thinking.display is not None:
            raise InvalidRequestError(f"thinking.disabled.display: {_NOT_PERMITTED}")
        case _ if thinking is not None and thinking.type == "between_tools":
            raise InvalidRequestError(
                "thinking.type: `between_tools` is not supported by this server; use `disabled`"
            )
        case _:
            pass


def _check_enabled(body: WireCountRequest, thinking: WireEnabled) -> None:
    if isinstance(body, WireRequest) and thinking.budget_tokens >= body.max_tokens:
        values = f"{body.max_tokens} <= {thinking.budget_tokens}"
        raise InvalidRequestError(f"`max_tokens` must be greater than `thinking.budget_tokens` ({values})")
    check_sampling_with_thinking(body)
    if body.tool_choice is not None and body.tool_choice.type in ("any", "tool"):
        raise InvalidRequestError("Thinking may not be enabled when tool_choice forces tool use")


def check_stop_sequences(stop_sequences: list[str]) -> None:
    """Not too many, none too long: each is looked for at every token. A blank one would end any answer."""
    if len(stop_sequences) > MAX_STOP_SEQUENCES:
        raise InvalidRequestError(
            f"stop_sequences: {len(stop_sequences)} stop sequences > {MAX_STOP_SEQUENCES} maximum"
        )
    for index, text in enumerate(stop_sequences):
        if len(text) > MAX_STOP_SEQUENCE_CHARACTERS:
            raise InvalidRequestError(
                f"stop_sequences.{index}: {len(text)} characters > {MAX_STOP_SEQUENCE_CHARACTERS} maximum"
            )
        if not text.strip():
            raise InvalidRequestError(
                f"stop_sequences.{index}: each stop sequence must contain non-whitespace"
            )


def check_text(path: str, block: WireText) -> None:
    """Text blocks hold text. path: of the text."""
    text = block.text
    if not text and block.cache_control is not None:
        raise InvalidRequestError(f"{path}: cache_control cannot be set for empty text blocks")
    if not text:
        raise InvalidRequestError(f"{path}: text content blocks must be non-empty")
    if text.isspace():
        raise InvalidRequestError(f"{path}: text content blocks must contain non-whitespace text")


def check_content(index: int, message: WireMessage, *, has_citations: bool) -> None:
    """One message's blocks against its role.

    has_citations: whether the dialect knows `citations` on a user's text.
    """
    for position, block in enumerate(message.content):
        path = f"messages.{index}.content.{position}"
        if isinstance(block, WireText):
            check_text(f"{path}.text", block)
            if block.citations and message.role != "assistant" and not has_citations:
                raise InvalidRequestError(f"{path}.text.citations: {_NOT_PERMITTED}")
        elif message.role != "assistant":
            raise InvalidRequestError(
                f"{path}.type: `{block.type}` blocks are only allowed in `assistant` messages"
            )
        elif block.cache_control is not None:
            raise InvalidRequestError(f"{path}.{block.type}.cache_control: {_NOT_PERMITTED}")


def check_empty_content(messages: list[WireMessage]) -> None:
    """Every message says something, a final assistant turn (a prefill of nothing) aside."""
    for index, message in enumerate(messages):
        is_final_assistant = index == len(messages) - 1 and message.role == "assistant"
        if not message.content and not is_final_assistant:
            raise InvalidRequestError(
                f"messages.{index}.content: all messages must have non-empty content"
                " except for the optional final assistant message"
            )


def check_order(messages: list[WireMessage]) -> None:
    """Who may speak after whom, consecutive messages of one role counting as one."""
    runs = [
        (role, [index for index, _ in run])
        for role, run in groupby(enumerate(messages), key=lambda pair: pair[1].role)
    ]
    roles = [role for role, _ in runs]
    if roles[0] != "user":
        hint = ""
        if roles[0] == "system":
            hint = '; instructions before the first message go into the top-level "system" parameter'
        raise InvalidRequestError(f'messages.0.role: first message must use the "user" role{hint}')
    for position, (role, indices) in enumerate(runs):
        if role != "system":
            continue
        if roles[position - 1] != "user":
            raise InvalidRequestError(
                f'messages.{indices[0]}.role: a "system" message must follow a "user" message'
            )
        if roles[position + 1 : position + 2] == ["user"]:
            raise InvalidRequestError(
                f'messages.{indices[-1]}.role: a "system" message must be the last message'
                ' or precede an "assistant" message'
            )


def check_prefill(messages: list[WireMessage], thinking: WireThinkingConfig | None) -> None:
    """A final assistant turn is continued, so it must end where text can go on."""
    index, final = len(messages) - 1, messages[-1]
    if final.role != "assistant":
        return
    if is_thinking(thinking):
        raise InvalidRequestError(
            f"messages.{index}.role: the final message must not be from the `assistant` (a prefill)"
            " when thinking is enabled"
        )
    block = final.content[-1]
    if not isinstance(block, WireText):
        raise InvalidRequestError(
            f"messages.{index}: The final block in an assistant message cannot be `{block.type}`."
        )
    if block.text[-1].isspace():
        path = f"messages.{index}.content.{len(final.content) - 1}.text"
        raise InvalidRequestError(f"{path}: final assistant content cannot end with trailing whitespace")


def _breakpoints(body: WireCountRequest) -> Iterator[tuple[str, WireCacheControl]]:
    """Every cache breakpoint with its path, in the order in which the prompt is rendered."""
    for position, block in enumerate(body.system or []):
        if block.cache_control is not None:
            yield f"system.{position}.cache_control", block.cache_control
    for index, message in enumerate(body.messages):
        for position, block in enumerate(message.content):
            if isinstance(block, WireText) and block.cache_control is not None:
                yield f"messages.{index}.content.{position}.cache_control", block.cache_control
    if body.cache_control is not None:
        yield "cache_control", body.cache_control


def check_cache_control(body: WireCountRequest, messages: list[WireMessage]) -> None:
    """At most four breakpoints, the automatic one counted, and the long-lived ones first.

    messages: those that count.
    """
    _check_automatic(body, messages[-1].content[-1])
    breakpoints = list(_breakpoints(body))
    if len(breakpoints) > MAX_CACHE_BREAKPOINTS:
        raise InvalidRequestError(
            f"A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided."
            f" Found {len(breakpoints)}."
        )
    has_short = False
    for path, control in breakpoints:
        if control.ttl == "1h" and has_short:
            raise InvalidRequestError(
                f"{path}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control"
                " block. Note that blocks are processed in the following order:"
                " `tools`, `system`, `messages`."
            )
        has_short = has_short or control.ttl != "1h"


def _check_automatic(body: WireCountRequest, last: WireBlock) -> None:
    """The automatic breakpoint stands after the last block: one that stands there must agree with it."""
    marked = last.cache_control if isinstance(last, WireText) else None
    if body.cache_control is None or marked is None:
        return
    automatic, own = body.cache_control.ttl or "5m", marked.ttl or "5m"
    if automatic != own:
        raise InvalidRequestError(
            f"cache_control.ttl: the last block has a cache_control of its own with ttl='{own}', the"
            f" automatic one asks for ttl='{automatic}'; leave one of them out, or give both the same"
        )
