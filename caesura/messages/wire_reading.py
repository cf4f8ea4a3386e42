"""What a Messages server says, read back from its JSON.

Enters: parsed JSON. Leaves: events, messages, models, errors; the inverse of `wire.py`. Read next:
`remote.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from caesura.messages.citations import parse_citation
from caesura.messages.content import (
    Block,
    CompactionBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.context_management import AppliedEdit, ClearingType
from caesura.messages.errors import (
    HTTP_STATUS,
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RequestTooLargeError,
)
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    CitationsDelta,
    CompactionDelta,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.response import (
    CacheMiss,
    DropReason,
    InputTransformation,
    Iteration,
    Message,
    MissReason,
    ModelInfo,
    StopReason,
    Usage,
)

_ERROR_CLASSES = {
    "invalid_request_error": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "request_too_large": RequestTooLargeError,
    "overloaded_error": OverloadedError,
}


def parse_usage(body: Mapping[str, Any]) -> Usage:
    """Token counts; what a server leaves out is 0."""
    passes = cast("list[dict[str, Any]]", body.get("iterations") or [])
    iterations = tuple(
        Iteration(kind="compaction" if each["type"] == "compaction" else "message", usage=_parse_counts(each))
        for each in passes
    )
    return replace(_parse_counts(body), iterations=iterations)


def _parse_counts(body: Mapping[str, Any]) -> Usage:
    details = body.get("output_tokens_details") or {}
    created = body.get("cache_creation") or {}
    return Usage(
        input_tokens=body.get("input_tokens") or 0,
        output_tokens=body.get("output_tokens") or 0,
        thinking_tokens=details.get("thinking_tokens") or 0,
        cache_read_input_tokens=body.get("cache_read_input_tokens") or 0,
        cache_creation_input_tokens=body.get("cache_creation_input_tokens") or 0,
        cache_creation_1h_input_tokens=created.get("ephemeral_1h_input_tokens") or 0,
    )


def parse_block(body: Mapping[str, Any]) -> Block:
    """A block of a reply; raises ApiError for a kind that is not read here."""
    match body["type"]:
        case "text":
            found = [parse_citation(each) for each in body.get("citations") or ()]
            return TextBlock(text=body["text"], citations=tuple(each for each in found if each is not None))
        case "thinking":
            return ThinkingBlock(thinking=body["thinking"], signature=body.get("signature") or "")
        case "redacted_thinking":
            return RedactedThinkingBlock(data=body["data"])
        case "tool_use":
            return ToolUseBlock(id=body["id"], name=body["name"], input=body.get("input") or {})
        case "mcp_tool_use":
            call = ToolUseBlock(id=body["id"], name=body["name"], input=body.get("input") or {})
            return replace(call, is_server_run=True)
        case "mcp_tool_result":
            return _parse_server_result(body)
        case "compaction":
            return CompactionBlock(content=body.get("content"))
        case other:
            raise ApiError(f"the server sent a `{other}` block, which this client does not read")


def _parse_server_result(body: Mapping[str, Any]) -> ToolResultBlock:
    return ToolResultBlock(
        tool_use_id=body["tool_use_id"],
        content=tuple(TextBlock(text=block["text"]) for block in body["content"]),
        is_error=bool(body.get("is_error")),
        is_server_run=True,
    )


def _parse_applied_edits(body: Mapping[str, Any]) -> tuple[AppliedEdit, ...] | None:
    context = body.get("context_management")
    if context is None:
        return None
    return tuple(
        AppliedEdit(
            type=cast("ClearingType", edit["type"]),
            num_cleared=edit.get("cleared_tool_uses") or edit.get("cleared_thinking_turns") or 0,
            num_cleared_tokens=edit["cleared_input_tokens"],
        )
        for edit in cast("list[dict[str, Any]]", context["applied_edits"])
    )


def _parse_transformations(body: Mapping[str, Any]) -> tuple[InputTransformation, ...]:
    entries = cast("list[dict[str, Any]]", body.get("input_transformations") or [])
    return tuple(
        InputTransformation(path=entry["path"], reason=cast("DropReason", entry["reason"]))
        for entry in entries
        if entry["type"] == "thinking_dropped"
    )


def _parse_cache_miss(body: Mapping[str, Any]) -> CacheMiss | None:
    """A comparison that a server has not finished yet says as little as one that found nothing."""
    reason = (body.get("diagnostics") or {}).get("cache_miss_reason")
    if reason is None:
        return None
    return CacheMiss(
        reason=cast("MissReason", reason["type"]),
        num_missed_tokens=reason.get("cache_missed_input_tokens"),
    )


def parse_message(body: Mapping[str, Any]) -> Message:
    """A whole reply."""
    return Message(
        id=body["id"],
        model=body["model"],
        content=tuple(parse_block(block) for block in body["content"]),
        stop_reason=cast("StopReason", body["stop_reason"]),
        stop_sequence=body.get("stop_sequence"),
        usage=parse_usage(body["usage"]),
        input_transformations=_parse_transformations(body),
        cache_miss=_parse_cache_miss(body),
        applied_edits=_parse_applied_edits(body),
    )


def _parse_delta(index: int, delta: Mapping[str, Any]) -> Event | None:
    match delta["type"]:
        case "text_delta":
            return TextDelta(index=index, text=delta["text"])
        case "citations_delta":
            citation = parse_citation(delta["citation"])
            return None if citation is None else CitationsDelta(index=index, citation=citation)
        case "thinking_delta":
            num_tokens = delta.get("estimated_tokens") or 0
            return ThinkingDelta(index=index, thinking=delta["thinking"], num_tokens=num_tokens)
        case "signature_delta":
            return SignatureDelta(index=index, signature=delta["signature"])
        case "input_json_delta":
            return InputJsonDelta(index=index, partial_json=delta["partial_json"])
        case "compaction_delta":
            return CompactionDelta(index=index, content=delta.get("content"))
        case _:
            return None


def _parse_message_start(message: Mapping[str, Any]) -> MessageStart:
    return MessageStart(
        id=message["id"],
        model=message["model"],
        usage=parse_usage(message["usage"]),
        input_transformations=_parse_transformations(message),
        cache_miss=_parse_cache_miss(message),
    )


def parse_event(body: Mapping[str, Any]) -> Event | None:
    """One stream event; None for a kind that is not known here. An error event is raised."""
    match body["type"]:
        case "content_block_delta":
            return _parse_delta(body["index"], body["delta"])
        case "content_block_start":
            return BlockStart(index=body["index"], block=parse_block(body["content_block"]))
        case "content_block_stop":
            return BlockStop(index=body["index"])
        case "message_start":
            return _parse_message_start(body["message"])
        case "message_delta":
            delta = body["delta"]
            return MessageDelta(
                stop_reason=cast("StopReason", delta["stop_reason"]),
                stop_sequence=delta.get("stop_sequence"),
                usage=parse_usage(body["usage"]),
                applied_edits=_parse_applied_edits(body),
            )
        case "message_stop":
            return MessageStop()
        case "ping":
            return Ping()
        case "error":
            raise parse_error(body)
        case _:
            return None


def parse_model(body: Mapping[str, Any]) -> ModelInfo:
    """One model; a server that says nothing of a length claims none (0)."""
    capabilities = body.get("capabilities") or {}
    window = body.get("max_input_tokens") or 0
    return ModelInfo(
        id=body["id"],
        display_name=body.get("display_name") or body["id"],
        created_at=body.get("created_at") or "1970-01-01T00:00:00Z",
        max_input_tokens=window,
        max_tokens=body.get("max_tokens") or 0,
        trained_tokens=body.get("trained_tokens") or window,
        can_think=_is_supported(capabilities, "thinking"),
        can_see=_is_supported(capabilities, "image_input"),
        can_structure=_is_supported(capabilities, "structured_outputs"),
        can_cite=_is_supported(capabilities, "citations"),
        can_read_pdf=_is_supported(capabilities, "pdf_input"),
    )


def _is_supported(capabilities: Mapping[str, Any], name: str) -> bool:
    return bool((capabilities.get(name) or {}).get("supported"))


def parse_error(body: Mapping[str, Any]) -> ApiError:
    """The exception that an envelope stands for; a type that is not known counts as `api_error`."""
    error = cast("dict[str, Any]", body["error"])
    message, error_type = str(error["message"]), str(error["type"])
    known = _ERROR_CLASSES.get(error_type)
    if known is not None:
        read = known(message)
    else:
        read = ApiError(message, type=error_type if error_type in HTTP_STATUS else "api_error")
    read.error_code = (error.get("details") or {}).get("error_code")
    return read
