"""Spans, as a collector would get them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from caesura.messages.client import Client
from caesura.messages.errors import OverloadedError
from caesura.messages.events import Event, TextDelta
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.validation import parse_request
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.telemetry import OpenTelemetry

Connect = Callable[[FastAPI], httpx.AsyncClient]
WORDS = "privately"
ASK = {
    "model": "claude-anything",
    "max_tokens": 50,
    "thinking": {"type": "adaptive"},
    "stop_sequences": [f"{WORDS} stop"],
    "system": f"{WORDS} system",
    "tools": [{"name": f"{WORDS}_tool", "input_schema": {"type": "object"}}],
    "messages": [{"role": "user", "content": f"{WORDS} asked"}],
}
REPLY = ScriptedReply(
    thinking=f"{WORDS} thought",
    text=f"{WORDS} said",
    calls=(ScriptedCall(name=f"{WORDS}_tool", input={"a": WORDS}),),
)


@pytest.fixture(autouse=True)
def _is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing may trace us."""
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)


class Collector:
    """An app whose spans are kept here."""

    def __init__(self, *replies: ScriptedReply | Exception, config: ServerConfig | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        backing = Backing(tracing=OpenTelemetry(provider))
        self.app = create_app(ScriptedClient(replies), config, backing)

    def spans(self) -> dict[str, ReadableSpan]:
        found = self._exporter.get_finished_spans()
        named = {span.name: span for span in found}
        assert len(named) == len(found)
        return named


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_is_told_by_its_phases_its_counts_and_no_word(
    in_process: Connect, stream: bool
) -> None:
    collector = Collector(REPLY)
    response = await in_process(collector.app).post("/v1/messages", json={**ASK, "stream": stream})
    spans = collector.spans()
    assert list(spans) == ["prepare", "queue", "prefill", "decode", "chat scripted", "POST /v1/messages"]
    request, reply = spans["POST /v1/messages"], spans["chat scripted"]
    request_id = response.headers["request-id"]
    assert request.kind is SpanKind.SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/messages",
        "caesura.request_id": request_id,
    }
    told = attributes(reply)
    assert told.pop("gen_ai.response.id").startswith("msg_")
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "caesura",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ("tool_use",),
        "gen_ai.usage.input_tokens": told["gen_ai.usage.input_tokens"],
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "caesura.request_id": request_id,
        "caesura.thinking": "adaptive",
        "caesura.num_tools": 1,
        "caesura.has_format": False,
    }
    assert told["gen_ai.usage.input_tokens"] > 0
    assert reply.parent is not None
    assert reply.parent.span_id == span_id(request)
    for phase in ("prepare", "queue", "prefill", "decode"):
        parent = spans[phase].parent
        assert parent is not None
        assert parent.span_id == span_id(reply)
    assert WORDS not in json.dumps([json.loads(span.to_json()) for span in spans.values()])


async def test_a_failure_is_told_by_its_type_alone(in_process: Connect) -> None:
    collector = Collector(OverloadedError(f"{WORDS} full"))
    await in_process(collector.app).post("/v1/messages", json=ASK)
    spans = collector.spans()
    reply, request = spans["chat scripted"], spans["POST /v1/messages"]
    assert attributes(reply)["error.type"] == "overloaded_error"
    assert attributes(request)["http.response.status_code"] == 529
    assert {reply.status.status_code, request.status.status_code} == {StatusCode.ERROR}
    assert WORDS not in json.dumps([json.loads(span.to_json()) for span in spans.values()])


async def test_what_is_refused_is_a_request_without_a_reply(in_process: Connect) -> None:
    collector = Collector(config=ServerConfig(api_keys=("k",)))
    client = in_process(collector.app)
    assert (await client.post("/v1/messages", json=ASK)).status_code == 401
    assert (await client.get(f"/v1/{WORDS}", headers={"x-api-key": "k"})).status_code == 404
    told = [attributes(span) for span in collector.spans().values()]
    assert [each["http.response.status_code"] for each in told] == [401, 404]
    assert WORDS not in json.dumps(told)


async def test_a_trace_goes_on_where_its_client_began_it(in_process: Connect) -> None:
    collector = Collector(REPLY)
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace_id}-{parent_id}-01"}
    await in_process(collector.app).post("/v1/messages", json=ASK, headers=headers)
    for span in collector.spans().values():
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == trace_id
    parent = collector.spans()["POST /v1/messages"].parent
    assert parent is not None
    assert f"{parent.span_id:016x}" == parent_id


def following(client: Client) -> tuple[Client, InMemorySpanExporter]:
    """The Client with its replies followed, and where their spans are kept."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetry(provider).client(client), exporter


async def test_the_queue_is_told_apart_from_the_prompt_being_read() -> None:
    turn = asyncio.Event()
    traced, exporter = following(ScriptedClient([ScriptedReply(text="late", pause=turn)]))
    stream = traced.stream(parse_request({**ASK, "model": "scripted"}))
    await anext(stream)
    assert [span.name for span in exporter.get_finished_spans()] == ["prepare"]
    turn.set()
    while not isinstance(await anext(stream), TextDelta):
        pass
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert list(spans) == ["prepare", "queue", "prefill"]
    queue, prefill = spans["queue"], spans["prefill"]
    assert queue.end_time is not None
    assert prefill.start_time is not None
    assert queue.end_time <= prefill.start_time


class SilentOnTurns(ScriptedClient):
    """Does not say when a reply's turn comes, like a server behind a network."""

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        return super().stream(replace(request, when_admitted=None))


async def test_where_nobody_tells_the_queue_from_the_rest_both_are_one() -> None:
    traced, exporter = following(SilentOnTurns(["Yes."]))
    await collect(traced.stream(parse_request({**ASK, "model": "scripted"})))
    names = [span.name for span in exporter.get_finished_spans()]
    assert names == ["prepare", "prefill", "decode", "chat scripted"]


async def test_a_reply_that_is_left_is_no_failure() -> None:
    client = ScriptedClient([ScriptedReply(text="late", pause=asyncio.Event())])
    traced, exporter = following(client)
    stream = traced.stream(parse_request({**ASK, "model": "scripted"}))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    (reply,) = [span for span in exporter.get_finished_spans() if span.name == "chat scripted"]
    assert attributes(reply)["caesura.is_cancelled"] is True
    assert reply.status.status_code is StatusCode.UNSET


async def test_a_turn_that_comes_when_the_reply_is_left_begins_nothing() -> None:
    told: list[MessagesRequest] = []

    class Late(ScriptedClient):
        def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
            told.append(request)
            return super().stream(replace(request, when_admitted=None))

    traced, exporter = following(Late([ScriptedReply(text="late", pause=asyncio.Event())]))
    stream = traced.stream(parse_request({**ASK, "model": "scripted"}))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    before = len(exporter.get_finished_spans())
    assert told[0].when_admitted is not None
    told[0].when_admitted()
    assert len(exporter.get_finished_spans()) == before


async def test_a_reply_in_which_nothing_is_written_was_read_and_not_only_queued() -> None:
    traced, exporter = following(SilentOnTurns([ScriptedReply(text="")]))
    await collect(traced.stream(parse_request({**ASK, "model": "scripted"})))
    names = [span.name for span in exporter.get_finished_spans()]
    assert "queue" not in names
    assert "prefill" in names
