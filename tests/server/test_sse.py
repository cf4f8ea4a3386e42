"""The fast encoder writes what the plain one would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import TextBlock
from caesura.messages.errors import OverloadedError
from caesura.messages.events import BlockStart, Event, MessageStop, Ping, TextDelta, ThinkingDelta
from caesura.messages.wire import event_json
from caesura.server.exchange import ClientDisconnected
from caesura.server.sse import MAX_PENDING_BYTES, EventWriter, MessagesFraming, encode_error, encode_event

TEXT = st.text(st.characters())


def parsed(frame: bytes) -> tuple[str, object]:
    name, data, *rest = frame.decode("ascii").split("\n")
    assert rest == ["", ""]
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@given(TEXT, st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_deltas_are_written_as_the_api_says(text: str, index: int, num_tokens: int, counts: bool) -> None:
    events = [
        TextDelta(index=index, text=text),
        ThinkingDelta(index=index, thinking=text, num_tokens=num_tokens),
    ]
    for event in events:
        expected = json.loads(json.dumps(event_json(event, with_token_counts=counts)))
        assert parsed(encode_event(event, with_token_counts=counts)) == ("content_block_delta", expected)


@pytest.mark.parametrize("event", [BlockStart(index=0, block=TextBlock(text="")), MessageStop(), Ping()])
def test_other_events_carry_their_name(event: Event) -> None:
    body = event_json(event)
    assert parsed(encode_event(event)) == (body["type"], body)


def test_an_error_is_an_event() -> None:
    name, body = parsed(encode_error(OverloadedError("full"), "req_1"))
    assert name == "error"
    assert body == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "full"},
        "request_id": "req_1",
    }


async def endless_text() -> AsyncIterator[Event]:
    while True:
        yield TextDelta(index=0, text="x" * 1000)


async def test_a_client_that_does_not_read_pauses_the_reply_and_the_pings() -> None:
    num_read, pieces = 0, list[bytes]()

    async def counted() -> AsyncIterator[Event]:
        nonlocal num_read
        async for event in endless_text():
            num_read += 1
            yield event

    async def write(piece: bytes) -> None:
        pieces.append(piece)
        await asyncio.Event().wait()

    writer = EventWriter(
        write, MessagesFraming("req_1"), request_id="req_1", ping_interval_s=0.01, write_timeout_s=0.3
    )
    with pytest.raises(ClientDisconnected):
        await writer.write(Ping(), counted())
    assert len(pieces) == 1
    assert num_read * 1000 < MAX_PENDING_BYTES + 100_000
