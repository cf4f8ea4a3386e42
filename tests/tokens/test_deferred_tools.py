"""A prompt does not change where deferred tools come and go, so what was computed of it is found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from caesura.messages.content import Conversation
from caesura.messages.validation import parse_request
from tests.tokens.conversations import chat_format
from tests.tokens.test_foreign_tools import foreign

SEARCH: dict[str, Any] = {"name": "search", "input_schema": {"type": "object"}}
HIDDEN: dict[str, Any] = {
    "name": "hidden",
    "description": "finds hares",
    "input_schema": {"type": "object"},
    "defer_loading": True,
}
ASKED: list[Any] = [
    {"role": "user", "content": "find"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}]},
]
FOUND: Any = {
    "role": "user",
    "content": [
        {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [{"type": "tool_reference", "tool_name": "hidden"}],
        }
    ],
}


def told(messages: list[Any], *tools: Any) -> Conversation:
    body = {"model": "m", "max_tokens": 9, "messages": messages, "tools": list(tools)}
    return parse_request(body).conversation


@pytest.mark.parametrize("of", [chat_format, lambda: foreign("qwen3")], ids=["ours", "qwen3"])
def test_a_tool_that_is_found_changes_nothing_that_stands_before(of: Callable[[], Any]) -> None:
    shown = of()
    before = shown.render(told(ASKED[:1], SEARCH), opening=None).ids
    deferred = shown.render(told(ASKED[:1], HIDDEN, SEARCH), opening=None).ids
    after = shown.render(told([*ASKED, FOUND], HIDDEN, SEARCH), opening=None).ids
    assert deferred == before
    listed = told([*ASKED, FOUND], HIDDEN, SEARCH)
    all_listed = replace(listed, tools=tuple(replace(tool, shown="at_start") for tool in listed.tools))
    assert shown.render(all_listed, opening=None).ids[: len(before)] != before[: len(before)]
    # A template may write a turn's end otherwise when another one follows.
    assert after[: len(before) - 4] == before[:-4]
