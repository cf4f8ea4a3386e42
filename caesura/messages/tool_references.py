"""Tools that are not told of from the start: whoever searches for them gets a `tool_reference` as a result.

A tool with `defer_loading` is left out of what the prompt says before the conversation, so that the prompt
stays as it was when more tools are found. A reference in a result is replaced with the description of its
tool, and the tool may be called from then on. One whose reference stands before a summary is told of from
the start: the prompt is a new one there anyway. Enters: tools and messages of a body. Leaves: tools, text, or
an `InvalidRequestError`. Read next: `conversation_in.py`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

from caesura.messages.blocks_in import WireToolReference, WireToolResult
from caesura.messages.content import Shown, TextBlock, Tool
from caesura.messages.errors import InvalidRequestError
from caesura.messages.tool_lines import tool_line
from caesura.messages.tools_in import WireTool, tool_of
from caesura.messages.wire_in import WireCountRequest, WireMessage


def described(reference: WireToolReference, tools: Mapping[str, Tool]) -> TextBlock:
    """What a reference is for the model."""
    return TextBlock(text=tool_line(tools[reference.tool_name]))


def tools_of(
    wire: WireCountRequest, messages: Sequence[WireMessage], before: Sequence[WireMessage]
) -> tuple[Tool, ...]:
    """The tools, each of which knows whether it is told of, and where.

    messages: those that count. before: those that a summary stands for.
    """
    known, found = _names_in(before), _names_in(messages)
    return tuple(
        replace(tool_of(tool), shown=_shown(tool, known, found)) if tool.defer_loading else tool_of(tool)
        for tool in wire.tools or []
    )


def _shown(tool: WireTool, known: Container[str], found: Container[str]) -> Shown:
    if tool.name in known:
        return "at_start"
    return "in_result" if tool.name in found else "nowhere"


def _names_in(messages: Sequence[WireMessage]) -> set[str]:
    return {reference.tool_name for _, reference in _references(messages)}


def check_references(
    wire: WireCountRequest, messages: Sequence[WireMessage], before: Sequence[WireMessage]
) -> None:
    """Deferred tools and what refers to them; raises InvalidRequestError.

    messages, before: see `tools_of`.
    """
    tools = wire.tools or []
    _check_deferred(tools)
    names = {tool.name for tool in tools}
    found = _names_in(before)
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
