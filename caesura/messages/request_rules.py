"""The rules of a request body that no single field can state.

Enters: a body whose shape is right. Leaves: nothing, or an `InvalidRequestError` with the wording that
clients act on. Read next: `validation.py`, which applies them and builds the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, cast

from caesura.messages.blocks_in import (
    WireBlock,
    WireDocument,
    WireImage,
    WireMcpToolResult,
    WireMcpToolUse,
    WireParts,
    WireRedactedThinking,
    WireResultBlock,
    WireSearchResult,
    WireText,
    WireThinking,
    WireToolResult,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.images_in import MAX_IMAGES
from caesura.messages.wire_in import (
    MAX_BLOCKS,
    WireCountRequest,
    WireDisabled,
    WireEnabled,
    WireMessage,
    WireRequest,
    WireThinkingConfig,
)

MAX_STOP_SEQUENCES = 64
MAX_STOP_SEQUENCE_CHARACTERS = 1_024
# By which clients know that they are to go on without the field.
_ERROR_CODES = {"thread": "thread_unsupported_request"}
_NOT_PERMITTED = "Extra inputs are not permitted"
_USERS_BLOCKS = (WireImage, WireDocument, WireSearchResult, WireToolResult)


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
    blocks = [block for content in lists for block in cast("list[object]", content)]
    num_blocks = len(blocks) + sum(map(_num_inner, blocks))
    if num_blocks > MAX_BLOCKS:
        raise InvalidRequestError(
            f"messages: {num_blocks} content blocks > {MAX_BLOCKS} maximum; shorten the conversation"
        )


def _num_inner(block: object) -> int:
    fields = cast("dict[str, object]", block) if isinstance(block, dict) else {}
    source = fields.get("source")
    holder = cast("dict[str, object]", source) if isinstance(source, dict) else fields
    content = holder.get("content", fields.get("content"))
    return len(cast("list[object]", content)) if isinstance(content, list) else 0


def check_supported(body: WireCountRequest) -> None:
    """Refuse by name what a client would expect to have an effect, and has none here."""
    config = body.output_config
    fields = {
        "output_config.task_budget": config and config.task_budget,
        "container": body.container,
        "mcp_servers": body.mcp_servers,
        "compaction": body.compaction,
        "thread": body.thread,
    }
    for path, value in fields.items():
        if value is not None and value != []:
            raise InvalidRequestError(
                f"{path}: this field is not supported by this server; leave it out",
                error_code=_ERROR_CODES.get(path),
            )


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


def check_thinking(body: WireCountRequest, *, is_interleaved: bool) -> None:
    """The forms of `thinking`, and what it does not go together with.

    is_interleaved: see `Dialect`.
    """
    thinking = body.thinking
    match thinking:
        case WireEnabled():
            _check_enabled(body, thinking, is_bounded=not (is_interleaved and body.tools))
        case WireDisabled() if thinking.display is not None:
            raise InvalidRequestError(f"thinking.disabled.display: {_NOT_PERMITTED}")
        case _ if thinking is not None and thinking.type == "between_tools":
            raise InvalidRequestError(
                "thinking.type: `between_tools` is not supported by this server; use `disabled`"
            )
        case _:
            pass


def _check_enabled(body: WireCountRequest, thinking: WireEnabled, *, is_bounded: bool) -> None:
    if is_bounded and isinstance(body, WireRequest) and thinking.budget_tokens >= body.max_tokens:
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


def check_content(index: int, message: WireMessage, *, is_newest: bool) -> None:
    """One message's blocks against its role.

    is_newest: whether the dialect knows neither `citations` on a user's text nor a document of the
        assistant's.
    """
    for position, block in enumerate(message.content):
        path = f"messages.{index}.content.{position}"
        if isinstance(block, WireText):
            check_text(f"{path}.text", block)
            if block.citations and message.role != "assistant" and is_newest:
                raise InvalidRequestError(f"{path}.text.citations: {_NOT_PERMITTED}")
            continue
        is_assistants_own = isinstance(block, WireDocument) and not is_newest and message.role == "assistant"
        role = "user" if isinstance(block, _USERS_BLOCKS) else "assistant"
        if message.role != role and not is_assistants_own:
            raise InvalidRequestError(
                f"{path}.type: `{block.type}` blocks are only allowed in `{role}` messages"
            )
        if isinstance(block, WireThinking | WireRedactedThinking) and block.cache_control is not None:
            raise InvalidRequestError(f"{path}.{block.type}.cache_control: {_NOT_PERMITTED}")
        if isinstance(block, WireToolResult):
            _check_result(f"{path}.tool_result", block)


def _check_result(path: str, result: WireToolResult) -> None:
    """What a tool gave back may be blank, but a block of it is not empty."""
    for position, block in enumerate(result.content or []):
        if isinstance(block, WireText) and not block.text:
            raise InvalidRequestError(
                f"{path}.content.{position}.text: text content blocks must be non-empty"
            )


def count_images(messages: Iterable[WireMessage]) -> int:
    """How many pictures there are, those in results and in documents counted."""
    blocks = [block for message in messages for block in message.content if block.type != "text"]
    inner = [one for block in blocks if isinstance(block, WireToolResult) for one in block.content or []]
    return sum(map(_num_images, (*blocks, *inner)))


def _num_images(block: WireBlock | WireResultBlock) -> int:
    if isinstance(block, WireDocument) and isinstance(block.source, WireParts):
        return sum(isinstance(part, WireImage) for part in block.source.content)
    return int(isinstance(block, WireImage))


def check_num_images(num_images: int) -> None:
    """Not too many pictures."""
    if num_images > MAX_IMAGES:
        raise InvalidRequestError(
            f"messages: too much media: 0 document pages + {num_images} images > {MAX_IMAGES} maximum"
        )


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


def check_prefill(messages: list[WireMessage], body: WireCountRequest) -> None:
    """A final assistant turn is continued, so it must end where text can go on."""
    index, final = len(messages) - 1, messages[-1]
    # What the server carried out has its result, so the model goes on from there as from a user's turn.
    if final.role != "assistant" or isinstance(final.content[-1], WireMcpToolResult | WireMcpToolUse):
        return
    limits = {
        "thinking is enabled": is_thinking(body.thinking),
        "output_config.format is set": any(body.formats),
    }
    for limit, is_set in limits.items():
        if is_set:
            raise InvalidRequestError(
                f"messages.{index}.role: the final message must not be from the `assistant` (a prefill)"
                f" when {limit}"
            )
    block = final.content[-1]
    if not isinstance(block, WireText):
        raise InvalidRequestError(
            f"messages.{index}: The final block in an assistant message cannot be `{block.type}`."
        )
    if block.text[-1].isspace():
        path = f"messages.{index}.content.{len(final.content) - 1}.text"
        raise InvalidRequestError(f"{path}: final assistant content cannot end with trailing whitespace")
