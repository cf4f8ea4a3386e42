"""How long a client is waited for, and how much of what it sends is held.

A request's body has to come: the next piece of it within a while, and the whole of it no slower than a slow
line would bring it, so that nobody keeps a connection by a byte now and then. What all bodies together hold
in memory is limited too. A response has to be read, piece by piece, within a while.
Enters: ASGI's `receive` and `send`. Leaves: the same, with an end to them. Read next: `front_door.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import Message, Receive, Send

from caesura.messages.errors import OverloadedError, RequestTimeoutError
from caesura.server.exchange import ClientDisconnected

# What a body has to bring in a second, all in all, beyond what it may wait for.
MIN_BYTES_PER_S = 4_096


class Held:
    """The bytes of bodies that are being read or answered."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.num_bytes = 0

    def take(self, num_bytes: int) -> None:
        """So much more is held. Raises OverloadedError where that is too much; it counts all the same."""
        self.num_bytes += num_bytes
        if self.num_bytes > self._max_bytes:
            raise OverloadedError("Overloaded: too many large requests at once; try again later")

    def give_back(self, num_bytes: int) -> None:
        """So much is held no longer."""
        self.num_bytes -= num_bytes


class PatientReceive:
    """`receive` for one request; close it when the request is over.

    num_bytes: of the body, so far.
    """

    def __init__(
        self,
        receive: Receive,
        timeout_s: float,
        held: Held | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """held: where the bytes count; None for a body that is not kept in memory."""
        self._receive = receive
        self._timeout_s = timeout_s
        self._held = held
        self._clock = clock
        self._begun_s = clock()
        self._is_complete = False
        self.num_bytes = 0

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()
        message = await self._next()
        self._is_complete = not message.get("more_body", False)
        self._count(len(message.get("body", b"")))
        return message

    async def _next(self) -> Message:
        left_s = self._begun_s + self._timeout_s + self.num_bytes / MIN_BYTES_PER_S - self._clock()
        if left_s <= 0:
            raise self._refusal()
        try:
            async with asyncio.timeout(min(self._timeout_s, left_s)):
                return await self._receive()
        except TimeoutError:
            raise self._refusal() from None

    def _refusal(self) -> RequestTimeoutError:
        return RequestTimeoutError(
            f"the request body did not come in time: its next byte may take {self._timeout_s:g} s, and all of"
            f" it that and a second for each {MIN_BYTES_PER_S} bytes; send it again"
        )

    def _count(self, num_bytes: int) -> None:
        self.num_bytes += num_bytes
        if self._held is not None:
            self._held.take(num_bytes)

    def close(self) -> None:
        """The request is over."""
        if self._held is not None:
            self._held.give_back(self.num_bytes)


def patient_send(send: Send, timeout_s: float) -> Send:
    """`send`, which raises ClientDisconnected for a client that reads nothing for so long."""

    async def sent(message: Message) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await send(message)
        except TimeoutError:
            raise ClientDisconnected from None

    return sent
