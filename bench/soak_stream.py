"""One streamed reply, read as cheaply as can be, and how it ended.

Hundreds of clients share this process with each other and the machine with the server, so HTTP is read by
hand: a status, headers, chunks, and of most events no more than the name.
Enters: a port and an `Ask`. Leaves: an `Outcome`. Read next: `soak.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from bench.soak_requests import Ask

# A line of the response's head, or a chunk's.
_MAX_LINE_BYTES = 2**16
# Too much to do is the one reason to turn a good request away.
_BUSY_STATUS = (429, 529)
_BUSY_ERRORS = ("rate_limit_error", "overloaded_error")

# finished: with message_stop, and nothing else. refused: for there was too much to do. left: by its client.
# faulty: as no stream may end.
Ending = Literal["finished", "refused", "left", "faulty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a request went.

    ending: see there. detail: in words, where it needs any.
    first_s: from the request to the first piece of the reply; None if none came.
    num_prompt: tokens of the prompt, as the server counts; 0 if it did not say.
    """

    ending: Ending
    detail: str = ""
    first_s: float | None = None
    num_prompt: int = 0


class Tally:
    """What has come of a reply."""

    def __init__(self) -> None:
        self.num_pieces = 0
        self._first_s: float | None = None
        self._num_prompt = 0
        self._last: list[str] = []
        self._error = ""
        self._rest = b""

    def feed(self, data: bytes, now_s: float) -> None:
        """Note the events in a piece of the stream, which may be cut anywhere. now_s: since the request."""
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            head, _, body = frame.partition(b"\ndata: ")
            self._note(head.removeprefix(b"event: ").decode(), body, now_s)

    def outcome(self) -> Outcome:
        """That of a response that is over."""
        if self._rest:
            return self.ended("faulty", "the stream ends within an event")
        if len(self._last) != 1:
            return self.ended("faulty", f"terminal events: {', '.join(self._last) or 'none'}")
        if not self._error:
            return self.ended("finished")
        return self.ended("refused" if self._error in _BUSY_ERRORS else "faulty", f"event {self._error}")

    def ended(self, ending: Ending, detail: str = "") -> Outcome:
        """That of a response that ended so."""
        return Outcome(ending=ending, detail=detail, first_s=self._first_s, num_prompt=self._num_prompt)

    def _note(self, name: str, body: bytes, now_s: float) -> None:
        if self._last or name in ("message_stop", "error"):
            # Whatever comes behind the end is one more of them.
            self._last.append(name)
        if name == "content_block_delta":
            self.num_pieces += 1
            self._first_s = now_s if self._first_s is None else self._first_s
        elif name == "message_start":
            usage: dict[str, Any] = json.loads(body)["message"]["usage"]
            kinds = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            self._num_prompt = sum(int(usage[kind]) for kind in kinds)
        elif name == "error":
            self._error = json.loads(body)["error"]["type"]


async def stream(port: int, ask: Ask, *, patience_s: float) -> Outcome:
    """Ask, and read to the end or until the client is to leave; it leaves as a process does that is killed.

    patience_s: how long a reply may take in all.
    """
    tally = Tally()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(patience_s) as limit:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MAX_LINE_BYTES)
            writer.write(_head(port, ask) + ask.body)
            return await _read(reader, tally, ask, limit)
    except TimeoutError:
        is_leaving = ask.departure is not None and tally.num_pieces >= ask.departure.after_pieces
        return tally.ended("left") if is_leaving else tally.ended("faulty", f"silent for {patience_s:g} s")
    except (OSError, EOFError, ValueError) as error:
        return tally.ended("faulty", f"broke off: {type(error).__name__}")
    finally:
        if writer is not None:
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader, tally: Tally, ask: Ask, limit: asyncio.Timeout) -> Outcome:
    clock = asyncio.get_running_loop().time
    start_s = clock()
    departure = ask.departure
    if departure is not None and not departure.after_pieces:
        limit.reschedule(start_s + departure.pause_s)
        departure = None
    status, headers = await _read_head(reader)
    if status != 200:
        body = await reader.readexactly(int(headers[b"content-length"]))
        detail = f"status {status}: {json.loads(body)['error']['type']}"
        return tally.ended("refused" if status in _BUSY_STATUS else "faulty", detail)
    async for data in _chunks(reader):
        tally.feed(data, clock() - start_s)
        if departure is not None and tally.num_pieces >= departure.after_pieces:
            limit.reschedule(clock() + departure.pause_s)
            departure = None
    return tally.outcome()


def _head(port: int, ask: Ask) -> bytes:
    return (
        f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(ask.body)}\r\nconnection: close\r\n\r\n"
    ).encode()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).strip().split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of a chunked body."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
