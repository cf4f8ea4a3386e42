"""Connections that say too little, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from caesura.cli.listening import PatientProtocol
from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app


class _Hasty(PatientProtocol):
    head_timeout_s = 0.1


@asynccontextmanager
async def listening() -> AsyncGenerator[int]:
    app = create_app(ScriptedClient(otherwise="ok"), ServerConfig(api_keys=("secret",)))
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", http=_Hasty, timeout_keep_alive=60)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server hangs up."""
    received = b""
    try:
        async with asyncio.timeout(20):
            while some := await reader.read(65_536):
                received += some
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("beginning", [b"", b"G", b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx: "])
async def test_a_head_that_is_never_complete_is_not_waited_for(beginning: bytes) -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)
        assert await until_closed(reader) == b""
        writer.close()


async def test_a_byte_now_and_then_gives_a_head_no_more_time() -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def drip() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await until_closed(reader) == b""
        dripping.cancel()
        writer.close()


async def test_what_is_left_of_a_body_is_not_waited_for_once_it_is_answered() -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n"
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        answer = await reader.read(4_096)
        assert answer.startswith(b"HTTP/1.1 401")
        writer.write(b"x")
        await until_closed(reader)
        writer.close()


async def test_requests_that_take_longer_to_answer_than_to_ask_are_answered() -> None:
    ask = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(ask[:10])
            await asyncio.sleep(0.01)
            writer.write(ask[10:])
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            # Uvicorn itself decides how long a connection may rest between two requests.
            await asyncio.sleep(0.2)
        writer.close()
