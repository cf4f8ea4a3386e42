"""What counts as long."""

from __future__ import annotations

import pytest

from caesura.engine.render_size import num_characters
from caesura.messages.content import (
    Block,
    Conversation,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)

LONG = "x" * 50_000


@pytest.mark.parametrize(
    "block",
    [
        TextBlock(text=LONG),
        ThinkingBlock(thinking=LONG),
        ToolResultBlock(tool_use_id="t", content=(TextBlock(text=LONG),)),
        ToolUseBlock(id="t", name="add", input={"a": [{"b": LONG}]}),
        ToolUseBlock(id="t", name="add", input={LONG: 1}),
        ToolUseBlock(id="t", name="add", input={"a": [1] * 50_000}),
    ],
)
def test_whatever_holds_much_is_long(block: Block) -> None:
    assert num_characters(Conversation(turns=(Turn(role="user", content=(block,)),))) > 50_000


def test_tools_and_instructions_count_too() -> None:
    tool = Tool(name="add", input_schema={"type": "object", "description": LONG})
    assert num_characters(Conversation(turns=(), tools=(tool,))) > 50_000
    assert num_characters(Conversation(turns=(), system=(TextBlock(text=LONG),))) > 50_000
    many = tuple(Tool(name=f"t{number}", input_schema={}) for number in range(1_000))
    assert num_characters(Conversation(turns=(), tools=many)) > 50_000
