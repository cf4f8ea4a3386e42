"""A `MessagesRequest` as the JSON body that a Messages server takes: the inverse of `validation.py`.

Enters: a request. Leaves: a dict for `json.dumps`. What stands at its default is left out, so that the
body also suits servers that know fewer fields than ours. Read next: `remote.py`, which sends it.
"""

from __future__ import annotations

from typing import Any

from caesura.messages.content import Tool, Turn
from caesura.messages.context_in import context_json
from caesura.messages.document_json import cache_control_json
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, Thinking, ToolChoice
from caesura.messages.wire import block_json

_DEFAULTS = Sampling()
_TOOL_CHOICE = ToolChoice()


def _turn_json(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": [block_json(block) for block in turn.content]}


def _sampling_json(sampling: Sampling) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k", "seed")
    chosen = {name: getattr(sampling, name) for name in names}
    return {name: value for name, value in chosen.items() if value != getattr(_DEFAULTS, name)}


def _thinking_json(thinking: Thinking) -> dict[str, Any]:
    if thinking.mode == "disabled":
        return {}
    body: dict[str, Any] = {"type": thinking.mode, "display": thinking.display}
    if thinking.budget_tokens is not None:
        body["budget_tokens"] = thinking.budget_tokens
    return {"thinking": body}


def _tool_json(tool: Tool) -> dict[str, Any]:
    """A typed tool goes by its type, as it came; its schema is the receiver's business."""
    body: dict[str, Any] = {"name": tool.name}
    if tool.kind == "custom":
        body["input_schema"] = dict(tool.input_schema)
        body |= {"description": tool.description} if tool.description else {}
    else:
        body |= {"type": tool.kind, **tool.settings, **_examples_json(tool)}
    body |= {"strict": True} if tool.strict else {}
    body |= {"defer_loading": True} if tool.shown == "nowhere" else {}
    return body | cache_control_json(tool.cache_control)


def _examples_json(tool: Tool) -> dict[str, Any]:
    examples = tool.input_schema.get("examples")
    return {"input_examples": examples} if examples else {}


def _tool_choice_json(choice: ToolChoice) -> dict[str, Any]:
    body: dict[str, Any] = {"type": choice.mode}
    if choice.name is not None:
        body["name"] = choice.name
    if not choice.is_parallel and choice.mode != "none":
        body["disable_parallel_tool_use"] = True
    return {} if choice == _TOOL_CHOICE else {"tool_choice": body}


def _format_json(output_format: OutputFormat) -> dict[str, Any]:
    match output_format.kind:
        case "lark":
            return {"type": "lark", "grammar": output_format.text}
        case "regex":
            return {"type": "regex", "pattern": output_format.text}
        case kind:
            return {"type": kind, "schema": dict(output_format.schema or {})}


def _output_config_json(request: MessagesRequest) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.effort != "high":
        config["effort"] = request.effort
    if request.output_format is not None:
        config["format"] = _format_json(request.output_format)
    return {"output_config": config} if config else {}


def _optional_json(request: MessagesRequest) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.conversation.tools:
        body["tools"] = [_tool_json(tool) for tool in request.conversation.tools]
    if request.conversation.system:
        body["system"] = [block_json(block) for block in request.conversation.system]
    if request.stop_sequences:
        body["stop_sequences"] = list(request.stop_sequences)
    if request.user_id is not None:
        body["metadata"] = {"user_id": request.user_id}
    if request.diagnostics is not None:
        body["diagnostics"] = {"previous_message_id": request.diagnostics.previous_message_id}
    body |= {**_tool_choice_json(request.tool_choice), **_output_config_json(request)}
    return {**body, **context_json(request.context_edits)}


def count_body(request: MessagesRequest) -> dict[str, Any]:
    """The body of `POST /v1/messages/count_tokens`."""
    return {
        "model": request.model,
        "messages": [_turn_json(turn) for turn in request.conversation.turns],
        **_optional_json(request),
        **_thinking_json(request.thinking),
    }


def request_body(request: MessagesRequest) -> dict[str, Any]:
    """The body of `POST /v1/messages`, in the dialect of 2023-06-01."""
    return {
        **count_body(request),
        "max_tokens": request.max_tokens,
        "stream": request.stream,
        **_sampling_json(request.sampling),
    }
