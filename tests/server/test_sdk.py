"""The official SDK talks to the server unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.errors import ApiError, InvalidRequestError, OverloadedError
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import ServerConfig, create_app

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
REPLY = ScriptedReply(thinking="six times seven", text="It is forty two.")
HI: Any = [{"role": "user", "content": "hi"}]
THINK: Any = {"type": "enabled", "budget_tokens": 20}


def app(*replies: ScriptedReply | str | Exception) -> FastAPI:
    signing = SigningClient(ScriptedClient(replies, otherwise=REPLY), Sealer(bytes(32)))
    return create_app(signing, ServerConfig(api_keys=("key",)))


def sdk(http: httpx.AsyncClient, api_key: str = "key") -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=api_key, base_url=str(http.base_url), max_retries=0)


async def test_a_whole_reply(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        message = await client.messages.create(model="claude-x", max_tokens=50, messages=HI, thinking=THINK)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature.startswith("v1.")  # type: ignore[union-attr]
    assert message.content[1].text == "It is forty two."  # type: ignore[union-attr]
    assert (message.model, message.stop_reason) == ("claude-x", "end_turn")
    assert message.usage.output_tokens == 7
    assert message.usage.output_tokens_details.thinking_tokens == 3  # type: ignore[union-attr]
    assert (message._request_id or "").startswith("req_")


async def test_a_streamed_reply_is_the_whole_reply(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        whole = await client.messages.create(model="claude-x", max_tokens=50, messages=HI, thinking=THINK)
        async with client.messages.stream(
            model="claude-x", max_tokens=50, messages=HI, thinking=THINK
        ) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            streamed = await stream.get_final_message()
    assert text == "It is forty two."
    for part in ("content", "stop_reason", "model"):
        ours, theirs = streamed.model_dump()[part], whole.model_dump()[part]
        assert str(ours).replace(", 'parsed_output': None", "") == str(theirs)
    assert streamed.usage == whole.usage


async def test_a_conversation_goes_on_with_its_thinking(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        omitted: Any = {**THINK, "display": "omitted"}
        first = await client.messages.create(model="claude-x", max_tokens=50, messages=HI, thinking=omitted)
        assert first.content[0].thinking == ""  # type: ignore[union-attr]
        history: Any = [*HI, first.to_param(), {"role": "user", "content": "why?"}]
        second = await client.messages.create(
            model="claude-x", max_tokens=50, messages=history, thinking=THINK
        )
        counted = await client.messages.count_tokens(model="claude-x", messages=history, thinking=THINK)
    assert second.usage.input_tokens == counted.input_tokens == 12
    assert second.model_dump().get("input_transformations") is None


async def test_altered_thinking_is_a_bad_request(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        forged = {"type": "thinking", "thinking": "hm", "signature": "forged"}
        history: Any = [
            *HI,
            {"role": "assistant", "content": [forged, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "b"},
        ]
        with pytest.raises(anthropic.BadRequestError, match=r"messages\.1\.content\.0: Invalid `signature`"):
            await client.messages.create(model="claude-x", max_tokens=50, messages=history)


async def test_older_thinking_that_does_not_verify_is_reported(serve: Serve) -> None:
    async with serve(app("a")) as http, sdk(http) as client:
        forged = {"type": "thinking", "thinking": "hm", "signature": "forged"}
        history: Any = [
            *HI,
            {"role": "assistant", "content": [forged, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "user", "content": "d"},
        ]
        message = await client.messages.create(model="claude-x", max_tokens=50, messages=history)
    assert message.model_dump()["input_transformations"] == [
        {
            "type": "thinking_dropped",
            "path": "messages.1.content.0",
            "reason": "organization_binding_mismatch",
        }
    ]


async def test_models_are_listed_and_found(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        assert [model.id async for model in client.models.list(limit=1)] == ["scripted", "claude-scripted"]
        info = await client.models.retrieve("claude-x")
    assert info.id == "scripted"
    assert info.capabilities.thinking.types.enabled.supported  # type: ignore[union-attr]


async def test_tokens_are_counted(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        assert (await client.messages.count_tokens(model="claude-x", messages=HI)).input_tokens == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequestError("messages: no"), anthropic.BadRequestError),
        (ApiError("slow", type="rate_limit_error"), anthropic.RateLimitError),
        (ApiError("oh"), anthropic.InternalServerError),
        (OverloadedError("full"), anthropic.OverloadedError),
        (ApiError("big", type="request_too_large"), anthropic.APIStatusError),
        (ApiError("conflict", type="conflict_error"), anthropic.ConflictError),
        (ApiError("no", type="permission_error"), anthropic.PermissionDeniedError),
        (KeyError("fault"), anthropic.InternalServerError),
    ],
)
async def test_errors_have_the_sdks_classes(serve: Serve, error: Exception, kind: type[Exception]) -> None:
    async with serve(app(error)) as http, sdk(http) as client:
        with pytest.raises(kind) as raised:
            await client.messages.create(model="claude-x", max_tokens=50, messages=HI)
    assert isinstance(raised.value, anthropic.APIStatusError)
    assert raised.value.status_code == (error.status if isinstance(error, ApiError) else 500)


async def test_a_wrong_key_and_an_unknown_model_have_theirs(serve: Serve) -> None:
    async with serve(app()) as http:
        async with sdk(http, "wrong") as client:
            with pytest.raises(anthropic.AuthenticationError):
                await client.messages.create(model="claude-x", max_tokens=50, messages=HI)
        async with sdk(http) as client:
            with pytest.raises(anthropic.NotFoundError, match="model: gpt-4"):
                await client.messages.create(model="gpt-4", max_tokens=50, messages=HI)


async def test_an_error_inside_a_stream_reaches_the_sdk(serve: Serve) -> None:
    reply = ScriptedReply(text="half an answer", error=OverloadedError("full"))
    async with (
        serve(app(reply)) as http,
        sdk(http) as client,
        client.messages.stream(model="claude-x", max_tokens=50, messages=HI) as stream,
    ):
        with pytest.raises(anthropic.APIStatusError, match="full"):
            await stream.until_done()


async def test_sampling_goes_by_the_dialect(serve: Serve) -> None:
    extra: Any = {"temperature": 0.5}
    async with serve(app()) as http, sdk(http) as client:
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
            await client.messages.create(model="claude-x", max_tokens=50, messages=HI, extra_body=extra)
        older = client.with_options(default_headers={"anthropic-version": "2023-06-01"})
        message = await older.messages.create(model="claude-x", max_tokens=50, messages=HI, extra_body=extra)
    assert message.stop_reason == "end_turn"


async def test_stopping_the_sdks_stream_cancels_the_generation(serve: Serve) -> None:
    inner = ScriptedClient([ScriptedReply(text="word " * 40, delay_s=0.05)])
    async with serve(create_app(inner)) as http, sdk(http) as client:
        async with client.messages.stream(model="claude-x", max_tokens=50, messages=HI) as stream:
            async for _ in stream.text_stream:
                break
        for _ in range(200):
            if inner.num_closed_early:
                break
            await asyncio.sleep(0.01)
    assert inner.num_closed_early == 1
