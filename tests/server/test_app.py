"""Routes, errors and limits, in process."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

import caesura.server
from caesura.messages.errors import OverloadedError
from caesura.messages.event_source import EventSourceReader
from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app

Connect = Callable[[FastAPI], httpx.AsyncClient]
ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
REPLY = ScriptedReply(thinking="hm hm", text="hello there")


class BrokenClient:
    """A client with a fault in it."""

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        raise ZeroDivisionError("secret detail")
        yield

    async def count_tokens(self, request: MessagesRequest) -> int:
        raise ZeroDivisionError("secret detail")

    async def models(self) -> Sequence[ModelInfo]:
        return [SCRIPTED_MODEL]


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in EventSourceReader().feed(text.encode())]


def assert_envelope(response: httpx.Response, error_type: str, message: str | None = None) -> None:
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"]["type"] == error_type
    assert body["request_id"] == response.headers["request-id"]
    if message is not None:
        assert body["error"]["message"] == message


async def test_a_whole_reply(in_process: Connect) -> None:
    response = await in_process(create_app(ScriptedClient([REPLY]))).post("/v1/messages", json=ASK)
    assert response.status_code == 200
    body = response.json()
    assert body["content"] == [{"type": "text", "text": "hello there"}]
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", "scripted")
    assert (body["stop_reason"], body["stop_sequence"]) == ("end_turn", None)
    assert body["usage"]["output_tokens_details"] == {"thinking_tokens": 0}
    assert response.headers["request-id"].startswith("req_")


async def test_a_streamed_reply(in_process: Connect) -> None:
    ask = {**ASK, "stream": True, "thinking": {"type": "enabled", "budget_tokens": 5}}
    response = await in_process(create_app(ScriptedClient([REPLY]))).post("/v1/messages", json=ask)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [frame["type"] for frame in frames(response.text)] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    names = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert names == [frame["type"] for frame in frames(response.text)]


async def test_warming_the_cache_is_answered_with_an_empty_message(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient([REPLY])))
    response = await client.post("/v1/messages", json={**ASK, "max_tokens": 0})
    assert response.status_code == 200
    body = response.json()
    assert (body["content"], body["stop_reason"], body["usage"]["output_tokens"]) == ([], "max_tokens", 0)


@pytest.mark.parametrize(
    "other",
    [{"stream": True}, {"thinking": {"type": "enabled", "budget_tokens": 5}}],
    ids=["stream", "think"],
)
async def test_warming_the_cache_cannot_be_combined_with_writing(
    in_process: Connect, other: dict[str, object]
) -> None:
    client = in_process(create_app(ScriptedClient([REPLY])))
    response = await client.post("/v1/messages", json={**ASK, "max_tokens": 0, **other})
    assert response.status_code == 400
    assert_envelope(response, "invalid_request_error")
    assert "cannot be combined with" in response.json()["error"]["message"]


async def test_unknown_queries_and_headers_are_tolerated(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient([REPLY])))
    headers = {"anthropic-beta": "claude-code-20250219,made-up-2030-01-01", "x-stainless-os": "Linux"}
    response = await client.post("/v1/messages?beta=true&x=1", json=ASK, headers=headers)
    assert response.status_code == 200


async def test_thinking_is_counted_for_those_who_ask(in_process: Connect) -> None:
    ask = {**ASK, "stream": True, "thinking": {"type": "adaptive"}}
    client = in_process(create_app(ScriptedClient([REPLY])))
    headers = [("anthropic-beta", "a"), ("anthropic-beta", "b, thinking-token-count-2026-05-13")]
    response = await client.post("/v1/messages", json=ask, headers=headers)
    deltas = [frame["delta"] for frame in frames(response.text) if frame["type"] == "content_block_delta"]
    assert deltas[0] == {"type": "thinking_delta", "thinking": "hm ", "estimated_tokens": 1}


async def test_any_claude_name_means_the_default_model_and_is_echoed(in_process: Connect) -> None:
    inner = ScriptedClient([REPLY, REPLY])
    client = in_process(create_app(inner))
    ask = {**ASK, "model": "claude-sonnet-4-5[1m]"}
    assert (await client.post("/v1/messages", json=ask)).json()["model"] == "claude-sonnet-4-5[1m]"
    streamed = await client.post("/v1/messages", json={**ask, "stream": True})
    assert frames(streamed.text)[0]["message"]["model"] == "claude-sonnet-4-5[1m]"
    assert [request.model for request in inner.history] == ["scripted", "scripted"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_an_unknown_model_is_404(in_process: Connect, path: str) -> None:
    response = await in_process(create_app(ScriptedClient())).post(path, json={**ASK, "model": "gpt-4"})
    assert response.status_code == 404
    assert_envelope(response, "not_found_error", "model: gpt-4")


async def test_tokens_are_counted_without_max_tokens(in_process: Connect) -> None:
    ask = {"model": "claude-x", "messages": ASK["messages"]}
    response = await in_process(create_app(ScriptedClient())).post("/v1/messages/count_tokens", json=ask)
    assert response.json() == {"input_tokens": 2}


async def test_a_bad_body_is_400_naming_the_field(in_process: Connect) -> None:
    response = await in_process(create_app(ScriptedClient())).post("/v1/messages", json={**ASK, "top_p": 3})
    assert response.status_code == 400
    assert_envelope(response, "invalid_request_error", "top_p: Input should be less than or equal to 1")


@pytest.mark.parametrize("raw", [b"", b"{", b'{"model": "\xff"}', b"[" * 5000])
async def test_what_is_no_json_is_400(in_process: Connect, raw: bytes) -> None:
    response = await in_process(create_app(ScriptedClient())).post("/v1/messages", content=raw)
    assert response.status_code == 400
    assert_envelope(response, "invalid_request_error")


async def test_the_dialect_follows_the_version_header(in_process: Connect) -> None:
    headers = {"anthropic-version": "2026-10-21"}
    ask = {**ASK, "temperature": 1}
    refused = await in_process(create_app(ScriptedClient())).post("/v1/messages", json=ask, headers=headers)
    assert_envelope(refused, "invalid_request_error", "temperature: Extra inputs are not permitted")
    lenient = create_app(ScriptedClient([REPLY]), ServerConfig(allows_sampling=True))
    assert (await in_process(lenient).post("/v1/messages", json=ask, headers=headers)).status_code == 200


async def test_unknown_fields_pass_unless_the_operator_is_strict(in_process: Connect) -> None:
    ask = {**ASK, "novelty": 1}
    assert (await in_process(create_app(ScriptedClient([REPLY]))).post("/v1/messages", json=ask)).is_success
    strict = create_app(ScriptedClient(), ServerConfig(is_strict=True))
    refused = await in_process(strict).post("/v1/messages", json=ask)
    assert_envelope(refused, "invalid_request_error", "novelty: Extra inputs are not permitted")


async def test_more_tokens_than_the_model_may_write_are_refused(in_process: Connect) -> None:
    response = await in_process(create_app(ScriptedClient())).post(
        "/v1/messages", json={**ASK, "max_tokens": 200_001}
    )
    message = "max_tokens: 200001 > 200000, which is the maximum allowed number of output tokens for scripted"
    assert_envelope(response, "invalid_request_error", message)


async def test_a_model_that_cannot_think_says_so_where_it_has_to_and_else_answers(
    in_process: Connect,
) -> None:
    plain = ModelInfo(
        id="plain",
        display_name="Plain",
        created_at="2026-01-01T00:00:00Z",
        max_input_tokens=10,
        max_tokens=10_000,
        trained_tokens=10,
        can_think=False,
    )
    client = in_process(create_app(ScriptedClient([ScriptedReply(text="four")], models=[plain])))
    ask = {"model": "plain", "messages": ASK["messages"]}
    must = {**ask, "thinking": {"type": "enabled", "budget_tokens": 5}}
    may = {**ask, "thinking": {"type": "adaptive"}}
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        response = await client.post(path, json={**must, "max_tokens": 50})
        assert response.status_code == 400
        assert "`enabled` thinking is not supported on this model" in response.json()["error"]["message"]
    assert (await client.post("/v1/messages/count_tokens", json=may)).status_code == 200
    response = await client.post("/v1/messages", json={**may, "max_tokens": 50})
    assert [block["type"] for block in response.json()["content"]] == ["text"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_reply_has_its_own_status(in_process: Connect, stream: bool) -> None:
    app = create_app(ScriptedClient([OverloadedError("full", retry_after_s=9)]))
    response = await in_process(app).post("/v1/messages", json={**ASK, "stream": stream})
    assert response.status_code == 529
    assert response.headers["retry-after"] == "9"
    assert_envelope(response, "overloaded_error", "full")


async def test_a_failure_in_a_stream_is_its_last_event(in_process: Connect) -> None:
    app = create_app(ScriptedClient([ScriptedReply(text="half", error=OverloadedError("full"))]))
    response = await in_process(app).post("/v1/messages", json={**ASK, "stream": True})
    assert response.status_code == 200
    last = frames(response.text)[-1]
    assert last["error"] == {"type": "overloaded_error", "message": "full"}
    assert last["request_id"] == response.headers["request-id"]
    assert "event: error\n" in response.text


async def test_a_fault_in_a_stream_is_logged_and_not_told(
    in_process: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(ScriptedClient([ScriptedReply(text="half", error=KeyError("secret detail"))]))
    with caplog.at_level(logging.ERROR):
        response = await in_process(app).post("/v1/messages", json={**ASK, "stream": True})
    assert frames(response.text)[-1]["error"] == {"type": "api_error", "message": "Internal server error"}
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_is_500_logged_and_not_told(
    in_process: Connect, caplog: pytest.LogCaptureFixture, path: str, stream: bool
) -> None:
    response = await in_process(create_app(BrokenClient())).post(path, json={**ASK, "stream": stream})
    assert response.status_code == 500
    assert_envelope(response, "api_error", "Internal server error")
    assert "secret detail" in caplog.text
    assert response.headers["request-id"] in caplog.text


async def test_the_server_stays_up_after_a_fault(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient([KeyError("x"), REPLY])))
    assert (await client.post("/v1/messages", json=ASK)).status_code == 500
    assert (await client.post("/v1/messages", json=ASK)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error_type"),
    [
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("POST", "/v1/messages/", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("DELETE", "/v1/models", 405, "invalid_request_error"),
        ("GET", "/", 405, "invalid_request_error"),
        ("GET", "/docs", 404, "not_found_error"),
    ],
)
async def test_the_frameworks_errors_have_the_envelope_too(
    in_process: Connect, method: str, path: str, status: int, error_type: str
) -> None:
    response = await in_process(create_app(ScriptedClient())).request(method, path)
    assert response.status_code == status
    assert_envelope(response, error_type)


async def test_a_route_of_the_frameworks_kind_never_answers_422(in_process: Connect) -> None:
    app = create_app(ScriptedClient())

    async def count(number: int) -> int:
        return number

    app.get("/count")(count)
    response = await in_process(app).get("/count?number=many")
    assert response.status_code == 400
    assert_envelope(response, "invalid_request_error")


async def test_a_page_at_the_root_does_not_swallow_the_api(in_process: Connect) -> None:
    app = create_app(ScriptedClient())
    app.mount("/", PlainTextResponse("a page"))
    client = in_process(app)
    assert (await client.get("/")).text == (await client.get("/any/path")).text == "a page"
    assert (await client.head("/")).headers["content-length"] == "37"
    unknown = await client.get("/v1/nothing")
    assert unknown.status_code == 404
    assert_envelope(unknown, "not_found_error")
    wrong = await client.get("/v1/messages")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert_envelope(wrong, "invalid_request_error")


async def test_probes_are_answered(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient()))
    for path in ("/", "/api/hello"):
        assert (await client.head(path)).status_code == 200
    assert (await client.get("/health")).json() == {"status": "ok", "server": "caesura"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_compressed_bodies_are_refused_clearly(in_process: Connect, encoding: str) -> None:
    response = await in_process(create_app(ScriptedClient())).post(
        "/v1/messages", content=b"\x1f\x8b", headers={"content-encoding": encoding}
    )
    assert response.status_code == 400
    assert f"`{encoding}` is not supported" in response.json()["error"]["message"]


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_over_the_limit_is_413(in_process: Connect, is_declared: bool) -> None:
    app = create_app(ScriptedClient(), ServerConfig(max_body_bytes=1000))

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100

    response = await in_process(app).post("/v1/messages", content=b"x" * 1001 if is_declared else drip())
    assert response.status_code == 413
    assert_envelope(response, "request_too_large")
    assert "1000 bytes" in response.json()["error"]["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    JSON
    | st.dictionaries(st.sampled_from([*ASK, "system", "thinking", "tools"]), JSON).map(lambda x: ASK | x)
)
async def test_no_json_is_a_500(in_process: Connect, body: Any) -> None:
    client = in_process(create_app(ScriptedClient(otherwise=REPLY)))
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        response = await client.post(path, content=json.dumps(body).encode("utf-8", "replace"))
        assert response.status_code in (200, 400, 404)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=50))
async def test_no_bytes_are_a_500(in_process: Connect, body: bytes) -> None:
    response = await in_process(create_app(ScriptedClient())).post("/v1/messages", content=body)
    assert response.status_code == 400


def test_the_public_names_are_these() -> None:
    assert sorted(caesura.server.__all__) == ["ServerConfig", "create_app"]


def test_neither_messages_nor_server_imports_torch() -> None:
    code = (
        "import sys, caesura.server, caesura.messages.remote, caesura.messages.signing,"
        " caesura.messages.scripted; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
