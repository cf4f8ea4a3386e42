"""A reply is the fold of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from caesura.messages.content import (
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    conversation,
)
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.fold import MessageFold, collect, fold
from caesura.messages.request import MessagesRequest
from caesura.messages.response import InputTransformation, StopReason, Usage
from caesura.messages.scripted import ScriptedClient, ScriptedReply

DROPPED = InputTransformation(path="messages.1.content.0", reason="organization_binding_mismatch")
EVENTS: list[Event] = [
    MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=3), input_transformations=(DROPPED,)),
    BlockStart(index=0, block=ThinkingBlock(thinking="")),
    ThinkingDelta(index=0, thinking="let me "),
    ThinkingDelta(index=0, thinking="see"),
    Ping(),
    SignatureDelta(index=0, signature="s"),
    BlockStop(index=0),
    BlockStart(index=1, block=RedactedThinkingBlock(data="d")),
    BlockStop(index=1),
    BlockStart(index=2, block=TextBlock(text="")),
    TextDelta(index=2, text="4"),
    TextDelta(index=2, text="2"),
    BlockStop(index=2),
    MessageDelta(stop_reason="end_turn", stop_sequence=None, usage=Usage(input_tokens=3, output_tokens=5)),
    MessageStop(),
]


def test_blocks_are_put_together_from_their_deltas() -> None:
    message = fold(EVENTS)
    assert message.content == (
        ThinkingBlock(thinking="let me see", signature="s"),
        RedactedThinkingBlock(data="d"),
        TextBlock(text="42"),
    )
    assert message.usage.output_tokens == 5
    assert message.input_transformations == (DROPPED,)


@pytest.mark.parametrize("length", range(len(EVENTS)))
def test_a_stream_that_breaks_off_is_no_message(length: int) -> None:
    with pytest.raises(ApiError, match="broke off"):
        fold(EVENTS[:length])


def test_a_fold_shows_what_there_is_so_far() -> None:
    folding = MessageFold()
    for event in EVENTS[:3]:
        folding.add(event)
    assert folding.content == (ThinkingBlock(thinking="let me "),)


@pytest.mark.parametrize(
    "event", [BlockStart(index=2, block=TextBlock(text="")), TextDelta(index=0, text="x")]
)
def test_a_block_out_of_order_is_refused(event: Event) -> None:
    with pytest.raises(ApiError, match="block"):
        fold([EVENTS[0], event])


def calling(
    *pieces: str, stop_reason: StopReason = "tool_use", opening: dict[str, object] | None = None
) -> list[Event]:
    """A reply that is one call."""
    block = ToolUseBlock(id="t", name="add", input=opening or {})
    return [
        MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=3)),
        BlockStart(index=0, block=block),
        *(InputJsonDelta(index=0, partial_json=piece) for piece in pieces),
        BlockStop(index=0),
        MessageDelta(stop_reason=stop_reason, stop_sequence=None, usage=Usage(input_tokens=3)),
        MessageStop(),
    ]


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        (["", '{"a', '": [1, ', "2]}"], {"a": [1, 2]}),
        (["{}"], {}),
        ([""], {}),
        ([], {}),
    ],
)
def test_a_calls_input_is_put_together_from_its_pieces(pieces: list[str], value: object) -> None:
    assert fold(calling(*pieces)).content == (ToolUseBlock(id="t", name="add", input=value),)  # type: ignore[arg-type]


def test_a_call_that_opens_with_its_input_keeps_it() -> None:
    assert fold(calling(opening={"a": 1})).content == (ToolUseBlock(id="t", name="add", input={"a": 1}),)


@pytest.mark.parametrize("text", ['{"a": 1', "[1]", '{"a": 1}}', "7"])
def test_a_calls_input_that_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(ApiError, match="calls `add` with an input that cannot be read"):
        fold(calling(text))


@pytest.mark.parametrize("stop_reason", ["max_tokens", "model_context_window_exceeded"])
def test_a_call_that_was_cut_off_is_read_as_far_as_it_goes(stop_reason: StopReason) -> None:
    (block,) = fold(calling('{"a": 1, "b": "half', stop_reason=stop_reason)).content
    assert block == ToolUseBlock(id="t", name="add", input={"a": 1, "b": "half"})


def test_only_the_last_call_can_have_been_cut_off() -> None:
    first = calling('{"a": 1', stop_reason="max_tokens")
    second: list[Event] = [BlockStart(index=1, block=TextBlock(text="x")), BlockStop(index=1)]
    with pytest.raises(ApiError, match="cannot be read"):
        fold([*first[:4], *second, *first[4:]])


def test_a_fold_shows_a_call_as_far_as_it_has_come() -> None:
    folding = MessageFold()
    for event in calling('{"a": 1, "b"')[:3]:
        folding.add(event)
    assert folding.content == (ToolUseBlock(id="t", name="add", input={"a": 1}),)


async def test_collecting_closes_the_stream_even_when_cancelled() -> None:
    client = ScriptedClient([ScriptedReply(text="never", pause=asyncio.Event())])
    request = MessagesRequest(model="m", conversation=conversation(("user", "hi")), max_tokens=5)
    task = asyncio.create_task(collect(client.stream(request)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.num_closed_early == 1


async def test_a_stream_that_cannot_be_closed_is_collected_too() -> None:
    class Plain:
        def __init__(self) -> None:
            self.events = iter(EVENTS)

        def __aiter__(self) -> AsyncIterator[Event]:
            return self

        async def __anext__(self) -> Event:
            for event in self.events:
                return event
            raise StopAsyncIteration

    assert await collect(Plain()) == fold(EVENTS)
