"""OpenTelemetry spans: one for each request, below it one for each reply, below that one for each phase.

Attributes have the names of OpenTelemetry's conventions for HTTP and for generative AI (`gen_ai.*`, which are
still in development), and `caesura.` where there are none. No word of a prompt or of a reply, no tool's name
and no message of an error is in any of them.
Enters: a provider of tracers. Leaves: an app and a Client that tell it what passes. Read next: `tracing.py`;
`caesura/cli/tracing.py`, which makes the provider; docs/metrics.md lists all spans.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from dataclasses import replace

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import ApiError
from caesura.messages.events import Delta, Event, MessageDelta, MessageStart
from caesura.messages.iterations import billed
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, Usage
from caesura.server.exchange import REQUEST_ID

_METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")
_REQUEST_ID = "caesura.request_id"


class OpenTelemetry:
    """The `Tracing` of a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("caesura")
        # Which request a reply is made for: tasks hand it on to those that they start.
        self._scope: ContextVar[Scope | None] = ContextVar("caesura.scope", default=None)

    def app(self, app: ASGIApp, routes: Sequence[Route]) -> ASGIApp:
        return _TracedApp(app, self._tracer, self._scope, routes)

    def client(self, client: Client) -> Client:
        return _TracedClient(client, self._tracer, self._scope)


class _TracedApp:
    """A span for each request; its trace goes on where the client's `traceparent` says."""

    def __init__(
        self, app: ASGIApp, tracer: Tracer, scope: ContextVar[Scope | None], routes: Sequence[Route]
    ) -> None:
        self._app = app
        self._tracer = tracer
        self._scope = scope
        self._paths: dict[object, str] = {route.endpoint: route.path for route in routes}
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        context = self._propagator.extract(dict(Headers(scope=scope).items()))
        span = self._tracer.start_span(method, context, SpanKind.SERVER)

        async def seen_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_status(span, message["status"])
            await send(message)

        token = self._scope.set(scope)
        try:
            # What an exception says may be somebody's words.
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                await self._app(scope, receive, seen_send)
        finally:
            self._scope.reset(token)
            self._name(span, method, scope)
            span.end()

    def _name(self, span: Span, method: str, scope: Scope) -> None:
        """Never the request's own path, in which anything may stand."""
        route = self._paths.get(scope.get("endpoint"))
        span.update_name(f"{method} {route}" if route else method)
        span.set_attribute("http.request.method", method)
        if route:
            span.set_attribute("http.route", route)
        if REQUEST_ID in scope:
            span.set_attribute(_REQUEST_ID, scope[REQUEST_ID])


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


class _TracedClient:
    """Any Client, with a span for each reply."""

    def __init__(self, client: Client, tracer: Tracer, scope: ContextVar[Scope | None]) -> None:
        self._client = client
        self._tracer = tracer
        self._scope = scope

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        scope = self._scope.get()
        reply = _ReplySpans(self._tracer, request, scope.get(REQUEST_ID) if scope else None)
        error: BaseException | None = None
        try:
            followed = replace(request, when_admitted=reply.admit)
            async with closing(self._client.stream(followed)) as events:
                async for event in events:
                    reply.see(event)
                    yield event
        except BaseException as raised:
            error = raised
            raise
        finally:
            reply.end(error)

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self._client.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._client.models()


class _ReplySpans:
    """A reply's span, and the one of the phase that it is in."""

    def __init__(self, tracer: Tracer, request: MessagesRequest, request_id: str | None) -> None:
        self._tracer = tracer
        self._span = tracer.start_span(f"chat {request.model}", kind=SpanKind.INTERNAL)
        self._context = trace.set_span_in_context(self._span)
        self._span.set_attributes(_request_attributes(request))
        if request_id is not None:
            self._span.set_attribute(_REQUEST_ID, request_id)
        self._is_complete = self._has_text = self._is_admitted = self._has_begun = self._is_over = False
        self._phase = self._begun("prepare")

    def _begun(self, name: str) -> Span:
        return self._tracer.start_span(name, self._context)

    def _go_on(self, name: str) -> None:
        self._phase.end()
        self._phase = self._begun(name)

    def admit(self) -> None:
        """The reply's turn has come. Passes after the first one are told of as well."""
        # An engine's word may come when whoever asked has left.
        if self._is_over:
            return
        if self._has_begun and not self._is_admitted and not self._has_text:
            self._go_on("prefill")
        self._is_admitted = True

    def see(self, event: Event) -> None:
        """An event passes."""
        if isinstance(event, Delta):
            if not self._has_text:
                self._has_text = True
                if not self._is_admitted:
                    # A Client that does not know when that was: both are one.
                    self._phase.update_name("prefill")
                self._go_on("decode")
        elif isinstance(event, MessageStart):
            self._has_begun = True
            self._span.set_attributes({"gen_ai.response.id": event.id, "gen_ai.response.model": event.model})
            self._go_on("prefill" if self._is_admitted else "queue")
        elif isinstance(event, MessageDelta):
            self._is_complete = True
            if not self._is_admitted and not self._has_text:
                # Nothing was written, and nobody said when it was read.
                self._phase.update_name("prefill")
            self._span.set_attribute("gen_ai.response.finish_reasons", [event.stop_reason])
            self._span.set_attributes(_usage_attributes(billed(event.usage)))

    def end(self, error: BaseException | None) -> None:
        """The reply is over: read to its end, left, or broken."""
        self._is_over = True
        is_left = error is None or isinstance(error, GeneratorExit | asyncio.CancelledError)
        if not is_left:
            self._span.set_attribute(
                "error.type", error.type if isinstance(error, ApiError) else type(error).__name__
            )
            self._span.set_status(StatusCode.ERROR)
        elif not self._is_complete:
            self._span.set_attribute("caesura.is_cancelled", True)
        self._phase.end()
        self._span.end()


def _request_attributes(request: MessagesRequest) -> dict[str, str | int | float | bool]:
    sampling = request.sampling
    chosen = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "caesura",
        "gen_ai.request.model": request.model,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.seed": sampling.seed,
        "caesura.thinking": request.thinking.mode,
        "caesura.num_tools": len(request.conversation.tools),
        "caesura.has_format": request.output_format is not None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _usage_attributes(usage: Usage) -> dict[str, int]:
    """By these conventions, what was cached counts as input, and what was thought as output."""
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_creation_input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.thinking_tokens,
    }
