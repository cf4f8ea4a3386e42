"""Asking items of a Client: the requests, and what is made of replies, good ones and broken ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from caesura.evals.tool_grading import Setting
from caesura.evals.tool_items import ToolItem, tool_items
from caesura.evals.tool_runs import request_of, run_tool_items
from caesura.messages.content import ToolUseBlock
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
)
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, Usage
from caesura.messages.scripted import SCRIPTED_MODEL, prompt_length

ITEMS = [item for item in tool_items([0], 2) if item.calls]


class CallingClient:
    """Calls one tool with arguments that are spelt as given. Keeps the Client protocol."""

    def __init__(self, spelt: Mapping[str, str], name: str) -> None:
        self._spelt = spelt
        self._name = name
        self.history: list[MessagesRequest] = []

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        self.history.append(request)
        usage = Usage(input_tokens=1, output_tokens=2)
        yield MessageStart(id="msg_1", model=request.model, usage=usage)
        yield BlockStart(index=0, block=ToolUseBlock(id="toolu_1", name=self._name, input={}))
        yield InputJsonDelta(index=0, partial_json=self._spelt[self._name])
        yield BlockStop(index=0)
        yield MessageDelta(stop_reason="tool_use", stop_sequence=None, usage=usage)
        yield MessageStop()

    async def count_tokens(self, request: MessagesRequest) -> int:
        return prompt_length(request)

    async def models(self) -> Sequence[ModelInfo]:
        return (SCRIPTED_MODEL,)


def _run(client: CallingClient, items: Sequence[ToolItem], setting: Setting = "free") -> list[bool]:
    counted: list[int] = []
    attempts = run_tool_items(
        client, "m", items, setting, temperature=0.0, max_connections=4, on_reply=counted.append
    )
    assert len(counted) == len(items)
    assert [attempt.id for attempt in attempts] == [item.id for item in items]
    return [attempt.valid for attempt in attempts]


@pytest.mark.parametrize(("spelt", "is_valid"), [('{"x": 1', False), ("[1]", False)])
def test_arguments_that_cannot_be_read_are_graded_and_end_no_run(spelt: str, is_valid: bool) -> None:
    client = CallingClient({"f": spelt}, "f")
    assert _run(client, ITEMS[:3]) == [is_valid] * 3


def test_only_thinking_asks_for_a_thought_and_never_before_a_forced_call() -> None:
    forced = next(item for item in ITEMS if item.choice.mode == "tool")
    free = next(item for item in ITEMS if item.choice.mode == "auto")
    modes = {
        (item.choice.mode, setting): request_of("m", item, setting, 0.0).thinking.mode
        for item in (forced, free)
        for setting in ("constrained", "free", "constrained, thinking")
    }
    assert [key for key, mode in modes.items() if mode == "enabled"] == [("auto", "constrained, thinking")]


def test_a_record_is_asked_for_with_its_schema_and_without_calls() -> None:
    item = next(item for item in tool_items([0], 1) if item.record is not None)
    request = request_of("m", item, "constrained", 0.0)
    assert request.output_format is not None
    assert request.output_format.schema == item.schema
    assert request.tool_choice.mode == "none"
