"""What clients send as they send it, answered by a real model behind the real server."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from string import ascii_letters
from typing import Any

import httpx
import pytest

from caesura.cli.local import local_client
from caesura.messages.event_source import EventSourceReader
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app

# As Claude Code 2.1 sends them, or nearly so.
BETAS = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "prompt-caching-scope-2026-01-05,effort-2025-11-24,mid-conversation-system-2026-04-07,"
    "context-1m-2025-08-07,oauth-2025-04-20,a-beta-of-tomorrow-2027-01-01"
)
AGENT_HEADERS = {
    "anthropic-beta": BETAS,
    "user-agent": "claude-cli/2.1.240 (external, cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "0b1c",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
}
EPHEMERAL = {"type": "ephemeral"}
ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1.240.f2c; cc_entrypoint=cli; cch=00000;"
AGENT_BODY: dict[str, Any] = {
    "model": "claude-opus-4-1[1m]",
    "max_tokens": 32_000,
    "stream": True,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "low"},
    "metadata": {"user_id": '{"device_id":"d","session_id":"s"}'},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "system": [
        {"type": "text", "text": ATTRIBUTION},
        {"type": "text", "text": "You are an agent.", "cache_control": EPHEMERAL},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "the sum"}]},
        {"role": "system", "content": "It is Saturday."},
        {"role": "assistant", "content": [{"type": "text", "text": "of two numbers"}]},
        {"role": "user", "content": [{"type": "text", "text": "and so on", "cache_control": EPHEMERAL}]},
        {"role": "system", "content": "It is still Saturday."},
    ],
}
VERSIONS = {
    "2023-06-01": {"anthropic-version": "2023-06-01", "x-api-key": "key"},
    "2026-10-21": {"anthropic-version": "2026-10-21", "authorization": "Bearer key"},
}
BOTH = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
async def http(long_folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    with local_client({"nano": long_folder}, num_threads=1) as client:
        app = create_app(SigningClient(client, Sealer(bytes(32))), ServerConfig(api_keys=("key",)))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            yield http


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in EventSourceReader().feed(text.encode())]


async def counted(http: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]) -> int:
    asked = {name: value for name, value in body.items() if name not in ("max_tokens", "stream")}
    response = await http.post("/v1/messages/count_tokens?beta=true", json=asked, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["input_tokens"]


@BOTH
async def test_an_agent_is_answered_as_it_asks(http: httpx.AsyncClient, version: str) -> None:
    headers = {**AGENT_HEADERS, **VERSIONS[version]}
    # Agents send no stop sequences; without any, this one would write until max_tokens.
    short = {**AGENT_BODY, "stop_sequences": list(ascii_letters)}
    response = await http.post("/v1/messages?beta=true", json=short, headers=headers)
    assert response.status_code == 200, response.text
    start, *_, delta, stop = frames(response.text)
    assert start["message"]["model"] == "claude-opus-4-1[1m]"
    count = await counted(http, AGENT_BODY, headers)
    inputs = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    for frame in (start["message"], delta):
        assert sum(frame["usage"][name] for name in inputs) == count
    assert delta["delta"]["stop_reason"] is not None
    assert delta["usage"]["speed"] == "standard"
    assert stop == {"type": "message_stop"}


@BOTH
async def test_the_attribution_line_is_neither_read_nor_counted(
    http: httpx.AsyncClient, version: str
) -> None:
    headers = {**AGENT_HEADERS, **VERSIONS[version]}
    without = {**AGENT_BODY, "system": AGENT_BODY["system"][1:]}
    assert await counted(http, AGENT_BODY, headers) == await counted(http, without, headers)


@BOTH
async def test_a_call_of_a_tool_is_valid_though_the_model_never_learnt_it(
    http: httpx.AsyncClient, version: str
) -> None:
    schema = {"type": "object", "properties": {"timeout_s": {"type": "integer"}}, "required": ["timeout_s"]}
    tools = [{"name": "Bash", "description": "Runs a command.", "input_schema": schema}]
    headers = {**AGENT_HEADERS, **VERSIONS[version]}
    body = {**AGENT_BODY, "tools": tools, "tool_choice": {"type": "any"}, "stream": False}
    response = await http.post("/v1/messages?beta=true", json=body, headers=headers)
    assert response.status_code == 200, response.text
    reply = response.json()
    assert reply["stop_reason"] == "tool_use"
    calls = [block for block in reply["content"] if block["type"] == "tool_use"]
    assert calls
    assert all(call["name"] == "Bash" for call in calls)
    assert all(isinstance(call["input"]["timeout_s"], int) for call in calls)


@BOTH
async def test_more_than_the_window_holds_is_said_in_the_words_clients_act_on(
    http: httpx.AsyncClient, version: str
) -> None:
    headers = {**AGENT_HEADERS, **VERSIONS[version]}
    window = (await http.get("/v1/models/nano", headers=headers)).json()["max_input_tokens"]
    prompt = await counted(http, AGENT_BODY, headers)
    too_much = {**AGENT_BODY, "max_tokens": window - prompt + 1}
    response = await http.post("/v1/messages", json=too_much, headers=headers)
    expected = (
        f"input length and `max_tokens` exceed context limit: {prompt} + {window - prompt + 1} > {window}"
    )
    assert response.json()["error"]["message"].startswith(expected)


async def test_an_older_sdk_is_answered_as_it_asks(http: httpx.AsyncClient) -> None:
    headers = {
        **VERSIONS["2023-06-01"],
        "user-agent": "AsyncAnthropic/Python 0.121.0",
        "x-stainless-package-version": "0.121.0",
        "anthropic-beta": "interleaved-thinking-2025-05-14",
    }
    body = {
        "model": "claude-3-7-sonnet-latest",
        "max_tokens": 16,
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "messages": [{"role": "user", "content": "the sum"}],
    }
    first, second = [await http.post("/v1/messages?beta=true", json=body, headers=headers) for _ in "ab"]
    assert first.status_code == 200, first.text
    message = first.json()
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert message["model"] == "claude-3-7-sonnet-latest"
    assert message["usage"]["output_tokens"] <= 16
    assert first.headers["request-id"].startswith("req_")
    assert message["content"] == second.json()["content"]


async def test_an_older_sdk_may_think_with_a_budget_and_carry_the_thought_on(http: httpx.AsyncClient) -> None:
    headers = VERSIONS["2023-06-01"]
    ask = {"role": "user", "content": "the sum"}
    thinking = {"type": "enabled", "budget_tokens": 8}
    body = {"model": "nano", "max_tokens": 24, "messages": [ask], "thinking": thinking, "temperature": 1}
    first = (await http.post("/v1/messages", json=body, headers=headers)).json()
    assert first["content"][0]["type"] == "thinking"
    spoken = [block for block in first["content"] if block.get("text", "x").strip()]
    carried = {"role": "assistant", "content": spoken}
    second = await http.post("/v1/messages", json={**body, "messages": [ask, carried, ask]}, headers=headers)
    assert second.status_code == 200, second.text
    assert "input_transformations" not in second.json()


async def test_the_newest_dialect_refuses_what_the_older_takes(http: httpx.AsyncClient) -> None:
    body = {
        "model": "nano",
        "max_tokens": 4,
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0,
    }
    refused = await http.post("/v1/messages", json=body, headers=VERSIONS["2026-10-21"])
    assert refused.json()["error"]["message"] == "temperature: Extra inputs are not permitted"
