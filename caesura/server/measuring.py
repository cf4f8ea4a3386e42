"""Where replies and responses are measured: as they pass.

Enters: a Client, an event stream, an ASGI app. Leaves: the same, with everything that passes counted. Read
next: `metrics.py`, which keeps the numbers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import HTTP_STATUS, ApiError, ErrorType
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
)
from caesura.messages.iterations import billed
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, StopReason
from caesura.server.metrics import Metrics, Tier
from caesura.server.traffic import Traffic

_TYPE_OF_STATUS: dict[int, ErrorType] = {
    408: "timeout_error",
    **{status: error_type for error_type, status in HTTP_STATUS.items()},
}
# What holds no text of a reply; everything else is what its reader waits for.
_FRAME = (MessageStart, BlockStart, SignatureDelta, BlockStop, MessageDelta, MessageStop, Ping)
_METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")


def error_type_of(status: int) -> ErrorType:
    """The kind of error that a status stands for."""
    return _TYPE_OF_STATUS.get(status, "api_error" if status >= 500 else "invalid_request_error")


class _Reply:
    """One reply that is being measured."""

    def __init__(
        self, metrics: Metrics, model: str, tier: Tier, *, is_streamed: bool, clock: Callable[[], float]
    ) -> None:
        self._metrics = metrics
        self._labels = (model, tier)
        self._is_streamed = is_streamed
        self._clock = clock
        self._asked_s = clock()
        self._first_s: float | None = None
        self._last_s = self._asked_s
        self._gaps = metrics.inter_token.labels(model, tier)
        self._has_started = False
        self._stop_reason: StopReason | None = None

    def see(self, event: Event) -> None:
        """An event passes."""
        if not isinstance(event, _FRAME):
            self._see_content()
        elif isinstance(event, MessageStart):
            self._has_started = True
        elif isinstance(event, MessageDelta):
            self._see_outcome(event)

    def _see_content(self) -> None:
        now = self._clock()
        if self._first_s is None:
            self._first_s = now
            self._metrics.time_to_first_token.labels(*self._labels).observe(now - self._asked_s)
        else:
            self._gaps.observe(now - self._last_s)
        self._last_s = now

    def _see_outcome(self, event: MessageDelta) -> None:
        self._stop_reason = event.stop_reason
        self._metrics.count_tokens(*self._labels, billed(event.usage))
        if self._first_s is not None and event.usage.output_tokens > 1:
            took_s = self._last_s - self._first_s
            pace = took_s / (event.usage.output_tokens - 1)
            self._metrics.time_per_output_token.labels(*self._labels).observe(pace)

    def end(self, error: BaseException | None) -> None:
        """The stream is over: read to its end, left, or broken."""
        is_left = error is None or isinstance(error, GeneratorExit | asyncio.CancelledError)
        outcome = self._stop_reason or ("cancelled" if is_left else "failed")
        self._metrics.replies.labels(*self._labels, outcome).inc()
        if not is_left and self._has_started and self._is_streamed:
            error_type = error.type if isinstance(error, ApiError) else "api_error"
            self._metrics.errors.labels(error_type, "200").inc()


class ReplyMeter:
    """Measures event streams of one tier."""

    def __init__(
        self,
        metrics: Metrics,
        tier: Tier = "standard",
        *,
        traffic: Traffic | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """traffic: told of every reply, where somebody waits for them. clock: seconds that never go back."""
        self._metrics = metrics
        self._traffic = traffic or Traffic()
        self._tier: Tier = tier
        self._clock = clock

    async def events(
        self, stream: AsyncIterator[Event], model: str, *, is_streamed: bool
    ) -> AsyncIterator[Event]:
        """The same events. is_streamed: whether a failure is told in the stream itself."""
        reply = _Reply(self._metrics, model, self._tier, is_streamed=is_streamed, clock=self._clock)
        error: BaseException | None = None
        with self._traffic.reply(), self._metrics.replies_in_flight.labels(self._tier).track_inprogress():
            try:
                async with closing(stream) as source:
                    async for event in source:
                        reply.see(event)
                        yield event
            except BaseException as raised:
                error = raised
                raise
            finally:
                reply.end(error)


class MeasuredClient:
    """Any Client, with its replies measured."""

    def __init__(self, client: Client, meter: ReplyMeter) -> None:
        self._client = client
        self._meter = meter

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        stream = self._client.stream(request)
        return self._meter.events(stream, request.model, is_streamed=request.stream)

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self._client.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._client.models()


class ResponseMeter:
    """Middleware outside all others: counts responses by route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[Route]) -> None:
        """routes: those that are counted by name; requests that none of them takes count as `other`."""
        self._app = app
        self._metrics = metrics
        self._paths: dict[object, str] = {route.endpoint: route.path for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def seen_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.requests_in_flight.track_inprogress():
            try:
                await self._app(scope, receive, seen_send)
            finally:
                self._count(scope, status)

    def _count(self, scope: Scope, status: int | None) -> None:
        """A client that left before its answer has no status."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        name = "none" if status is None else str(status)
        # Never the request's own path: strangers must not be able to make up names.
        path = self._paths.get(scope.get("endpoint"), "other")
        self._metrics.requests.labels(method, path, name).inc()
        if status is not None and status >= 400:
            self._metrics.errors.labels(error_type_of(status), name).inc()
