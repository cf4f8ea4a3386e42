"""A chat of OpenAI's form becomes the body of a Messages request.

The body then goes the way of every other: the same rules hold for it, with the same wording. One message
becomes one message, so that an error's index is right but for the system's messages before the first of the
others, which `with_places_of` puts right. What an assistant's message says of its reasoning is left out: it
bears no signature.
Enters: a `ChatBody`. Leaves: JSON for `parse_request`. Read next: `openai.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, cast

from caesura.messages.errors import InvalidRequestError
from caesura.messages.validation import parse_json
from caesura.server.openai_shapes import (
    AssistantMessage,
    ChatBody,
    ChatMessage,
    FunctionTool,
    ImagePart,
    JsonFormat,
    NamedTool,
    SchemaFormat,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)

Json = dict[str, Any]

_DATA_URL = re.compile(r"data:(image/[a-z+.-]+);base64,", re.IGNORECASE)
_INDEX = re.compile(r"\bmessages\.(\d+)")
# What is called otherwise here than there.
_NAMES = {
    re.compile(r"^stop_sequences\b"): "stop",
    re.compile(r"^(tools\.\d+)(?:\.custom)?\.input_schema\b"): r"\1.function.parameters",
    re.compile(r"^(tools\.\d+)(?:\.custom)?\.(name|description)\b"): r"\1.function.\2",
    re.compile(r"^output_config\.format(?:\.json_schema)?\b"): "response_format.json_schema",
    re.compile(r"^system\b"): "messages",
}
_NO_ARGUMENTS: Json = {"type": "object", "properties": {}}


def messages_body(chat: ChatBody, *, max_tokens: int) -> Json:
    """The body of `POST /v1/messages` that asks the same.

    max_tokens: the limit where the chat names none. Raises InvalidRequestError.
    """
    num_leading = _num_leading(chat)
    system = [block for message in chat.messages[:num_leading] for block in _blocks(message)]
    rest = chat.messages[num_leading:]
    body: Json = {
        "model": chat.model,
        "max_tokens": _max_tokens(chat) or max_tokens,
        "messages": [_message(message, num_leading + index) for index, message in enumerate(rest)],
        "stream": bool(chat.stream),
        **({"system": system} if system else {}),
        **drawing(chat.model_dump(include={"temperature", "top_p", "top_k", "seed", "stop"})),
        **_thinking(chat),
        **_tools(chat),
    }
    if chat.user is not None:
        body["metadata"] = {"user_id": chat.user}
    _add_format(body, chat)
    return body


def with_places_of(chat: ChatBody, error: InvalidRequestError) -> InvalidRequestError:
    """An error about the body that was made of the chat, with the places where the chat holds it."""
    shift = _num_leading(chat)
    message = _INDEX.sub(lambda found: f"messages.{int(found.group(1)) + shift}", error.message)
    for ours, theirs in _NAMES.items():
        message = ours.sub(theirs, message)
    return InvalidRequestError(message)


def drawing(fields: Mapping[str, Any]) -> Json:
    """How tokens are drawn, in the Messages API's words. It knows no temperature over 1 (see `openai.py`)."""
    temperature, seed, top_k = fields["temperature"], fields["seed"], fields["top_k"]
    chosen: Json = {
        "temperature": temperature if temperature is None else min(temperature, 1.0),
        "top_p": fields["top_p"],
        # -1 is how some servers say that there is no limit.
        "top_k": None if top_k is None else max(top_k, 0),
        "seed": None if seed is None else seed % 2**63,
        "stop_sequences": fields["stop"] or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _num_leading(chat: ChatBody) -> int:
    return len(list(takewhile(lambda message: isinstance(message, SystemMessage), chat.messages)))


def _max_tokens(chat: ChatBody) -> int | None:
    if chat.max_tokens is not None and chat.max_completion_tokens not in (None, chat.max_tokens):
        raise InvalidRequestError(
            "max_tokens: `max_completion_tokens` says something else; give only one of them"
        )
    return chat.max_completion_tokens or chat.max_tokens


def _message(message: ChatMessage, index: int) -> Json:
    blocks = _blocks(message)
    match message:
        case SystemMessage():
            return {"role": "system", "content": blocks}
        case UserMessage():
            return {"role": "user", "content": blocks}
        case AssistantMessage():
            calls = [_call(call, f"messages.{index}.tool_calls") for call in message.tool_calls or []]
            return {"role": "assistant", "content": [*blocks, *calls]}
        case ToolMessage():
            result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": blocks}
            return {"role": "user", "content": [result]}


def _blocks(message: ChatMessage) -> list[Json]:
    return [_part(part) for part in message.content or []]


def _part(part: TextPart | ImagePart) -> Json:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    url = part.image_url.url
    found = _DATA_URL.match(url)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    source = {"type": "base64", "media_type": found.group(1).lower(), "data": url[found.end() :]}
    return {"type": "image", "source": source}


def _call(call: ToolCall, path: str) -> Json:
    try:
        # As strictly as a body: no half characters, which no tokenizer can read, and no bottomless lists.
        arguments = parse_json((call.function.arguments or "{}").encode())
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}.function.arguments: it is not valid JSON") from error
    if not isinstance(arguments, dict):
        raise InvalidRequestError(f"{path}.function.arguments: it must be the text of a JSON object")
    return {
        "type": "tool_use",
        "id": call.id,
        "name": call.function.name,
        "input": cast("Json", arguments),
    }


def _thinking(chat: ChatBody) -> Json:
    """`reasoning_effort` lets the model decide whether to think; `thinking`, of our own, says it exactly."""
    effort = chat.reasoning_effort
    if chat.thinking is not None:
        if effort is not None:
            raise InvalidRequestError(
                "thinking: `reasoning_effort` asks for thinking too; give only one of them"
            )
        return {"thinking": chat.thinking}
    if effort is None or effort == "none":
        return {}
    effort = "low" if effort == "minimal" else effort
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def _tools(chat: ChatBody) -> Json:
    if not chat.tools:
        return {}
    choice: Json = {"type": "auto"}
    match chat.tool_choice:
        case NamedTool(function=function):
            choice = {"type": "tool", "name": function.name}
        case "required":
            choice = {"type": "any"}
        case "none":
            choice = {"type": "none"}
        case _:
            pass
    if chat.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": [_tool(tool) for tool in chat.tools], "tool_choice": choice}


def _tool(tool: FunctionTool) -> Json:
    function = tool.function
    body: Json = {"name": function.name, "input_schema": function.parameters or _NO_ARGUMENTS}
    if function.description is not None:
        body["description"] = function.description
    if function.strict is not None:
        body["strict"] = function.strict
    return body


def _add_format(body: Json, chat: ChatBody) -> None:
    wanted = chat.response_format
    if isinstance(wanted, JsonFormat | SchemaFormat):
        schema = wanted.json_schema.json_schema if isinstance(wanted, SchemaFormat) else {"type": "object"}
        config = body.setdefault("output_config", {})
        config["format"] = {"type": "json_schema", "schema": schema}
