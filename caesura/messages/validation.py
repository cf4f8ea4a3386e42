"""A request body becomes a `MessagesRequest`, or an error that names the field.

Two wire dialects are spoken, told apart by the `anthropic-version` header: 2023-06-01, and 2026-10-21,
which knows no sampling parameters. Fields that are not known are ignored unless asked otherwise; fields
that are known and would change the answer, but are not honoured here, are refused by name.

One thing is left out on the way: Claude Code's attribution line, see `_without_attribution`.

Two supersets of the API: a thinking budget may be any number from 1 (not from 1,024), and `seed` makes
sampling repeatable. `top_k` 0 means no limit, as if left out.

Enters: the bytes of a body, or its parsed JSON. Leaves: a `MessagesRequest`, or `InvalidRequestError`.
Read next: `wire_in.py` for the shapes, `request_rules.py` for the rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, cast

from pydantic_core import from_json

from caesura.messages import request_rules as rules
from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Turn,
    merge_turns,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import Diagnostics, Display, MessagesRequest, Sampling, Thinking
from caesura.messages.wire_in import (
    WireAdaptive,
    WireBlock,
    WireCacheControl,
    WireCountRequest,
    WireDiagnostics,
    WireDisplay,
    WireEnabled,
    WireMessage,
    WireRequest,
    WireText,
    WireThinking,
    WireThinkingConfig,
    read_shape,
)

Version = Literal["2023-06-01", "2026-10-21"]

# Three times what the most messages, each of one block, take.
MAX_JSON_VALUES = 2_000_000
_VALUE_OR_TEXT = re.compile(rb'[\[{,]|"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

ATTRIBUTION_PREFIX = "x-anthropic-billing-header:"

_SAMPLING_FIELDS = ("temperature", "top_p", "top_k")
# `count_tokens` is given no limit, and a request must carry one: the least that leaves room to think, so
# that the prompt is rendered as for any reply, and no model's maximum is exceeded.
_NO_LIMIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How to read a body.

    version: the wire version; see `version_of`.
    is_strict: whether fields that are not known are refused.
    allows_sampling: whether 2026-10-21 takes `temperature`, `top_p` and `top_k` after all.
    """

    version: Version = "2023-06-01"
    is_strict: bool = False
    allows_sampling: bool = False


def version_of(header: str | None) -> Version:
    """The wire version that a header asks for; a date that is not known counts as the newest."""
    return "2023-06-01" if header is None or header.strip() <= "2023-06-01" else "2026-10-21"


def parse_json(body: bytes) -> object:
    """The JSON value of a body; raises InvalidRequestError, also for what is not UTF-8."""
    _check_num_values(body)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        message = f"The request body is not valid UTF-8: byte {body[error.start]:#04x} at {error.start}"
        raise InvalidRequestError(message) from error
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequestError(f"The request body is not valid JSON: {str(error)[:200]}") from error


def _check_num_values(body: bytes) -> None:
    """Refuse what would take seconds to read though it is small: millions of tiny values."""
    if sum(body.count(mark) for mark in (b"{", b"[", b",")) <= MAX_JSON_VALUES:
        return
    # Most marks may stand inside texts, where they cost nothing.
    marks = (found for found in _VALUE_OR_TEXT.finditer(body) if body[found.start()] != 0x22)
    if next(islice(marks, MAX_JSON_VALUES, None), None) is not None:
        raise InvalidRequestError(
            f"The request body holds more than {MAX_JSON_VALUES:,} JSON values, which is the maximum;"
            " shorten the conversation"
        )


def parse_request(body: object, dialect: Dialect | None = None) -> MessagesRequest:
    """The request that a body of `POST /v1/messages` makes."""
    dialect = dialect or Dialect()
    fields = _checked_object(body, dialect)
    wire = read_shape(WireRequest, fields, is_strict=dialect.is_strict)
    return _request(wire, dialect, max_tokens=wire.max_tokens, stream=bool(wire.stream))


def parse_count_request(body: object, dialect: Dialect | None = None) -> MessagesRequest:
    """The request that a body of `POST /v1/messages/count_tokens` makes; its `max_tokens` means nothing."""
    dialect = dialect or Dialect()
    wire = read_shape(WireCountRequest, _checked_object(body, dialect), is_strict=dialect.is_strict)
    return _request(wire, dialect, max_tokens=_NO_LIMIT, stream=False)


def _checked_object(body: object, dialect: Dialect) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be a JSON object")
    fields = cast("dict[str, Any]", body)
    rules.check_num_blocks(fields)
    if dialect.version == "2026-10-21" and not dialect.allows_sampling:
        for name in _SAMPLING_FIELDS:
            if name in fields:
                raise InvalidRequestError(f"{name}: Extra inputs are not permitted")
    return fields


def _request(wire: WireCountRequest, dialect: Dialect, *, max_tokens: int, stream: bool) -> MessagesRequest:
    messages = _checked_messages(wire, dialect)
    effort = wire.output_config and wire.output_config.effort
    return MessagesRequest(
        model=wire.model,
        conversation=_conversation(wire, messages),
        max_tokens=max_tokens,
        sampling=_sampling(wire),
        thinking=_thinking(wire.thinking),
        effort=effort or "high",
        stop_sequences=tuple(wire.stop_sequences or ()),
        stream=stream,
        user_id=wire.metadata.user_id if wire.metadata else None,
        diagnostics=_diagnostics(wire.diagnostics),
    )


def _checked_messages(wire: WireCountRequest, dialect: Dialect) -> list[WireMessage]:
    """The messages that count, after every rule has been applied."""
    rules.check_warming(wire)
    rules.check_thinking(wire)
    rules.check_supported(wire)
    rules.check_stop_sequences(wire.stop_sequences or [])
    for position, block in enumerate(wire.system or []):
        rules.check_text(f"system.{position}.text", block)
    messages = wire.messages
    rules.check_empty_content(messages)
    if messages and not messages[-1].content:
        messages = messages[:-1]
    if not messages:
        raise InvalidRequestError("messages: at least one message is required")
    for index, message in enumerate(messages):
        rules.check_content(index, message, has_citations=dialect.version == "2023-06-01")
    rules.check_order(messages)
    rules.check_prefill(messages, wire.thinking)
    rules.check_cache_control(wire, messages)
    return messages


def _cache_control(wire: WireCacheControl | None) -> CacheControl | None:
    return CacheControl(ttl=wire.ttl or "5m") if wire is not None else None


def _text(wire: WireText) -> TextBlock:
    return TextBlock(text=wire.text, cache_control=_cache_control(wire.cache_control))


def _block(wire: WireBlock, path: str) -> Block:
    if isinstance(wire, WireText):
        return _text(wire)
    if isinstance(wire, WireThinking):
        return ThinkingBlock(thinking=wire.thinking, signature=wire.signature, path=path)
    return RedactedThinkingBlock(data=wire.data, path=path)


def _conversation(wire: WireCountRequest, messages: list[WireMessage]) -> Conversation:
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        blocks = tuple(
            _block(block, f"messages.{index}.content.{position}")
            for position, block in enumerate(message.content)
        )
        turns.append(Turn(role=message.role, content=blocks))
    merged = list(merge_turns(turns))
    if wire.cache_control is not None:
        merged[-1] = _marked(merged[-1], _cache_control(wire.cache_control))
    return Conversation(turns=tuple(merged), system=_without_attribution(wire.system or []))


def _without_attribution(system: list[WireText]) -> tuple[TextBlock, ...]:
    """The system blocks without the line that Claude Code puts first, to say which client asks.

    It is no instruction, and it may change from request to request, which no prefix cache survives. So it is
    neither rendered nor counted; what follows it in its block stays.
    """
    blocks = tuple(map(_text, system))
    if not blocks or not blocks[0].text.startswith(ATTRIBUTION_PREFIX):
        return blocks
    rest = blocks[0].text.partition("\n")[2].lstrip("\n")
    return (replace(blocks[0], text=rest), *blocks[1:]) if rest.strip() else blocks[1:]


def _marked(turn: Turn, control: CacheControl | None) -> Turn:
    """The turn with the automatic breakpoint after its last text, unless one stands there."""
    blocks = list(turn.content)
    for position in reversed(range(len(blocks))):
        block = blocks[position]
        if isinstance(block, TextBlock):
            blocks[position] = replace(block, cache_control=block.cache_control or control)
            break
    return replace(turn, content=tuple(blocks))


def _sampling(wire: WireCountRequest) -> Sampling:
    return Sampling(
        temperature=1.0 if wire.temperature is None else wire.temperature,
        top_p=1.0 if wire.top_p is None else wire.top_p,
        top_k=wire.top_k or None,
        seed=wire.seed,
    )


def _diagnostics(wire: WireDiagnostics | None) -> Diagnostics | None:
    return None if wire is None else Diagnostics(previous_message_id=wire.previous_message_id)


def _thinking(wire: WireThinkingConfig | None) -> Thinking:
    if isinstance(wire, WireEnabled):
        return Thinking(mode="enabled", budget_tokens=wire.budget_tokens, display=_display(wire.display))
    if isinstance(wire, WireAdaptive):
        return Thinking(mode="adaptive", display=_display(wire.display))
    return Thinking()


def _display(wire: WireDisplay | None) -> Display:
    """`updates` asks for less than the whole thought; shown in full it is a superset of that."""
    return "omitted" if wire == "omitted" else "summarized"
