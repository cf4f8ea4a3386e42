"""What a server says, as JSON: events, messages, models, errors.

Enters: our values. Leaves: dicts for `json.dumps`; `wire_reading.py` is the inverse. What a client says
is in `validation.py` (in) and `request_body.py` (out). Read next: `caesura/server/sse.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from caesura.messages.citations import citation_json
from caesura.messages.content import (
    Block,
    CompactionBlock,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.context_management import EDIT_TYPES, AppliedEdit
from caesura.messages.document_json import Json, cache_control_json, part_json
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
from caesura.messages.response import CacheMiss, InputTransformation, Message, ModelInfo, Usage

# How a server of ours names itself, so that a key can be kept from others.
SERVER_NAME = "caesura"
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def usage_json(usage: Usage, *, is_final: bool = True) -> Json:
    """Token counts; the split of the output is known, and said, only at the end."""
    body: Json = {
        **_counts_json(usage),
        "service_tier": "standard",
        "speed": "standard",
    }
    if is_final:
        body["output_tokens_details"] = {"thinking_tokens": usage.thinking_tokens}
    if usage.iterations:
        body["iterations"] = [{"type": each.kind, **_counts_json(each.usage)} for each in usage.iterations]
    return body


def _counts_json(usage: Usage) -> Json:
    """What any pass of the model says of what it took."""
    created, lasting = usage.cache_creation_input_tokens, usage.cache_creation_1h_input_tokens
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": created - lasting,
            "ephemeral_1h_input_tokens": lasting,
        },
        "output_tokens": usage.output_tokens,
    }


def block_json(block: Block) -> Json:
    """A content block, as a reply or a replayed turn holds it."""
    match block:
        case TextBlock() | ImageBlock() | DocumentBlock() | SearchResultBlock():
            return part_json(block)
        case ThinkingBlock():
            return {"type": "thinking", "thinking": block.thinking, "signature": block.signature}
        case RedactedThinkingBlock():
            return {"type": "redacted_thinking", "data": block.data}
        case ToolUseBlock():
            kind = "mcp_tool_use" if block.is_server_run else "tool_use"
            body: Json = {"type": kind, "id": block.id, "name": block.name, "input": dict(block.input)}
            body |= {"server_name": SERVER_NAME} if block.is_server_run else {}
            return {**body, **cache_control_json(block.cache_control)}
        case ToolResultBlock():
            return _tool_result_json(block)
        case CompactionBlock():
            return {"type": "compaction", "content": block.content}


def _tool_result_json(block: ToolResultBlock) -> Json:
    return {
        "type": "mcp_tool_result" if block.is_server_run else "tool_result",
        "tool_use_id": block.tool_use_id,
        "content": [block_json(inner) for inner in block.content],
        **({"is_error": block.is_error} if block.is_error or block.is_server_run else {}),
        **cache_control_json(block.cache_control),
    }


def _transformations_json(transformations: Sequence[InputTransformation]) -> Json:
    entries = [{"type": item.type, "path": item.path, "reason": item.reason} for item in transformations]
    return {"input_transformations": entries} if entries else {}


def _diagnostics_json(miss: CacheMiss | None) -> Json | None:
    if miss is None:
        return None
    reason: Json = {"type": miss.reason}
    if miss.num_missed_tokens is not None:
        reason["cache_missed_input_tokens"] = miss.num_missed_tokens
    return {"cache_miss_reason": reason}


def _edit_json(edit: AppliedEdit) -> Json:
    counted = "cleared_thinking_turns" if edit.type == "clear_thinking_20251015" else "cleared_tool_uses"
    cleared = {counted: edit.num_cleared, "cleared_input_tokens": edit.num_cleared_tokens}
    return {"type": edit.type, **cleared}


def _context_json(edits: Sequence[AppliedEdit] | None) -> Json:
    """What was done to the context, to be spread into what says it; nothing where nobody asked."""
    if edits is None:
        return {}
    return {"context_management": {"applied_edits": [_edit_json(edit) for edit in edits]}}


def message_json(message: Message) -> Json:
    """A whole reply."""
    return {
        "id": message.id,
        "type": "message",
        "role": "assistant",
        "model": message.model,
        "content": [block_json(block) for block in message.content],
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "stop_details": None,
        "container": None,
        "usage": usage_json(message.usage),
        "diagnostics": _diagnostics_json(message.cache_miss),
        **_transformations_json(message.input_transformations),
        **_context_json(message.applied_edits),
    }


def _message_start_json(event: MessageStart) -> Json:
    return {
        "type": "message_start",
        "message": {
            "id": event.id,
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": usage_json(event.usage, is_final=False),
            "diagnostics": _diagnostics_json(event.cache_miss),
            **_transformations_json(event.input_transformations),
        },
    }


def _message_delta_json(event: MessageDelta) -> Json:
    delta = {
        "stop_reason": event.stop_reason,
        "stop_sequence": event.stop_sequence,
        "stop_details": None,
        "container": None,
    }
    usage = usage_json(event.usage)
    return {"type": "message_delta", "delta": delta, "usage": usage, **_context_json(event.applied_edits)}


def _delta_json(index: int, delta: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _thinking_delta_json(event: ThinkingDelta, *, with_token_counts: bool) -> Json:
    delta: Json = {"type": "thinking_delta", "thinking": event.thinking}
    if with_token_counts:
        delta["estimated_tokens"] = event.num_tokens
    return _delta_json(event.index, delta)


def event_json(event: Event, *, with_token_counts: bool = False) -> Json:
    """One stream event.

    with_token_counts: whether thinking deltas say how many tokens they took (the beta
        `thinking-token-count-2026-05-13`).
    """
    match event:
        case TextDelta():
            return _delta_json(event.index, {"type": "text_delta", "text": event.text})
        case CitationsDelta():
            delta = {"type": "citations_delta", "citation": citation_json(event.citation)}
            return _delta_json(event.index, delta)
        case ThinkingDelta():
            return _thinking_delta_json(event, with_token_counts=with_token_counts)
        case SignatureDelta():
            return _delta_json(event.index, {"type": "signature_delta", "signature": event.signature})
        case InputJsonDelta():
            delta = {"type": "input_json_delta", "partial_json": event.partial_json}
            return _delta_json(event.index, delta)
        case CompactionDelta():
            return _delta_json(event.index, {"type": "compaction_delta", "content": event.content})
        case BlockStart():
            block = block_json(event.block)
            return {"type": "content_block_start", "index": event.index, "content_block": block}
        case BlockStop():
            return {"type": "content_block_stop", "index": event.index}
        case MessageStart():
            return _message_start_json(event)
        case MessageDelta():
            return _message_delta_json(event)
        case MessageStop():
            return {"type": "message_stop"}
        case Ping():
            return {"type": "ping"}


def _support(is_supported: bool) -> Json:
    return {"supported": is_supported}


def _capabilities_json(info: ModelInfo, *, has_batches: bool) -> Json:
    can_think = info.can_think
    types = {"enabled": can_think, "disabled": True, "adaptive": can_think, "between_tools": False}
    return {
        "batch": _support(has_batches),
        "citations": _support(info.can_cite),
        "code_execution": _support(False),
        "context_management": {**_support(True), **{edit: _support(True) for edit in EDIT_TYPES}},
        "effort": {**_support(can_think), **{effort: _support(can_think) for effort in _EFFORTS}},
        "image_input": _support(info.can_see),
        "pdf_input": _support(info.can_read_pdf),
        "structured_outputs": _support(info.can_structure),
        "server_tools": {
            **_support(False),
            "web_search": _support(False),
            "code_execution": _support(False),
        },
        "thinking": {
            **_support(can_think),
            "types": {name: _support(is_supported) for name, is_supported in types.items()},
        },
    }


def model_json(info: ModelInfo, *, has_batches: bool = False) -> Json:
    """One model; `trained_tokens` is ours: accuracy is claimed up to that length only.

    has_batches: whether the server keeps message batches.
    """
    return {
        "id": info.id,
        "type": "model",
        "display_name": info.display_name,
        "created_at": info.created_at,
        "max_input_tokens": info.max_input_tokens,
        "max_tokens": info.max_tokens,
        "trained_tokens": info.trained_tokens,
        "capabilities": _capabilities_json(info, has_batches=has_batches),
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }


def error_json(error_type: str, message: str, request_id: str | None, error_code: str | None = None) -> Json:
    """The one envelope of every error, in a body or in a stream."""
    error: Json = {"type": error_type, "message": message}
    if error_code is not None:
        error["details"] = {"error_code": error_code}
    return {"type": "error", "error": error, "request_id": request_id}
