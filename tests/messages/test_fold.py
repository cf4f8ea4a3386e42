"""A reply is the fold of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from caesura.messages.content import RedactedThinkingBlock, TextBlock, ThinkingBlock, conversation
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
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
from caesura.messages.response import InputTransformation, Usage
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
