"""Follows one reply from first event to last, at a pace that a screen can draw.

Enters: a `Client`, a request, and an event that the reader sets to stop. Leaves: `Reply` snapshots, the
last of which is never "running". Read next: `reply.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import ApiError
from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.web.reply import Reply, ReplyReader

log = logging.getLogger(__name__)

SNAPSHOT_INTERVAL_S = 0.06


async def follow(
    client: Client,
    request: MessagesRequest,
    stop: asyncio.Event,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> AsyncGenerator[Reply]:
    """Snapshots of the reply, at most one each `SNAPSHOT_INTERVAL_S`, and the final one.

    Never raises for what the client reports: an error becomes the final snapshot.
    """
    reader = ReplyReader(request.thinking.budget_tokens)
    error = ""
    shown_s = clock()
    try:
        async with closing(_until(stop, client.stream(request))) as events:
            async for event in events:
                if event is not None:
                    reader.take(event, clock())
                if event is None or clock() - shown_s >= SNAPSHOT_INTERVAL_S:
                    shown_s = clock()
                    yield reader.snapshot("running")
    except ApiError as failure:
        error = in_plain_words(failure)
    except Exception as failure:  # the edge: the reader sees the kind, the log has the trace
        log.exception("a reply could not be followed")
        error = f"Something unexpected went wrong ({type(failure).__name__}); the log says more."
    yield _ended(reader, error, stop)


def _ended(reader: ReplyReader, error: str, stop: asyncio.Event) -> Reply:
    if error:
        return reader.snapshot("failed", error)
    if reader.is_complete:
        return reader.snapshot("done")
    if stop.is_set():
        return reader.snapshot("stopped")
    return reader.snapshot("failed", "The reply broke off before its end; press Retry to ask again.")


async def _until(stop: asyncio.Event, stream: AsyncIterator[Event]) -> AsyncIterator[Event | None]:
    """The stream's events until `stop` is set; None after each pause, so that nothing stays undrawn."""
    stopping = asyncio.ensure_future(stop.wait())
    upcoming = asyncio.ensure_future(_next(stream))
    timeout_s: float | None = SNAPSHOT_INTERVAL_S
    try:
        while True:
            done, _ = await asyncio.wait(
                (stopping, upcoming), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if stopping in done:
                return
            if upcoming not in done:
                timeout_s = None
                yield None
                continue
            event = upcoming.result()
            if event is None:
                return
            timeout_s = SNAPSHOT_INTERVAL_S
            upcoming = asyncio.ensure_future(_next(stream))
            yield event
    finally:
        stopping.cancel()
        await _end_read(upcoming)
        async with closing(stream):
            pass


async def _next(stream: AsyncIterator[Event]) -> Event | None:
    return await anext(stream, None)


async def _end_read(upcoming: asyncio.Future[Event | None]) -> None:
    """Ends the read in flight: a stream cannot be closed while it is being read."""
    upcoming.cancel()
    await asyncio.wait((upcoming,))
    if not upcoming.cancelled():
        upcoming.exception()


def in_plain_words(error: ApiError) -> str:
    """What the reader can do about it, where that is known; the server's own words otherwise."""
    match error.type:
        case "authentication_error":
            return f"This server wants an API key that it knows. ({error.message})"
        case "overloaded_error" | "rate_limit_error":
            return f"The server is busy; wait a moment, then try again. ({error.message})"
        case _:
            return error.message
