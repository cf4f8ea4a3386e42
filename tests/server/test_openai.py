"""OpenAI's routes over HTTP: replies, errors, and what the Client is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.errors import AuthenticationError, InvalidRequestError, OverloadedError, RateLimitError
from caesura.messages.event_source import EventSourceReader
from caesura.messages.response import ModelInfo
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedCall, ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.openai_writing import error_json, error_status
from tests.server.prometheus import value
from tests.server.scripted_texts import ScriptedTexts

Connect = Callable[[FastAPI], httpx.AsyncClient]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
TEXT = {"model": "scripted", "prompt": "one two ", "max_tokens": 2}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALLS = (ScriptedCall(name="add", input={"a": 1}), ScriptedCall(name="add", input={}))


def frames(text: str) -> list[dict[str, Any]]:
    *data, last = EventSourceReader().feed(text.encode())
    assert last == b"[DONE]"
    return [json.loads(each) for each in data]


def assert_envelope(response: httpx.Response, **fields: object) -> None:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert {name: body["error"][name] for name in fields} == fields
    assert response.headers["request-id"].startswith("req_")


async def test_a_whole_chat(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(["hello there"])))
    body = (await client.post("/v1/chat/completions", json={**CHAT, "model": "claude-x"})).json()
    (choice,) = body["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "hello there", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert (body["object"], body["model"]) == ("chat.completion", "claude-x")
    assert body["id"].startswith("chatcmpl-")
    assert body["usage"]["prompt_tokens"] == 2
    assert body["usage"]["completion_tokens"] == 2
    assert body["usage"]["total_tokens"] == 4


async def test_a_streamed_chat(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient([ScriptedReply(text="so it is", thinking="hm hm")])))
    ask = {**CHAT, "stream": True, "reasoning_effort": "low", "stream_options": {"include_usage": True}}
    response = await client.post("/v1/chat/completions", json=ask)
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, end, usage = frames(response.text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hm hm"
    assert "".join(delta.get("content", "") for delta in deltas) == "so it is"
    assert end["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert len({chunk["id"] for chunk in (*chunks, end, usage)}) == 1
    assert all(chunk["usage"] is None for chunk in (*chunks, end))


async def test_a_stream_says_what_it_took_to_those_who_ask_only(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(["hello"])))
    chunks = frames((await client.post("/v1/chat/completions", json={**CHAT, "stream": True})).text)
    assert not any("usage" in chunk for chunk in chunks)


async def test_calls_are_told(in_process: Connect) -> None:
    reply = ScriptedReply(text="well", calls=CALLS)
    client = in_process(create_app(ScriptedClient([reply, reply, ScriptedReply(calls=CALLS[:1])])))
    ask = {**CHAT, "tools": [TOOL]}
    whole = (await client.post("/v1/chat/completions", json=ask)).json()["choices"][0]
    assert whole["finish_reason"] == "tool_calls"
    calls = whole["message"]["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "add", "arguments": '{"a": 1}'},
        {"name": "add", "arguments": "{}"},
    ]
    assert all(call["id"] and call["type"] == "function" for call in calls)
    streamed = await client.post("/v1/chat/completions", json={**ask, "stream": True})
    told: list[dict[str, Any]] = []
    for chunk in frames(streamed.text):
        for part in chunk["choices"][0]["delta"].get("tool_calls", ()):
            if "id" in part:
                assert part["index"] == len(told)
                told.append({"id": part["id"], "type": part["type"], "function": {**part["function"]}})
            else:
                told[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    assert [call["function"] for call in told] == [call["function"] for call in calls]
    alone = (await client.post("/v1/chat/completions", json=ask)).json()["choices"][0]["message"]
    assert alone["content"] is None


async def test_a_chat_without_a_limit_may_fill_the_window(in_process: Connect) -> None:
    inner = ScriptedClient(otherwise="hello", models=[_model(max_input_tokens=100, max_tokens=80)])
    client = in_process(create_app(inner))
    long = {**CHAT, "messages": [{"role": "user", "content": "a " * 40}]}
    for ask in (CHAT, long, {**CHAT, "max_completion_tokens": 7}):
        assert (await client.post("/v1/chat/completions", json=ask)).status_code == 200
    assert [request.max_tokens for request in inner.history] == [80, 100 - 41, 7]


def _model(*, max_input_tokens: int, max_tokens: int) -> ModelInfo:
    return ModelInfo(
        id="scripted",
        display_name="Scripted",
        created_at=SCRIPTED_MODEL.created_at,
        max_input_tokens=max_input_tokens,
        max_tokens=max_tokens,
        trained_tokens=10,
        can_think=True,
    )


async def test_a_temperature_over_one_reaches_the_model(in_process: Connect) -> None:
    inner = ScriptedClient(otherwise="hello")
    client = in_process(create_app(inner))
    await client.post("/v1/chat/completions", json={**CHAT, "temperature": 1.5})
    assert inner.history[0].sampling.temperature == 1.5
    thinking = {"type": "enabled", "budget_tokens": 5}
    refused = await client.post(
        "/v1/chat/completions", json={**CHAT, "temperature": 1.5, "thinking": thinking}
    )
    assert_envelope(refused, param="temperature")
    assert len(inner.history) == 1


async def test_what_ended_a_chat_is_told(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(otherwise="one two three")))
    cut = await client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 2})
    assert cut.json()["choices"][0]["finish_reason"] == "length"
    stopped = await client.post("/v1/chat/completions", json={**CHAT, "stop": "two"})
    assert stopped.json()["choices"][0]["finish_reason"] == "stop"
    assert stopped.json()["choices"][0]["message"]["content"] == "one "


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_every_error_has_openais_envelope(in_process: Connect, path: str) -> None:
    ask = CHAT if "chat" in path else TEXT
    app = create_app(ScriptedClient(), ServerConfig(api_keys=("key",)))
    client, key = in_process(app), {"authorization": "Bearer key"}
    stranger = await client.post(path, json=ask)
    assert stranger.status_code == 401
    assert_envelope(stranger, type="authentication_error", code="invalid_api_key")
    unread = await client.post(path, content=b"{", headers=key)
    assert unread.status_code == 400
    assert_envelope(unread, type="invalid_request_error")
    wrong = await client.post(path, json={**ask, "n": 3}, headers=key)
    assert_envelope(wrong, type="invalid_request_error", param="n")
    method = await client.get(path, headers=key)
    assert method.status_code == 405
    assert_envelope(method, type="invalid_request_error")


async def test_an_unknown_model_is_404(in_process: Connect) -> None:
    client = in_process(create_app(ScriptedClient(), backing=Backing(texts=ScriptedTexts("x"))))
    for path, ask in (("/v1/chat/completions", CHAT), ("/v1/completions", TEXT)):
        response = await client.post(path, json={**ask, "model": "gpt-4"})
        assert response.status_code == 404
        assert_envelope(response, message="model: gpt-4", code="not_found")


async def test_a_failure_in_a_stream_is_its_last_chunk(in_process: Connect) -> None:
    client = in_process(
        create_app(ScriptedClient([ScriptedReply(text="half", error=OverloadedError("full"))]))
    )
    response = await client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    last = EventSourceReader().feed(response.text.encode())[-1]
    assert json.loads(last)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequestError("prompt is too long: 9 tokens > 5 maximum"), 400, "context_length_exceeded"),
        (
            InvalidRequestError("input length and `max_tokens` exceed context limit: 9 + 9 > 10"),
            400,
            "context_length_exceeded",
        ),
        (InvalidRequestError("top_p: too large"), 400, None),
        (AuthenticationError("no"), 401, "invalid_api_key"),
        (RateLimitError("slow down", retry_after_s=3), 429, "rate_limit_exceeded"),
        (OverloadedError("full"), 503, None),
    ],
)
def test_errors_have_openais_statuses_and_codes(error: Any, status: int, code: str | None) -> None:
    assert error_status(error) == status
    assert error_json(error)["error"]["code"] == code


async def test_leaving_cancels_the_chat(serve: Serve) -> None:
    client = ScriptedClient([ScriptedReply(text="never", pause=asyncio.Event())])
    async with serve(create_app(client)) as http:
        ask = {**CHAT, "stream": True}
        async with http.stream("POST", "/v1/chat/completions", json=ask) as response:
            await anext(response.aiter_lines())
        async with asyncio.timeout(5):
            while not client.num_closed_early:
                await asyncio.sleep(0.01)


async def test_silence_is_filled_with_comments(serve: Serve) -> None:
    pause = asyncio.Event()
    app = create_app(
        ScriptedClient([ScriptedReply(text="late", pause=pause)]), ServerConfig(ping_interval_s=0.05)
    )
    async with (
        serve(app) as http,
        http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as response,
    ):
        async for line in response.aiter_lines():
            if line == ": ping":
                pause.set()
    assert pause.is_set()


def texts_app(texts: ScriptedTexts, config: ServerConfig | None = None) -> FastAPI:
    return create_app(ScriptedClient(), config, Backing(texts=texts))


async def test_a_text_is_continued(in_process: Connect) -> None:
    texts = ScriptedTexts("three four five")
    body = (await in_process(texts_app(texts)).post("/v1/completions", json=TEXT)).json()
    assert body["choices"] == [
        {"text": "three four ", "index": 0, "logprobs": None, "finish_reason": "length"}
    ]
    assert (body["object"], body["usage"]["total_tokens"]) == ("text_completion", 4)
    assert body["id"].startswith("cmpl-")


async def test_a_text_is_streamed(in_process: Connect) -> None:
    ask = {**TEXT, "stream": True, "stream_options": {"include_usage": True}}
    response = await in_process(texts_app(ScriptedTexts("three four five"))).post("/v1/completions", json=ask)
    *chunks, end, usage = frames(response.text)
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["three ", "four "]
    assert end["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["completion_tokens"] == 2


async def test_echo_and_logprobs_are_what_harnesses_score_by(in_process: Connect) -> None:
    """As lm-evaluation-harness asks: one token more than it wants, which it then leaves out."""
    ask = {
        **TEXT,
        "prompt": [5, 17],
        "max_tokens": 1,
        "echo": True,
        "logprobs": 1,
        "temperature": 0,
        "seed": 1,
    }
    body = (await in_process(texts_app(ScriptedTexts("three four"))).post("/v1/completions", json=ask)).json()
    (choice,) = body["choices"]
    assert choice["text"] == "w5 w17 three "
    assert choice["logprobs"] == {
        "tokens": ["w5 ", "w17 ", "three "],
        "token_logprobs": [None, -4.0, -6.0],
        "top_logprobs": [None, {"best ": -0.25, "w17 ": -4.0}, {"best ": -0.25, "three ": -6.0}],
        "text_offset": [0, 3, 7],
    }


async def test_without_echo_only_what_was_added_is_scored(in_process: Connect) -> None:
    ask = {**TEXT, "logprobs": 0}
    body = (await in_process(texts_app(ScriptedTexts("three four"))).post("/v1/completions", json=ask)).json()
    assert body["choices"][0]["text"] == "three four"
    assert body["choices"][0]["logprobs"]["tokens"] == ["three ", "four"]
    assert body["choices"][0]["logprobs"]["top_logprobs"] == [{"three ": -6.0}, {"four": -4.0}]


@pytest.mark.parametrize("prompt", ["one two ", [5, 17]])
async def test_echo_alone_shows_the_prompt(in_process: Connect, prompt: Any) -> None:
    ask = {**TEXT, "prompt": prompt, "echo": True}
    body = (await in_process(texts_app(ScriptedTexts("three"))).post("/v1/completions", json=ask)).json()
    shown = "one two " if isinstance(prompt, str) else "w5 w17 "
    assert body["choices"][0]["text"] == f"{shown}three"
    assert body["choices"][0]["logprobs"] is None


@pytest.mark.parametrize("prompts", [["a ", "b c "], [[1], [2, 3]]])
async def test_several_prompts_are_answered_in_order(in_process: Connect, prompts: Any) -> None:
    ask = {**TEXT, "prompt": prompts, "echo": True}
    body = (await in_process(texts_app(ScriptedTexts("end"))).post("/v1/completions", json=ask)).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    firsts = [choice["text"].split()[0] for choice in body["choices"]]
    assert firsts == (["a", "b"] if isinstance(prompts[0], str) else ["w1", "w2"])
    assert body["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"best_of": 2}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["x"] * 129}, "prompt"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 200_001}, "max_tokens"),
        ({"stop": ["x"] * 65}, "stop"),
        ({"stop": ["x", " "]}, "stop.1"),
        ({"stream": True, "echo": True}, "echo"),
        ({"stream": True, "logprobs": 0}, "logprobs"),
        ({"stream": True, "prompt": ["a", "b"]}, "prompt"),
        ({"tools": []}, "tools"),
    ],
)
async def test_what_a_text_cannot_be_asked_is_refused_by_name(
    in_process: Connect, fields: dict[str, Any], param: str
) -> None:
    texts = ScriptedTexts("x")
    response = await in_process(texts_app(texts)).post("/v1/completions", json={**TEXT, **fields})
    assert response.status_code == 400
    assert_envelope(response, param=param)
    assert texts.history == []


async def test_a_prompt_can_be_scored_with_nothing_added(in_process: Connect) -> None:
    ask = {**TEXT, "max_tokens": 0, "echo": True, "logprobs": 1}
    body = (await in_process(texts_app(ScriptedTexts("x"))).post("/v1/completions", json=ask)).json()
    assert body["choices"][0]["text"] == "one two "
    assert body["usage"]["completion_tokens"] == 0


async def test_a_server_whose_models_continue_no_text_says_so(in_process: Connect) -> None:
    response = await in_process(create_app(ScriptedClient())).post("/v1/completions", json=TEXT)
    assert response.status_code == 400
    assert "use /v1/chat/completions" in response.json()["error"]["message"]


async def test_texts_are_measured_and_belong_to_a_tenant(in_process: Connect) -> None:
    texts = ScriptedTexts("three four")
    client = in_process(texts_app(texts, ServerConfig(api_keys=("key",))))
    key = {"authorization": "Bearer key"}
    await client.post("/v1/completions", json=TEXT, headers=key)
    await client.post("/v1/completions", json={**TEXT, "logprobs": 1}, headers=key)
    page = (await client.get("/metrics", headers=key)).text
    label = {"model": "scripted", "tier": "standard"}
    assert value(page, "caesura_tokens_total", **label, kind="output") == 4
    assert value(page, "caesura_replies_total", **label, outcome="end_turn") == 2
    assert {bool(request.tenant) for request in texts.history} == {True}


async def test_leaving_cancels_every_text(serve: Serve) -> None:
    texts = ScriptedTexts("never", pause=asyncio.Event())
    async with serve(texts_app(texts)) as http:
        asking = asyncio.create_task(http.post("/v1/completions", json={**TEXT, "prompt": ["a", "b", "c"]}))
        async with asyncio.timeout(5):
            while len(texts.history) < 3:
                await asyncio.sleep(0.01)
        asking.cancel()
        async with asyncio.timeout(5):
            while texts.num_closed_early < 3:
                await asyncio.sleep(0.01)
