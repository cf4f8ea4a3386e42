"""An event stream on the wire: events to bytes, and bytes to the client as they become ready.

Enters: events. Leaves: server-sent events, with a `ping` whenever nothing was sent for a while and an
`error` event when the reply fails. Deltas come by the thousand a second, so they are written from
templates, and whatever is ready leaves in one piece. Read next: `app.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from json.encoder import encode_basestring_ascii
from typing import Any, Protocol

from caesura.messages.errors import ApiError
from caesura.messages.events import Event, MessageStop, Ping, TextDelta, ThinkingDelta
from caesura.messages.wire import event_json
from caesura.server.exchange import ClientDisconnected, error_body

logger = logging.getLogger(__name__)

Write = Callable[[bytes], Awaitable[None]]

INTERNAL_ERROR = ApiError("Internal server error")

_TEXT = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%s}}\n\n'
)
_THINKING = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":%d,"delta":{"type":"thinking_delta","thinking":%s}}\n\n'
)
_COUNTED_THINKING = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":%d,'
    '"delta":{"type":"thinking_delta","thinking":%s,"estimated_tokens":%d}}\n\n'
)
# A client that does not read keeps at most about this much of its reply here.
MAX_PENDING_BYTES = 2**20
# How many events may be taken without giving the writer a turn.
_EVENTS_PER_TURN = 64


def _frame(body: dict[str, Any]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode("ascii")


_PING = _frame(event_json(Ping()))


def encode_event(event: Event, *, with_token_counts: bool = False) -> bytes:
    """One event as a server-sent event. ASCII throughout: some readers split lines at other characters.

    with_token_counts: whether thinking deltas say how many tokens they took.
    """
    if isinstance(event, TextDelta):
        return (_TEXT % (event.index, encode_basestring_ascii(event.text))).encode("ascii")
    if isinstance(event, ThinkingDelta):
        text = encode_basestring_ascii(event.thinking)
        if with_token_counts:
            return (_COUNTED_THINKING % (event.index, text, event.num_tokens)).encode("ascii")
        return (_THINKING % (event.index, text)).encode("ascii")
    return _frame(event_json(event))


def encode_error(error: ApiError, request_id: str) -> bytes:
    """An error in the middle of a stream."""
    return b"event: error\ndata: " + error_body(error, request_id) + b"\n\n"


class Framing(Protocol):
    """How one reply's events are told.

    ping: says that the connection is alive.
    """

    @property
    def ping(self) -> bytes: ...

    def encode(self, event: Event) -> bytes:
        """An event's frames; nothing for one that is not told."""
        ...

    def encode_error(self, error: ApiError) -> bytes:
        """The frame that ends a reply which failed."""
        ...


class MessagesFraming:
    """As the Messages API tells them."""

    ping = _PING

    def __init__(self, request_id: str, *, with_token_counts: bool = False) -> None:
        self._request_id = request_id
        self._with_token_counts = with_token_counts

    def encode(self, event: Event) -> bytes:
        return encode_event(event, with_token_counts=self._with_token_counts)

    def encode_error(self, error: ApiError) -> bytes:
        return encode_error(error, self._request_id)


class EventWriter:
    """Writes one reply: the events are read by one task, sent by another, and pinged over by a third."""

    def __init__(
        self,
        write: Write,
        framing: Framing,
        *,
        request_id: str,
        ping_interval_s: float,
        write_timeout_s: float,
    ) -> None:
        """request_id: for the log."""
        self._write = write
        self._framing = framing
        self._write_timeout_s = write_timeout_s
        self._request_id = request_id
        self._ping_interval_s = ping_interval_s
        self._ready: list[bytes] = []
        self._num_ready_bytes = 0
        self._is_writing = False
        self._wake = asyncio.Event()
        self._is_drained = asyncio.Event()
        self._is_over = False
        self._last_write_s = 0.0

    async def write(self, first: Event, rest: AsyncIterator[Event]) -> None:
        """Send a whole stream; a failure in it becomes its last event.

        Raises ClientDisconnected when the client has read nothing for too long.
        """
        self._put(self._framing.encode(first))
        self._last_write_s = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(self._read(rest)), asyncio.create_task(self._ping())]
        try:
            await self._send_ready()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _put(self, data: bytes) -> None:
        self._ready.append(data)
        self._num_ready_bytes += len(data)
        self._wake.set()

    async def _room(self) -> None:
        """Waits until what is ready is not too much."""
        while self._num_ready_bytes > MAX_PENDING_BYTES:
            self._is_drained.clear()
            await self._is_drained.wait()

    async def _send_ready(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._ready or not self._is_over:
            await self._wake.wait()
            self._wake.clear()
            chunk = b"".join(self._ready)
            self._ready.clear()
            self._num_ready_bytes = 0
            self._is_drained.set()
            self._last_write_s = clock()
            if chunk:
                await self._write_in_time(chunk)

    async def _write_in_time(self, chunk: bytes) -> None:
        self._is_writing = True
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._write(chunk)
        except TimeoutError:
            raise ClientDisconnected from None
        finally:
            self._is_writing = False

    async def _read(self, events: AsyncIterator[Event]) -> None:
        try:
            await self._encode_all(events)
        except ApiError as error:
            self._put(self._framing.encode_error(error))
        except Exception:
            logger.exception("%s failed in the middle of its stream", self._request_id)
            self._put(self._framing.encode_error(INTERNAL_ERROR))
        finally:
            self._is_over = True
            self._wake.set()

    async def _encode_all(self, events: AsyncIterator[Event]) -> None:
        encode = self._framing.encode
        num_events = 0
        async for event in events:
            self._put(encode(event))
            await self._room()
            if isinstance(event, MessageStop):
                return
            num_events += 1
            if num_events % _EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)
        raise ApiError("the reply broke off before its end")

    async def _ping(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            remaining_s = self._last_write_s + self._ping_interval_s - clock()
            if remaining_s <= 0:
                # Over what still waits to be read, a ping would say nothing.
                if not self._is_writing:
                    self._put(self._framing.ping)
                remaining_s = self._ping_interval_s
            await asyncio.sleep(remaining_s)
