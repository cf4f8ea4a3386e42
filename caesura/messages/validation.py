"""A request body becomes a `MessagesRequest`, or an error that names the field.

Two wire dialects are spoken, told apart by the `anthropic-version` header: 2023-06-01, and 2026-10-21,
which knows no sampling parameters. Fields that are not known are ignored unless asked otherwise; fields
that are known and would change the answer, but are not honoured here, are refused by name.

Two supersets of the API: a thinking budget may be any number from 1 (not from 1,024), and `seed` makes
sampling repeatable. `top_k` 0 means no limit, as if left out.

Enters: the bytes of a body, or its parsed JSON. Leaves: a `MessagesRequest`, or `InvalidRequestError`.
Read next: `wire_in.py` for the shapes, `request_rules.py` for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, cast

from pydantic_core import from_json

from caesura.messages import request_rules as rules
from caesura.messages.cache_rules import check_cache_control
from caesura.messages.context_in import context_edits_of
from caesura.messages.conversation_in import conversation_of
from caesura.messages.document_rules import check_documents, check_num_citations, check_num_pages
from caesura.messages.documents_in import Pdfs, read_documents
from caesura.messages.errors import InvalidRequestError
from caesura.messages.formats_in import output_format_of
from caesura.messages.pdf import PdfLimits, PdfReader, read_pdfs
from caesura.messages.replayed import check_server_calls
from caesura.messages.request import Diagnostics, Display, MessagesRequest, Sampling, Thinking
from caesura.messages.told_messages import Told, after_compaction
from caesura.messages.tool_references import check_references
from caesura.messages.tool_rules import (
    check_calls,
    check_num_tools,
    check_thoughts_before_calls,
    check_tools,
)
from caesura.messages.tools_in import tool_choice_of
from caesura.messages.wire_in import (
    WireAdaptive,
    WireCountRequest,
    WireDiagnostics,
    WireDisplay,
    WireEnabled,
    WireMessage,
    WireRequest,
    WireThinkingConfig,
    read_shape,
)

Version = Literal["2023-06-01", "2026-10-21"]

# Three times what the most messages, each of one block, take.
MAX_JSON_VALUES = 2_000_000
# A text without an end goes on to the end of the body, so that no byte is ever looked at twice.
_VALUE_OR_TEXT = re.compile(rb'[\[{,]|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)

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
    is_interleaved: whether the client knows of thoughts between calls, which a budget then covers all
        together, and so may be more than one reply's tokens.
    fills_window: see `MessagesRequest`.
    pdf_limits: what a request's PDFs may take. pdf_reader: reads them.
    """

    version: Version = "2023-06-01"
    is_strict: bool = False
    allows_sampling: bool = False
    is_interleaved: bool = False
    fills_window: bool = False
    pdf_limits: PdfLimits = PdfLimits()  # noqa: RUF009 (immutable)
    pdf_reader: PdfReader = read_pdfs


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
    check_num_tools(fields)
    rules.check_num_blocks(fields)
    if dialect.version == "2026-10-21":
        _check_newest(fields, allows_sampling=dialect.allows_sampling)
    return fields


def _check_newest(fields: Mapping[str, Any], *, allows_sampling: bool) -> None:
    """Refuse what the newest dialect has left behind."""
    for name in () if allows_sampling else _SAMPLING_FIELDS:
        if name in fields:
            raise InvalidRequestError(f"{name}: Extra inputs are not permitted")
    if fields.get("output_format") is not None:
        raise InvalidRequestError(
            "output_format: This field is deprecated. Use 'output_config.format' instead."
        )


def _request(wire: WireCountRequest, dialect: Dialect, *, max_tokens: int, stream: bool) -> MessagesRequest:
    told = _checked_messages(wire, dialect)
    thinking = _thinking(wire.thinking)
    effort = wire.output_config and wire.output_config.effort
    return MessagesRequest(
        model=wire.model,
        conversation=conversation_of(wire, told, _pdfs(told, dialect)),
        max_tokens=max_tokens,
        sampling=_sampling(wire),
        thinking=thinking,
        effort=effort or "high",
        tool_choice=tool_choice_of(wire.tool_choice),
        output_format=output_format_of(*wire.formats),
        stop_sequences=tuple(wire.stop_sequences or ()),
        stream=stream,
        user_id=wire.metadata.user_id if wire.metadata else None,
        diagnostics=_diagnostics(wire.diagnostics),
        context_edits=context_edits_of(wire.context_management, is_thinking=thinking.mode != "disabled"),
        fills_window=dialect.fills_window,
    )


def _pdfs(told: Told, dialect: Dialect) -> Pdfs:
    with told.true_paths():
        pdfs = read_documents(told.messages, dialect.pdf_limits, dialect.pdf_reader)
        check_num_pages(pdfs, rules.count_images(told.messages), dialect.pdf_limits)
    return {told.true_path(path): pages for path, pages in pdfs.items()}


def _checked_messages(wire: WireCountRequest, dialect: Dialect) -> Told:
    """The messages that count, after every rule has been applied."""
    rules.check_warming(wire)
    rules.check_thinking(wire, is_interleaved=dialect.is_interleaved)
    rules.check_supported(wire)
    rules.check_stop_sequences(wire.stop_sequences or [])
    for position, block in enumerate(wire.system or []):
        rules.check_text(f"system.{position}.text", block)
    told = after_compaction(wire.messages)
    with told.true_paths():
        return replace(told, messages=_ruled_messages(wire, dialect, told))


def _ruled_messages(wire: WireCountRequest, dialect: Dialect, told: Told) -> list[WireMessage]:
    """The messages without a final one that is empty, after every rule of messages has been applied."""
    messages = told.messages
    rules.check_empty_content(messages)
    if messages and not messages[-1].content:
        messages = messages[:-1]
    if not messages:
        raise InvalidRequestError("messages: at least one message is required")
    is_newest = dialect.version == "2026-10-21"
    for index, message in enumerate(messages):
        rules.check_content(index, message, is_newest=is_newest)
    rules.check_num_images(rules.count_images(messages))
    check_num_citations(messages)
    check_documents(wire, messages, has_inner_citations=not is_newest)
    check_tools(wire)
    rules.check_order(messages)
    check_calls(messages)
    check_references(wire, messages, told.before)
    check_server_calls(messages)
    check_thoughts_before_calls(messages, wire.thinking, is_split=told.is_split)
    rules.check_prefill(messages, wire)
    check_cache_control(wire, messages)
    return messages


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
