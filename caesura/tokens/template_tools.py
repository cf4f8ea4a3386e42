"""Tools and calls in the form that most chat templates take, and what a template makes of them.

Tools are offered where a template writes calls as Hermes' models do, `{"name": ..., "arguments": ...}`
between two markers: that is what grammar and parser go by. It is found by rendering a small conversation.
Enters: tools, calls, a template. Leaves: messages' parts, and `CallSpacing`. Read next: `template_traits.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.tokens.tool_text import call_text, in_order_of_calls

TOOL_CALL, END_TOOL_CALL = "<tool_call>", "</tool_call>"

# Gives JSON values whose strings are safe to show a template.
Shown = Callable[[Any], Any]


class CallSpacing(NamedTuple):
    """The whitespace that a template puts between a text and a call, and between two calls."""

    before: str
    between: str


def function_form(tool: Tool, shown: Shown) -> dict[str, Any]:
    """A tool as templates take it."""
    description = {"description": shown(tool.description)} if tool.description else {}
    return {
        "type": "function",
        "function": {"name": tool.name, **description, "parameters": shown(tool.input_schema)},
    }


def call_form(call: ToolUseBlock, shown: Shown) -> dict[str, Any]:
    """A call as templates take it."""
    function = {"name": call.name, "arguments": shown(call.input)}
    return {"type": "function", "id": call.id, "function": function}


_PROBE_TOOL = Tool(
    name="probe_tool",
    description="what probing does",
    input_schema={"type": "object", "properties": {"probed": {"type": "string"}}},
)
_CALLS = (
    ToolUseBlock(id="toolu_probe0", name="probe_tool", input={"probed": "é <b>"}),
    ToolUseBlock(id="toolu_probe1", name="probe_tool", input={"probed": "", "depth": [1, {}]}),
)
PROBE = Conversation(
    turns=(
        text_turn("user", "a question"),
        Turn(role="assistant", content=(TextBlock(text="an answer"), *_CALLS)),
        Turn(
            role="user",
            content=tuple(
                ToolResultBlock(tool_use_id=call.id, content=(TextBlock(text=f"result {number}"),))
                for number, call in enumerate(_CALLS)
            ),
        ),
    ),
    tools=(_PROBE_TOOL,),
)


def find_call_spacing(shown: str) -> CallSpacing | None:
    """Where `shown` is `PROBE` as a template renders it: its spacing if it writes tools and Hermes' calls."""
    if not all(word in shown for word in ("probe_tool", "what probing does", '"probed"')):
        return None
    calls = [
        rf"{TOOL_CALL}\s*{re.escape(call_text(call.name, call.input))}\s*{END_TOOL_CALL}" for call in _CALLS
    ]
    # The question is text 0, the answer 1.
    found = re.search(rf"\0001\0(\s*){calls[0]}(\s*){calls[1]}", shown)
    return None if found is None else CallSpacing(*found.groups())


class Fork(NamedTuple):
    """A conversation that parts from another one right behind a breakpoint."""

    told: Conversation
    control: CacheControl


def forks(told: Conversation) -> list[Fork]:
    """One for each breakpoint that stands behind no text, but behind a tool, a call or a result."""
    found = [
        Fork(replace(told, tools=_parted(told.listed_tools, at, _PROBE_TOOL)), tool.cache_control)
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
                found.append(Fork(replace(told, turns=tuple(turns)), block.cache_control))
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
