"""Clients that are slow on purpose."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from caesura.messages.errors import OverloadedError, RequestTimeoutError
from caesura.server.exchange import ClientDisconnected
from caesura.server.patience import MIN_BYTES_PER_S, Held, PatientReceive, patient_send
from tests.server.clock import Clock


def receiving(clock: Clock, *, every_s: float, piece: bytes, held: Held | None = None) -> PatientReceive:
    """A client that sends a piece every so often, for ever."""

    async def receive() -> Message:
        clock.now_s += every_s
        return {"type": "http.request", "body": piece, "more_body": True}

    return PatientReceive(receive, 60.0, held, clock)


async def read(receive: PatientReceive, num_pieces: int) -> None:
    for _ in range(num_pieces):
        await receive()


async def test_a_body_that_comes_byte_by_byte_is_not_waited_for_longer_than_for_none() -> None:
    receive = receiving(Clock(), every_s=1.0, piece=b"x")
    with pytest.raises(RequestTimeoutError, match="a second for each 4096 bytes"):
        await read(receive, 1_000)
    assert 60 <= receive.num_bytes <= 62


async def test_a_body_on_a_slow_line_is_waited_for() -> None:
    receive = receiving(Clock(), every_s=30.0, piece=b"x" * 30 * MIN_BYTES_PER_S)
    await read(receive, 100)


async def test_what_bodies_hold_is_limited_together_and_given_back() -> None:
    held = Held(25)
    first = receiving(Clock(), every_s=0, piece=b"x" * 10, held=held)
    second = receiving(Clock(), every_s=0, piece=b"x" * 10, held=held)
    await first()
    await second()
    with pytest.raises(OverloadedError):
        await second()
    second.close()
    await first()
    first.close()
    assert held.num_bytes == 0


async def test_a_client_that_reads_nothing_counts_as_gone() -> None:
    async def send(message: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClientDisconnected):
        await patient_send(send, 0.01)({"type": "http.response.body"})
