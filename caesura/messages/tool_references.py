"""Tools that are not told of from the start: whoever searches for them gets a `tool_reference` as a result.

A tool with `defer_loading` is left out of what the prompt says before the conversation, so that the prompt
stays as it was when more tools are found. A reference in a result is replaced with the description of its
tool, and the tool may be called from then on. Enters: tools and messages of a body. Leaves: tools, text, or
an `InvalidRequestError`. Read next: `conversation_in.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from caesura.messages.blocks_in import WireToolReference, WireToolResult
from caesura.messages.content import TextBlock, Tool
from caesura.messages.errors import InvalidRequestError
from caesura.messages.tools_in import WireTool, tool_of
from caesura.messages.wire_in import WireCountRequest, WireMessage


def tool_line(tool: Tool) -> str:
    """A tool in one line of JSON, as our own format lists it."""
    told = {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def described(reference: WireToolReference, tools: Mapping[str, Tool]) -> TextBlock:
    """What a reference is for the model."""
    return TextBlock(text=tool_line(tools[reference.tool_name]))


def tools_of(wire: WireCountRequest, messages: Sequence[WireMessage]) -> tuple[Tool, ...]:
    """The tools, each of which knows whether it is told of, and where."""
    found = {reference.tool_name for _, reference in _references(messages)}
    return tuple(_placed(tool, tool_of(tool), is_found=tool.name in found) for tool in wire.tools or [])


def _placed(wire: WireTool, tool: Tool, *, is_found: bool) -> Tool:
    if not wire.defer_loading:
        return tool
    return replace(tool, shown="in_result" if is_found else "nowhere")


def check_references(wire: WireCountRequest, messages: Sequence[WireMessage]) -> None:
    """Deferred tools and what refers to them; raises InvalidRequestError."""
    tools = wire.tools or []
    _check_deferred(tools)
    names = {tool.name for tool in tools}
    found: set[str] = set()
    for path, reference in _references(messages):
        if reference.tool_name not in names:
            raise InvalidRequestError(
                f"{path}: Tool reference '{reference.tool_name[:128]}' not found in available tools"
            )
        found.add(reference.tool_name)
    choice = wire.tool_choice
    hidden = {tool.name for tool in tools if tool.defer_loading} - found
    if choice is not None and choice.type == "tool" and choice.name in hidden:
        raise InvalidRequestError(
            f"tool_choice.tool.name: Tool '{choice.name[:128]}' is deferred, and no result refers to it yet"
        )


def _check_deferred(tools: Sequence[WireTool]) -> None:
    if tools and all(tool.defer_loading for tool in tools):
        raise InvalidRequestError("tools: At least one tool must have defer_loading=false.")
    for index, tool in enumerate(tools):
        if tool.defer_loading and tool.cache_control is not None:
            raise InvalidRequestError(
                f"tools.{index}.{tool.type}.cache_control: Tool '{tool.name[:128]}' cannot have both"
                " defer_loading=true and cache_control set. Tools with defer_loading cannot use prompt"
                " caching."
            )


def _references(messages: Sequence[WireMessage]) -> Iterator[tuple[str, WireToolReference]]:
    for index, message in enumerate(messages):
        for position, block in enumerate(message.content):
            inner = block.content or [] if isinstance(block, WireToolResult) else []
            for at, one in enumerate(inner):
                if isinstance(one, WireToolReference):
                    yield f"messages.{index}.content.{position}.tool_result.content.{at}.tool_name", one
