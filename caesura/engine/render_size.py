"""How much there is to render, so that what takes long is rendered beside the event loop.

Enters: a conversation. Leaves: a number of characters, about. Read next: `local_client.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from caesura.messages.content import (
    Block,
    Conversation,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

# What a block, or a value of JSON, takes beside its text, in characters' time.
_BLOCK_CHARACTERS = 100
_VALUE_CHARACTERS = 10


def num_characters(conversation: Conversation) -> int:
    """Characters to render, and for each block what its markers cost beside them."""
    blocks = [block for turn in conversation.turns for block in turn.content]
    tools = sum(
        _BLOCK_CHARACTERS + len(tool.description) + _json_characters(tool.input_schema)
        for tool in conversation.tools
    )
    return tools + sum(map(_block_characters, (*conversation.system, *blocks)))


def _block_characters(block: Block) -> int:
    match block:
        case TextBlock():
            inside = len(block.text)
        case ThinkingBlock():
            inside = len(block.thinking)
        case ToolUseBlock():
            inside = _json_characters(block.input)
        case ToolResultBlock():
            inside = sum(map(_block_characters, block.content))
        case _:
            inside = 0
    return _BLOCK_CHARACTERS + inside


def _json_characters(value: object) -> int:
    """Of a JSON value, however deep it is nested."""
    waiting, total = [value], 0
    while waiting:
        each = waiting.pop()
        total += _VALUE_CHARACTERS
        if isinstance(each, str):
            total += len(each)
        elif isinstance(each, Mapping):
            waiting += [part for pair in cast("Mapping[str, Any]", each).items() for part in pair]
        elif isinstance(each, Sequence):
            waiting += cast("Sequence[Any]", each)
    return total
