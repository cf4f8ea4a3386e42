"""The memory tool where the server carries it out.

By itself a tool of type `memory_20250818` is the client's to carry out. `"executed_by": "server"` on it asks
the server to do so.

Enters: a request, or the body of one. Leaves: whether it asks, or the same, asking. Read next:
`typed_tools.py`; `caesura/server/memory_client.py`, which carries the calls out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from caesura.messages.content import Tool
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.messages.typed_tools import typed_tool

MEMORY_TOOL = "memory_20250818"
_SETTINGS = {"executed_by": "server"}


def is_server_memory(tool: Tool) -> bool:
    """Whether the server is to carry out what this tool is called for."""
    return tool.kind == MEMORY_TOOL and tool.settings.get("executed_by") == "server"


def has_server_memory(request: MessagesRequest) -> bool:
    """Whether the server is to carry out calls of its memory."""
    return any(map(is_server_memory, request.conversation.tools))


def with_server_memory(request: MessagesRequest) -> MessagesRequest:
    """The request with the server's memory switched on. Raises InvalidRequestError where a tool of another
    kind has its name.
    """
    added = typed_tool(MEMORY_TOOL, _SETTINGS)
    tools: list[Tool] = []
    for tool in request.conversation.tools:
        if tool.kind == MEMORY_TOOL:
            added = replace(added, cache_control=tool.cache_control, strict=tool.strict)
        elif tool.name == added.name:
            raise InvalidRequestError(f"tools: Tool names must be unique. Found twice: {added.name}")
        else:
            tools.append(tool)
    conversation = replace(request.conversation, tools=(*tools, added))
    return replace(request, conversation=conversation)


def body_with_server_memory(body: object) -> object:
    """A request's body with the server's memory switched on, so that every rule of tools is applied to it as
    well. A body of another shape stays as it is, for those who read it to refuse.
    """
    if not isinstance(body, dict):
        return body
    fields = cast("dict[str, Any]", body)
    given: object = fields.get("tools")
    tools: object = [] if given is None else given
    if not isinstance(tools, list):
        return fields
    asked = [_carried_out_here(tool) for tool in cast("list[object]", tools)]
    if not any(map(_is_memory, asked)):
        asked.append({"type": MEMORY_TOOL, "name": typed_tool(MEMORY_TOOL, {}).name, **_SETTINGS})
    return {**fields, "tools": asked}


def _carried_out_here(tool: object) -> object:
    return {**cast("Mapping[str, Any]", tool), **_SETTINGS} if _is_memory(tool) else tool


def _is_memory(tool: object) -> bool:
    return isinstance(tool, dict) and cast("dict[str, Any]", tool).get("type") == MEMORY_TOOL
