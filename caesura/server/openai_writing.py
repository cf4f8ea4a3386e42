"""Replies and errors as OpenAI's clients read them.

A thought is told in `reasoning_content`, as other servers of open models tell it. Enters: a `Message`, or its
events. Leaves: JSON, or server-sent events. Read next: `openai.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from caesura.messages.content import Block, TextBlock, ToolUseBlock, text_of, thinking_of
from caesura.messages.errors import ApiError, ErrorType
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.response import Message, StopReason, Usage

Json = dict[str, Any]

FINISH_REASONS: dict[StopReason, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "stop",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
    "compaction": "stop",
}

_CODES: dict[ErrorType, str] = {
    "authentication_error": "invalid_api_key",
    "not_found_error": "not_found",
    "rate_limit_error": "rate_limit_exceeded",
}
_TOO_LONG = ("prompt is too long", "input length and `max_tokens` exceed")
_PARAMETER = re.compile(r"`?([a-z_]+(?:\.\w+)*)`?[: ]")
# OpenAI's clients know no 529.
_OVERLOADED, _UNAVAILABLE = 529, 503


def error_status(error: ApiError) -> int:
    """The HTTP status of an error."""
    return _UNAVAILABLE if error.status == _OVERLOADED else error.status


def error_json(error: ApiError) -> Json:
    """The envelope of an error."""
    is_too_long = error.message.startswith(_TOO_LONG)
    found = _PARAMETER.match(error.message) if error.type == "invalid_request_error" else None
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": found.group(1) if found and not is_too_long else None,
            "code": "context_length_exceeded" if is_too_long else _CODES.get(error.type),
        }
    }


def usage_json(usages: Sequence[Usage]) -> Json:
    """What one reply took, or several together."""
    prompt = sum(usage.prompt_tokens for usage in usages)
    written = sum(usage.output_tokens for usage in usages)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": sum(each.cache_read_input_tokens for each in usages)},
        "completion_tokens_details": {"reasoning_tokens": sum(each.thinking_tokens for each in usages)},
    }


def chat_id(message_id: str) -> str:
    """A reply's name among OpenAI's."""
    return f"chatcmpl-{message_id.removeprefix('msg_')}"


def chat_json(message: Message, *, created_s: int) -> Json:
    """A whole reply of `/v1/chat/completions`."""
    choice = {
        "index": 0,
        "message": _message_json(message.content),
        "logprobs": None,
        "finish_reason": FINISH_REASONS[message.stop_reason],
    }
    return {
        "id": chat_id(message.id),
        "object": "chat.completion",
        "created": created_s,
        "model": message.model,
        "choices": [choice],
        "usage": usage_json([message.usage]),
    }


def _message_json(blocks: Sequence[Block]) -> Json:
    calls = [_call_json(block) for block in blocks if isinstance(block, ToolUseBlock)]
    has_text = any(isinstance(block, TextBlock) for block in blocks)
    body: Json = {
        "role": "assistant",
        "content": text_of(blocks) if has_text or not calls else None,
        "refusal": None,
    }
    if thinking_of(blocks):
        body["reasoning_content"] = thinking_of(blocks)
    if calls:
        body["tool_calls"] = calls
    return body


def _call_json(block: ToolUseBlock) -> Json:
    function = {"name": block.name, "arguments": json.dumps(dict(block.input))}
    return {"id": block.id, "type": "function", "function": function}


def _frame(body: Json) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode("ascii")


class _Framing:
    """What both routes' streams have in common."""

    ping = b": ping\n\n"

    def __init__(self, *, kind: str, created_s: int, has_usage: bool) -> None:
        """has_usage: whether a last chunk says what the reply took."""
        self._head: Json = {"object": kind, "created": created_s}
        self._has_usage = has_usage

    def encode_error(self, error: ApiError) -> bytes:
        """The frame that ends a reply which failed."""
        return _frame(error_json(error))

    def _begin(self, name: str, model: str) -> None:
        self._head = {"id": name, **self._head, "model": model}

    def _chunk(self, choice: Json, finish_reason: str | None = None) -> bytes:
        choices = [{"index": 0, **choice, "logprobs": None, "finish_reason": finish_reason}]
        usage = {"usage": None} if self._has_usage else {}
        return _frame({**self._head, "choices": choices, **usage})

    def _end(self, choice: Json, event: MessageDelta) -> bytes:
        chunk = self._chunk(choice, FINISH_REASONS[event.stop_reason])
        if not self._has_usage:
            return chunk
        return chunk + _frame({**self._head, "choices": [], "usage": usage_json([event.usage])})


_DONE = b"data: [DONE]\n\n"


class ChatFraming(_Framing):
    """One reply of `/v1/chat/completions` as it comes."""

    def __init__(self, *, created_s: int, has_usage: bool) -> None:
        super().__init__(kind="chat.completion.chunk", created_s=created_s, has_usage=has_usage)
        self._num_calls = 0
        self._is_call_empty = False

    def encode(self, event: Event) -> bytes:
        """An event's chunks; nothing for one that OpenAI's clients have no place for."""
        match event:
            case TextDelta():
                return self._delta({"content": event.text})
            case ThinkingDelta() if event.thinking:
                return self._delta({"reasoning_content": event.thinking})
            case InputJsonDelta() if event.partial_json:
                return self._arguments(event.partial_json)
            case BlockStart(block=ToolUseBlock() as block):
                return self._call(block)
            case BlockStop() if self._is_call_empty:
                return self._arguments("{}")
            case MessageStart():
                self._begin(chat_id(event.id), event.model)
                return self._delta({"role": "assistant", "content": ""})
            case MessageDelta():
                return self._end({"delta": {}}, event)
            case MessageStop():
                return _DONE
            case _:
                return b""

    def _delta(self, delta: Json) -> bytes:
        return self._chunk({"delta": delta})

    def _call(self, block: ToolUseBlock) -> bytes:
        self._num_calls += 1
        self._is_call_empty = True
        function = {"name": block.name, "arguments": ""}
        call = {"index": self._num_calls - 1, "id": block.id, "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def _arguments(self, text: str) -> bytes:
        self._is_call_empty = False
        return self._delta({"tool_calls": [{"index": self._num_calls - 1, "function": {"arguments": text}}]})


class TextFraming(_Framing):
    """One text of `/v1/completions` as it comes."""

    def __init__(self, *, created_s: int, has_usage: bool) -> None:
        super().__init__(kind="text_completion", created_s=created_s, has_usage=has_usage)

    def encode(self, event: Event) -> bytes:
        """An event's chunks."""
        match event:
            case TextDelta() if event.text:
                return self._chunk({"text": event.text})
            case MessageStart():
                self._begin(f"cmpl-{event.id.removeprefix('msg_')}", event.model)
                return b""
            case MessageDelta():
                return self._end({"text": ""}, event)
            case MessageStop():
                return _DONE
            case _:
                return b""
