from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.soak_requests import Ask, Departure
from bench.soak_stream import Outcome, Tally, stream

USAGE = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}
START = ("message_start", {"message": {"usage": USAGE}})
PIECE = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {})
STAY = Ask(body=b"{}", departure=None)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def failure(kind: str) -> tuple[str, dict[str, object]]:
    return "error", {"error": {"type": kind}}


def encoded(*events: tuple[str, object]) -> bytes:
    return b"".join(f"event: {name}\ndata: {json.dumps(body)}\n\n".encode() for name, body in events)


def chunked(*pieces: bytes) -> list[bytes]:
    return [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in (*pieces, b"")]


def told(*events: tuple[str, object]) -> Outcome:
    tally = Tally()
    tally.feed(encoded(*events), 1.0)
    return tally.outcome()


@asynccontextmanager
async def answering(pieces: Sequence[bytes], *, stays_open: bool = False) -> AsyncGenerator[int]:
    """A port where every request is answered with these bytes."""
    is_over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.writelines(pieces)
        if stays_open:
            # Until the client has gone.
            assert await reader.read() == b""
            is_over.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        if stays_open:
            await asyncio.wait_for(is_over.wait(), 30.0)


@pytest.mark.parametrize(
    ("events", "ending", "detail"),
    [
        ((START, PIECE, STOP), "finished", ""),
        ((START, PIECE), "faulty", "terminal events: none"),
        ((START, STOP, STOP), "faulty", "terminal events: message_stop, message_stop"),
        ((START, STOP, failure("api_error")), "faulty", "terminal events: message_stop, error"),
        ((START, STOP, PIECE), "faulty", "terminal events: message_stop, content_block_delta"),
        ((START, failure("overloaded_error")), "refused", "event overloaded_error"),
        ((START, failure("api_error")), "faulty", "event api_error"),
    ],
)
def test_only_one_terminal_event_is_a_good_end(
    events: Sequence[tuple[str, object]], ending: str, detail: str
) -> None:
    outcome = told(*events)
    assert (outcome.ending, outcome.detail) == (ending, detail)


def test_events_may_be_cut_anywhere_and_the_first_piece_is_timed() -> None:
    tally = Tally()
    for number, byte in enumerate(encoded(START, PIECE, PIECE, STOP)):
        tally.feed(bytes([byte]), float(number))
    outcome = tally.outcome()
    assert outcome.first_s == float(len(encoded(START, PIECE)) - 1)
    assert (outcome.ending, outcome.num_prompt, tally.num_pieces) == ("finished", 12, 2)


def test_a_stream_that_stops_within_an_event_is_faulty() -> None:
    tally = Tally()
    tally.feed(encoded(START, STOP) + b"event: ping\n", 1.0)
    assert (tally.outcome().ending, tally.outcome().detail) == ("faulty", "the stream ends within an event")


async def test_a_reply_is_read_to_its_end() -> None:
    async with answering([HEAD, *chunked(encoded(START), encoded(PIECE), encoded(STOP))]) as port:
        outcome = await stream(port, STAY, patience_s=30.0)
    assert (outcome.ending, outcome.num_prompt) == ("finished", 12)
    assert outcome.first_s is not None


async def test_a_connection_that_closes_early_is_a_fault() -> None:
    async with answering([HEAD, *chunked(encoded(START), encoded(STOP))[:-1]]) as port:
        outcome = await stream(port, STAY, patience_s=30.0)
    assert (outcome.ending, outcome.detail) == ("faulty", "broke off: IncompleteReadError")


async def test_nobody_there_is_a_fault() -> None:
    async with answering([]) as port:
        pass
    outcome = await stream(port, STAY, patience_s=30.0)
    assert (outcome.ending, outcome.detail) == ("faulty", "broke off: ConnectionRefusedError")


@pytest.mark.parametrize(
    ("status", "ending"), [(429, "refused"), (529, "refused"), (500, "faulty"), (503, "faulty")]
)
async def test_only_too_much_to_do_is_a_reason_to_refuse(status: int, ending: str) -> None:
    body = json.dumps({"error": {"type": "some_error"}}).encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with answering([head, body]) as port:
        outcome = await stream(port, STAY, patience_s=30.0)
    assert (outcome.ending, outcome.detail) == (ending, f"status {status}: some_error")


@pytest.mark.parametrize("after_pieces", [0, 1])
async def test_a_client_leaves_when_it_is_to_and_the_server_sees_it(after_pieces: int) -> None:
    ask = Ask(body=b"{}", departure=Departure(after_pieces=after_pieces, pause_s=0.01))
    pieces = chunked(encoded(START), encoded(PIECE))[:-1]
    async with answering([HEAD, *pieces], stays_open=True) as port:
        outcome = await stream(port, ask, patience_s=30.0)
    assert outcome.ending == "left"


async def test_a_client_waits_for_the_piece_after_which_it_leaves_but_not_for_ever() -> None:
    ask = Ask(body=b"{}", departure=Departure(after_pieces=2, pause_s=0.0))
    pieces = chunked(encoded(START), encoded(PIECE))[:-1]
    async with answering([HEAD, *pieces], stays_open=True) as port:
        outcome = await stream(port, ask, patience_s=0.1)
    assert (outcome.ending, outcome.detail) == ("faulty", "silent for 0.1 s")
