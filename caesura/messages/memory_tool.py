"""The memory tool where the server carries it out.

By itself a tool of type `memory_20250818` is the client's to carry out. `"executed_by": "server"` on it asks
the server to do so.

Enters: a request. Leaves: whether it asks, or the request asking. Read next: `typed_tools.py`;
`caesura/server/memory_client.py`, which carries the calls out.
"""

from __future__ import annotations

from dataclasses import replace

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
