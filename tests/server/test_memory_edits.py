"""What was cleared and taken where a reply is made in several rounds: each thing told and charged once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caesura.messages.content import CompactionBlock, TextBlock
from caesura.messages.context_client import ContextClient
from caesura.messages.context_management import AppliedEdit
from caesura.messages.edit_totals import EditTotals
from caesura.messages.errors import OverloadedError
from caesura.messages.events import Event
from caesura.messages.fold import collect
from caesura.messages.iterations import billed
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Message, ModelInfo, Usage
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.validation import parse_request
from caesura.server.memory_client import MemoryClient
from caesura.server.memory_store import MemoryStore

MEMORY: Any = {"type": "memory_20250818", "name": "memory", "executed_by": "server"}
LOOK: Any = {"name": "look", "input_schema": {"type": "object"}}
SMALL = replace(SCRIPTED_MODEL, max_input_tokens=1_600, max_tokens=600)
COMPACT: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 400}}
CLEAR: Any = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "tool_uses", "value": 1},
    "keep": {"type": "tool_uses", "value": 1},
}


def memory(**given: Any) -> ScriptedReply:
    return ScriptedReply(calls=(ScriptedCall(name="memory", input=given),))


SEE = memory(command="view", path="/memories")


def note(number: int, size: int) -> ScriptedReply:
    return memory(command="create", path=f"/memories/{number}.md", file_text="x " * size)


def loop(num_calls: int) -> list[Any]:
    turns: list[Any] = [{"role": "user", "content": "Do it."}]
    for number in range(num_calls):
        use = {"type": "tool_use", "id": f"c{number}", "name": "look", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": "word " * 30}
        turns += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return turns


def body(num_calls: int, *edits: Any) -> dict[str, Any]:
    asked = {"model": "scripted", "max_tokens": 600, "messages": loop(num_calls), "tools": [MEMORY, LOOK]}
    return {**asked, "context_management": {"edits": list(edits)}}


async def answered(folder: Path, asked: dict[str, Any], *replies: ScriptedReply | str | Exception) -> Message:
    inner = ScriptedClient(replies, models=[SMALL])
    client = MemoryClient(ContextClient(inner), MemoryStore(folder))
    return await collect(client.stream(parse_request(asked)))


def kinds(message: Message) -> list[str]:
    return [type(block).__name__ for block in message.content]


async def test_what_was_cleared_before_a_summary_is_told_too(tmp_path: Path) -> None:
    replies = (note(1, 350), "They wrote.", SEE, SEE, SEE, "Done.")
    message = await answered(tmp_path, body(3, CLEAR, COMPACT), *replies)
    assert "CompactionBlock" in kinds(message)[1:]
    (applied,) = list(message.applied_edits or ())
    # The first two results before the first round, the third one before the summary (the note is the latest
    # call); behind it nothing yet, since what was seen is short.
    assert (applied.type, applied.num_cleared) == ("clear_tool_uses_20250919", 3)
    alone = await answered(tmp_path, body(3, CLEAR), "Done.")
    (first,) = list(alone.applied_edits or ())
    assert first.num_cleared == 2
    assert applied.num_cleared_tokens == first.num_cleared_tokens * 3 // 2


async def test_what_every_round_clears_again_is_told_once(tmp_path: Path) -> None:
    message = await answered(tmp_path, body(3, CLEAR), note(1, 3), note(2, 3), "Done.")
    (applied,) = list(message.applied_edits or ())
    # All calls but the latest: three of the client's, and the first note.
    assert applied.num_cleared == 4


async def test_where_a_summary_failed_it_is_still_told_that_nothing_was_cleared(tmp_path: Path) -> None:
    message = await answered(tmp_path, body(12, COMPACT), "", SEE, "Done.")
    assert message.content[0] == CompactionBlock(content=None)
    assert kinds(message)[-1] == "TextBlock"
    assert message.applied_edits == ()


async def test_a_reply_that_pauses_tells_what_was_cleared_till_then(tmp_path: Path) -> None:
    message = await answered(tmp_path, body(3, CLEAR), note(1, 3), OverloadedError("full"))
    assert message.stop_reason == "pause_turn"
    assert [each.num_cleared for each in message.applied_edits or ()] == [2]


class Uncounting:
    """A Client that cannot count the tokens of anything after its first reply."""

    def __init__(self, inner: ScriptedClient) -> None:
        self._inner = inner

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        return self._inner.stream(request)

    async def count_tokens(self, request: MessagesRequest) -> int:
        if self._inner.history:
            raise OverloadedError("full")
        return await self._inner.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._inner.models()


async def test_a_reply_pauses_where_nobody_can_say_whether_its_next_round_fits(tmp_path: Path) -> None:
    """What the memory was told would be told again if the request were repeated."""
    inner = Uncounting(ScriptedClient([note(1, 3), "Done."], models=[SMALL]))
    asked = {**body(1), "context_management": None}
    message = await collect(MemoryClient(inner, MemoryStore(tmp_path)).stream(parse_request(asked)))
    assert message.stop_reason == "pause_turn"
    assert kinds(message) == ["ToolUseBlock", "ToolResultBlock"]


async def test_rounds_that_were_done_are_charged_though_a_later_one_fails(tmp_path: Path) -> None:
    broken = ScriptedReply(text="a b", error=OverloadedError("full"))
    inner = ScriptedClient([note(1, 3), broken], models=[SMALL])
    told: list[Usage] = []
    request = replace(parse_request(body(1)), when_cut=told.append)
    with pytest.raises(OverloadedError):
        await collect(MemoryClient(ContextClient(inner), MemoryStore(tmp_path)).stream(request))
    (usage,) = told
    assert billed(usage).input_tokens == await inner.count_tokens(inner.history[0])


def edit(num_cleared: int, *, is_thought: bool = False) -> AppliedEdit:
    kind: Any = "clear_thinking_20251015" if is_thought else "clear_tool_uses_20250919"
    return AppliedEdit(type=kind, num_cleared=num_cleared, num_cleared_tokens=10 * num_cleared)


def test_totals_start_anew_behind_each_summary() -> None:
    totals, text, summary = EditTotals(), (TextBlock(text="x"),), (CompactionBlock(content="s"),)
    assert totals.applied is None
    totals.take((), text)
    assert totals.applied == ()
    totals.take((edit(1, is_thought=True), edit(2)), text)
    totals.take((edit(1, is_thought=True), edit(3)), summary)
    totals.take((edit(1),), (CompactionBlock(content=None),))
    totals.take((edit(4),), summary)
    totals.take(None, text)
    totals.take((edit(5),), text)
    assert totals.applied == (edit(1, is_thought=True), edit(12))
