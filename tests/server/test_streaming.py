"""What only a real socket shows: timing, pings, departures, large bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.events import Event
from caesura.messages.fold import collect
from caesura.messages.remote import RemoteClient
from caesura.messages.request import MessagesRequest
from caesura.messages.request_body import request_body
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.messages.validation import parse_request
from caesura.server import ServerConfig, create_app
from tests.server import virtual_time

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASK, "stream": True}


async def eventually(is_true: Callable[[], bool]) -> None:
    """However busy the machine is; what never comes true is for the timeout of every test."""
    while not is_true():
        await asyncio.sleep(0.01)


async def lines_until(lines: AsyncIterator[str], wanted: str) -> list[str]:
    seen: list[str] = []
    async for line in lines:
        seen.append(line)
        if wanted in line:
            return seen
    raise AssertionError(f"no {wanted} in {seen}")


async def test_message_start_leaves_before_anything_is_generated(serve: Serve) -> None:
    pause = asyncio.Event()
    app = create_app(ScriptedClient([ScriptedReply(text="late", pause=pause)]))
    async with serve(app) as http, http.stream("POST", "/v1/messages", json=STREAM) as response:
        lines = response.aiter_lines()
        await lines_until(lines, '"message_start"')
        pause.set()
        await lines_until(lines, '"message_stop"')


async def test_silence_is_filled_with_pings(serve: Serve) -> None:
    pause = asyncio.Event()
    client = ScriptedClient([ScriptedReply(text="late", pause=pause)])
    app = create_app(client, ServerConfig(ping_interval_s=0.05))
    async with serve(app) as http, http.stream("POST", "/v1/messages", json=STREAM) as response:
        lines = response.aiter_lines()
        for _ in range(3):
            await lines_until(lines, 'data: {"type": "ping"}')
        pause.set()
        rest = await lines_until(lines, '"message_stop"')
    assert any("late" in line for line in rest)


@pytest.mark.parametrize(("delay_s", "is_pinged"), [(0.09, False), (0.11, True)])
def test_only_a_stream_that_is_silent_for_long_is_pinged(
    in_process: Callable[[FastAPI], httpx.AsyncClient], delay_s: float, is_pinged: bool
) -> None:
    client = ScriptedClient([ScriptedReply(text="a b c d e f g h", delay_s=delay_s)])
    app = create_app(client, ServerConfig(ping_interval_s=0.1))
    response = virtual_time.run(in_process(app).post("/v1/messages", json=STREAM))
    assert response.text.count("text_delta") == 8
    assert ("ping" in response.text) == is_pinged


class _LetThrough(ScriptedClient):
    """Each event but the first waits to be let through."""

    def __init__(self, text: str) -> None:
        super().__init__([text])
        self.turnstile = asyncio.Semaphore(1)

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        async for event in super().stream(request):
            await self.turnstile.acquire()
            yield event


async def test_each_delta_leaves_as_soon_as_it_is_there(serve: Serve) -> None:
    client = _LetThrough("one two three")
    async with (
        serve(create_app(client)) as http,
        http.stream("POST", "/v1/messages", json=STREAM) as response,
    ):
        lines = response.aiter_lines()
        wanted = ["message_start", "block_start", "one", "two", "three", "block_stop", "message_delta"]
        for each in wanted:
            # What follows has not even been generated.
            await lines_until(lines, each)
            client.turnstile.release()
        await lines_until(lines, '"message_stop"')


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_cancels_the_generation(serve: Serve, stream: bool) -> None:
    client = ScriptedClient([ScriptedReply(text="never", pause=asyncio.Event())])
    async with serve(create_app(client)) as http:
        asking = asyncio.create_task(http.post("/v1/messages", json={**ASK, "stream": stream}))
        await eventually(lambda: bool(client.history))
        assert client.num_closed_early == 0
        asking.cancel()
        await eventually(lambda: client.num_closed_early == 1)


async def test_leaving_in_the_middle_of_the_text_cancels_the_generation(serve: Serve) -> None:
    client = ScriptedClient([ScriptedReply(text="word " * 40, delay_s=0.05)])
    async with serve(create_app(client)) as http:
        async with http.stream("POST", "/v1/messages", json=STREAM) as response:
            await lines_until(response.aiter_lines(), "text_delta")
        await eventually(lambda: client.num_closed_early == 1)


async def test_a_client_that_stays_is_never_cancelled(serve: Serve) -> None:
    client = ScriptedClient(otherwise=ScriptedReply(text="a b c", delay_s=0.01))
    async with serve(create_app(client)) as http:
        replies = await asyncio.gather(
            *(http.post("/v1/messages", json=STREAM if n % 2 else ASK) for n in range(8))
        )
    assert [reply.status_code for reply in replies] == [200] * 8
    assert client.num_closed_early == 0


async def test_a_long_stream_arrives_whole_and_in_order(serve: Serve) -> None:
    words = " ".join(str(number) for number in range(5000))
    client = ScriptedClient([words])
    ask = parse_request({**ASK, "max_tokens": 10_000})
    async with serve(create_app(client)) as http, RemoteClient(str(http.base_url)) as remote:
        message = await collect(remote.stream(ask))
    assert message.usage.output_tokens == 5000
    assert "".join(block.text for block in message.content) == words  # type: ignore[union-attr]


async def test_many_streams_do_not_mix(serve: Serve) -> None:
    client = ScriptedClient(
        [ScriptedReply(text=f"number {number} " * 20, delay_s=0.001) for number in range(8)]
    )
    async with serve(create_app(client)) as http:
        ask = {**request_body(parse_request(ASK)), "stream": True}
        replies = await asyncio.gather(*(http.post("/v1/messages", json=ask) for _ in range(8)))
    for reply in replies:
        numbers = {line.split('"text":"')[1][0] for line in reply.text.splitlines() if "text_delta" in line}
        assert len(numbers - {"n"}) == 1


async def test_32_megabytes_are_read_and_more_are_413(serve: Serve) -> None:
    client = ScriptedClient(otherwise="ok")
    small = 32 * 2**20
    filler = {**ASK, "metadata": {"user_id": "x" * (small - 200)}}
    async with serve(create_app(client)) as http:
        assert (await http.post("/v1/messages", json=filler)).status_code == 200
        refused = await http.post("/v1/messages", content=b" " * (small + 1))
        assert refused.status_code == 413
        assert refused.json()["error"]["type"] == "request_too_large"
        assert (await http.post("/v1/messages", json=ASK)).status_code == 200


async def test_a_body_that_never_says_its_length_is_413_too(serve: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    app = create_app(ScriptedClient(), ServerConfig(max_body_bytes=5000))
    async with serve(app) as http:
        refused = await http.post("/v1/messages", content=endless())
    assert refused.status_code == 413


def head(length: int, path: str = "/v1/messages") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n".encode()


async def test_a_body_that_does_not_come_is_408(serve: Serve) -> None:
    app = create_app(ScriptedClient(), ServerConfig(body_timeout_s=0.05))
    async with serve(app) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
        writer.write(head(100) + b'{"model":')
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer
    assert b'"type": "timeout_error"' in answer
    assert b"its next byte may take 0.05 s" in answer


async def test_a_large_body_does_not_hold_the_others_up(serve: Serve) -> None:
    blocks = [{"type": "text", "text": "a"}] * 90_000
    large = {**ASK, "messages": [{"role": "user", "content": blocks}]}
    async with serve(create_app(ScriptedClient(otherwise="ok"))) as http:
        asking = asyncio.create_task(http.post("/v1/messages/count_tokens", json=large))
        num_probes = 0
        while not asking.done():
            assert (await http.get("/health")).status_code == 200
            num_probes += 1
        assert (await asking).status_code == 200
    assert num_probes > 3


async def test_a_client_that_never_reads_is_left_in_the_end(serve: Serve) -> None:
    client = ScriptedClient([ScriptedReply(text="word " * 400_000)])
    app = create_app(client, ServerConfig(write_timeout_s=0.3, ping_interval_s=0.05))
    async with serve(app) as http:
        ask = json.dumps({**STREAM, "max_tokens": 200_000}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port, limit=1)
        writer.write(head(len(ask)) + ask)
        await eventually(lambda: client.num_closed_early == 1)
        writer.transport.abort()
        del reader
