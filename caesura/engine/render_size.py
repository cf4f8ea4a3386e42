"""How much there is to render, so that what takes long is rendered beside the event loop.

Enters: a conversation. Leaves: a number of characters, about. Read next: `local_client.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from caesura.messages.content import Block, Conversation, ToolResultBlock, ToolUseBlock

# What a block takes beside its text, in characters' time.
_BLOCK_CHARACTERS = 100


def num_characters(conversation: Conversation) -> int:
    """Characters to render, about; for each block and tool what its markers cost beside them."""
    blocks = [block for turn in conversation.turns for block in turn.content]
    inner = [one for block in blocks if isinstance(block, ToolResultBlock) for one in block.content]
    num_texts = sum(map(_num_block_characters, (*blocks, *inner, *conversation.system)))
    num_tools = sum(
        len(tool.description) + _num_value_characters(tool.input_schema) for tool in conversation.tools
    )
    return num_texts + num_tools + _BLOCK_CHARACTERS * len(conversation.tools)


def _num_block_characters(block: Block) -> int:
    match block:
        case ToolUseBlock():
            return _BLOCK_CHARACTERS + _num_value_characters(block.input)
        case _:
            text = getattr(block, "text", "") or getattr(block, "thinking", "")
            return _BLOCK_CHARACTERS + len(text)


def _num_value_characters(value: Any) -> int:
    """Of a JSON value's texts; it is not written down for this."""
    match value:
        case str():
            return len(value)
        case Mapping():
            pairs = cast("Mapping[str, Any]", value).items()
            return sum(1 + len(name) + _num_value_characters(each) for name, each in pairs)
        case list():
            return sum(1 + _num_value_characters(each) for each in cast("list[Any]", value))
        case _:
            return 1
