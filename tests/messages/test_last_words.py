"""What the user asked outlives a summary, and the summary of that summary."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.messages.compaction import summary_of
from caesura.messages.validation import parse_request

TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASKED = "Paint the door red, never blue."


def conversation(*messages: Any) -> Any:
    body = {"model": "scripted", "max_tokens": 9, "messages": list(messages), "tools": [TOOL]}
    return parse_request(body).conversation


def call(number: int, *before: Any) -> list[Any]:
    made = {"type": "tool_use", "id": f"c{number}", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": "seen"}
    return [{"role": "assistant", "content": [*before, made]}, {"role": "user", "content": [result]}]


def told(summary: str) -> dict[str, str]:
    return {"type": "compaction", "content": summary}


def test_a_second_summary_quotes_what_the_first_one_quoted() -> None:
    first = summary_of("They looked.", conversation({"role": "user", "content": ASKED}, *call(1)))
    assert first is not None
    assert first.endswith(ASKED)
    second = summary_of("They looked twice.", conversation(*call(2, told(first))))
    assert second == f"They looked twice.\n\nThe user's last message, word for word:\n{ASKED}"


@pytest.mark.parametrize("summary", ["sum", f"sum\n\nThe user's last message, word for word:\n{ASKED}"])
def test_what_was_asked_after_a_summary_is_quoted_and_nothing_older(summary: str) -> None:
    read = conversation(
        {"role": "assistant", "content": [told(summary)]}, {"role": "user", "content": "And the roof?"}
    )
    assert summary_of("S2", read) == "S2\n\nThe user's last message, word for word:\nAnd the roof?"


def test_a_summary_that_quotes_nothing_leaves_nothing_to_quote() -> None:
    assert summary_of("S2", conversation(*call(2, told("sum")))) == "S2"
