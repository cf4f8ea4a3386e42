"""Reading a server-sent event stream.

Enters: bytes as they arrive, cut anywhere. Leaves: the `data` of each event. The lines are split by hand,
because text splitters also break at U+2028 and its kin, which may stand inside JSON strings. Read
next: `remote.py`, which parses the data.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventSourceReader:
    """Bytes in, event data out."""

    def __init__(self) -> None:
        self._tail = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes."""
        received = self._tail + chunk
        # A carriage return at the very end may be half of a CRLF.
        held = received[-1:] if received.endswith(b"\r") else b""
        lines = _LINE_END.split(received[: len(received) - len(held)])
        self._tail = lines.pop() + held
        return [data for line in lines if (data := self._take(line)) is not None]

    def _take(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        if line or not self._data:
            return None
        data = b"\n".join(self._data)
        self._data.clear()
        return data


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event of a stream."""
    reader = EventSourceReader()
    async for chunk in chunks:
        for data in reader.feed(chunk):
            yield data
