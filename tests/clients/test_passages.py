"""Streams that are not what the API promises are found out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.passages import faults, num_prompt

START: Any = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3}},
}
END: Any = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]


def block(kind: str, delta: dict[str, str], index: int = 0) -> list[Any]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    ]


TEXT = block("text", {"type": "text_delta", "text": "x"})


def call(written: str) -> list[Any]:
    return block("tool_use", {"type": "input_json_delta", "partial_json": written}, 1)


def test_a_stream_as_it_should_be_has_no_faults() -> None:
    assert faults([START, *TEXT, *call('{"a": 1}'), *END]) == []
    assert num_prompt([START]) == 6


CUT: Any = [{"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, {"type": "message_stop"}]


def test_only_a_reply_that_was_cut_may_end_within_a_call() -> None:
    assert faults([START, *TEXT, *call('{"a": '), *CUT]) == []
    cut = block("tool_use", {"type": "input_json_delta", "partial_json": "{"})
    told = block("text", {"type": "text_delta", "text": "x"}, 1)
    assert faults([START, *cut, *told, *CUT]) == ["a call's input is no JSON: {"]


@pytest.mark.parametrize(
    "events",
    [
        [START, *TEXT],
        [*TEXT, *END],
        [START, *TEXT, *call('{"a": '), *END],
        [START, *TEXT, *call("[1]"), *END],
        [START, *block("text", {"type": "thinking_delta"}), *END],
        [START, TEXT[0], *TEXT, *END],
        [START, *TEXT, *TEXT, *END],
        [START, *TEXT, {"type": "message_delta", "delta": {"stop_reason": None}}, END[1]],
    ],
)
def test_each_fault_is_found(events: list[Any]) -> None:
    assert faults(events)
