"""A `MessagesRequest` as the JSON body that a Messages server takes: the inverse of `validation.py`.

Enters: a request. Leaves: a dict for `json.dumps`. What stands at its default is left out, so that the
body also suits servers that know fewer fields than ours. Read next: `remote.py`, which sends it.
"""

from __future__ import annotations

from typing import Any

from caesura.messages.content import Turn
from caesura.messages.request import MessagesRequest, Sampling, Thinking
from caesura.messages.wire import block_json

_DEFAULTS = Sampling()


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


def _optional_json(request: MessagesRequest) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.conversation.system:
        body["system"] = [block_json(block) for block in request.conversation.system]
    if request.effort != "high":
        body["output_config"] = {"effort": request.effort}
    if request.stop_sequences:
        body["stop_sequences"] = list(request.stop_sequences)
    if request.user_id is not None:
        body["metadata"] = {"user_id": request.user_id}
    if request.diagnostics is not None:
        body["diagnostics"] = {"previous_message_id": request.diagnostics.previous_message_id}
    return body


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
