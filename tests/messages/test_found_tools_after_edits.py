"""Tools whose descriptions are cleared or summarised: whatever may be called, the model has read of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caesura.messages.content import Conversation, TextBlock, ToolResultBlock
from caesura.messages.context_client import ContextClient
from caesura.messages.context_edits import CLEARED_RESULT, clear_tool_uses
from caesura.messages.context_management import ToolUseClearing
from caesura.messages.errors import InvalidRequestError
from caesura.messages.fold import collect
from caesura.messages.scripted import ScriptedClient
from caesura.messages.tool_lines import tool_line
from caesura.messages.validation import parse_request

SEARCH: dict[str, Any] = {"name": "search", "input_schema": {"type": "object"}}
HIDDEN: dict[str, Any] = {
    "name": "hidden",
    "description": "finds hares",
    "input_schema": {"type": "object", "properties": {"depth": {"type": "integer"}}},
    "defer_loading": True,
}
OTHER: dict[str, Any] = {**HIDDEN, "name": "other"}
QUESTION: Any = {"role": "user", "content": "find"}
ALL = ToolUseClearing(num_kept=0)
LONG = {"type": "text", "text": "word " * 30}
SUMMARY: Any = {"role": "assistant", "content": [{"type": "compaction", "content": "They searched."}]}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    asked = {"model": "scripted", "max_tokens": 50, "messages": [QUESTION, *messages]}
    return {**asked, "tools": [HIDDEN, OTHER, SEARCH], **fields}


def found(number: int, *names: str, more: Any = None) -> list[Any]:
    call = {"type": "tool_use", "id": f"c{number}", "name": "search", "input": {}}
    content = [{"type": "tool_reference", "tool_name": name} for name in names]
    content += [] if more is None else [more]
    result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": content}
    return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]


def results(read: Conversation) -> list[list[str]]:
    """What the model reads of each result, tools by their names."""
    return [
        [
            json.loads(part.text)["name"] if part.text.startswith("{") else part.text
            for part in block.content
            if isinstance(part, TextBlock)
        ]
        for turn in read.turns
        for block in turn.content
        if isinstance(block, ToolResultBlock)
    ]


def may_call(read: Conversation) -> set[str]:
    return {tool.name for tool in read.tools if tool.shown != "nowhere"}


def has_read_of(read: Conversation) -> set[str]:
    texts = {
        part.text
        for turn in read.turns
        for block in turn.content
        if isinstance(block, ToolResultBlock)
        for part in block.content
        if isinstance(part, TextBlock)
    }
    return {tool.name for tool in read.tools if tool in read.listed_tools or tool_line(tool) in texts}


def test_a_tool_that_was_found_stays_described_where_its_result_is_cleared() -> None:
    told = parse_request(body(*found(0, "hidden", more=LONG), *found(1, "other"))).conversation
    cleared = clear_tool_uses(told, ALL)
    assert results(cleared.conversation) == [["hidden", CLEARED_RESULT], ["other"]]
    # Nothing was taken from the second one.
    assert cleared.num_cleared == 1
    assert may_call(cleared.conversation) == has_read_of(cleared.conversation)


def test_of_many_descriptions_of_a_tool_the_first_stays() -> None:
    told = parse_request(body(*found(0, "hidden"), *found(1, "hidden", "other"), *found(2, "hidden")))
    cleared = clear_tool_uses(told.conversation, ToolUseClearing(num_kept=1))
    assert results(cleared.conversation) == [["hidden"], ["other", CLEARED_RESULT], ["hidden"]]
    again = clear_tool_uses(cleared.conversation, ToolUseClearing(num_kept=1))
    assert again.conversation == cleared.conversation
    assert again.num_cleared == 0


def test_a_tool_that_was_found_before_a_summary_is_told_of_from_the_start() -> None:
    read = parse_request(body(*found(0, "hidden"), SUMMARY, QUESTION)).conversation
    assert [tool.shown for tool in read.tools] == ["at_start", "nowhere", "at_start"]
    assert may_call(read) == has_read_of(read) == {"hidden", "search"}
    later = parse_request(body(*found(0, "hidden"), SUMMARY, QUESTION, *found(1, "hidden", "other")))
    assert [tool.shown for tool in later.conversation.tools] == ["at_start", "in_result", "at_start"]


def test_a_tool_whose_search_was_left_out_before_a_summary_has_to_be_searched_for_again() -> None:
    asked = {**body(), "messages": [SUMMARY, QUESTION]}
    assert may_call(parse_request(asked).conversation) == {"search"}
    forced = {"type": "tool", "name": "hidden"}
    with pytest.raises(InvalidRequestError, match=r"^tool_choice\.tool\.name: Tool 'hidden' is deferred"):
        parse_request({**asked, "tool_choice": forced})
    parse_request(body(*found(0, "hidden"), SUMMARY, QUESTION, tool_choice=forced))


async def test_a_summary_of_now_lists_the_tools_as_it_will_when_it_is_sent_back() -> None:
    compact = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
    long = {"type": "text", "text": "word " * 60_000}
    asked = body(*found(0, "hidden", more=long), context_management={"edits": [compact]})
    inner = ScriptedClient(["They searched.", "Done."])
    await collect(ContextClient(inner).stream(parse_request(asked)))
    read = inner.history[1].conversation
    assert may_call(read) == has_read_of(read) == {"hidden", "search"}
    replayed = parse_request(body(*found(0, "hidden", more=long), SUMMARY, QUESTION)).conversation
    assert read.tools == replayed.tools
