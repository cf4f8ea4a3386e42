"""Tools and calls as chat templates take them, whatever they make of them.

Enters: tools, calls, a conversation. Leaves: messages' parts, and conversations that part from one at its
breakpoints. Read next: `template_messages.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.tokens.tool_text import in_order_of_calls

# Gives JSON values whose strings are safe to show a template.
Shown = Callable[[Any], Any]


def function_form(tool: Tool, shown: Shown) -> dict[str, Any]:
    """A tool as templates take it."""
    description = {"description": shown(tool.description)} if tool.description else {}
    return {
        "type": "function",
        "function": {"name": tool.name, **description, "parameters": shown(tool.input_schema)},
    }


def call_form(call: ToolUseBlock, shown: Shown, number: str) -> dict[str, Any]:
    """A call as templates take it. number: its id there."""
    function = {"name": call.name, "arguments": shown(call.input)}
    return {"type": "function", "id": number, "function": function}


PROBE_TOOL = Tool(
    name="probe_tool",
    description="what probing does",
    input_schema={"type": "object", "properties": {"probed": {"type": "string"}}},
)


class Fork(NamedTuple):
    """A conversation that parts from another one right behind a breakpoint.

    ended: one that ends with the breakpoint's turn, for templates that take no other call there; None: a
        conversation that begins alike needs no turns.
    """

    told: Conversation
    control: CacheControl
    ended: Conversation | None = None


def forks(told: Conversation) -> list[Fork]:
    """One for each breakpoint that stands behind no text, but behind a tool, a call or a result."""
    found = [
        Fork(replace(told, tools=_parted(told.listed_tools, at, PROBE_TOOL)), tool.cache_control)
        for at, tool in enumerate(told.listed_tools)
        if tool.cache_control is not None
    ]
    asked: Sequence[Block] = ()
    for index, turn in enumerate(told.turns):
        content = in_order_of_calls(turn.content, asked)
        asked = turn.content
        for at, block in enumerate(content):
            if isinstance(block, ToolUseBlock | ToolResultBlock) and block.cache_control is not None:
                turns = list(told.turns)
                turns[index] = replace(turn, content=_parted_blocks(content, at, block))
                ended = replace(told, turns=told.turns[: index + 1])
                found.append(Fork(replace(told, turns=tuple(turns)), block.cache_control, ended))
    return found


_Item = TypeVar("_Item")


def _parted(items: Sequence[_Item], at: int, another: _Item) -> tuple[_Item, ...]:
    """The items up to `at` and none of those that follow, or, where none follows, another one."""
    return (*items[: at + 1], another) if at + 1 == len(items) else tuple(items[: at + 1])


def _parted_blocks(
    content: Sequence[Block], at: int, block: ToolUseBlock | ToolResultBlock
) -> tuple[Block, ...]:
    """The same for a turn's calls or results; what else there is stays."""
    kind = type(block)
    alike = [each for each in content if isinstance(each, kind)]
    before = [each for each in content[:at] if not isinstance(each, kind)]
    after = [each for each in content[at:] if not isinstance(each, kind)]
    return (*before, *_parted(alike, alike.index(block), replace(block, cache_control=None)), *after)


def num_common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two prompts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))
