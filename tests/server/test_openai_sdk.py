"""OpenAI's own SDK talks to the server unchanged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from caesura.messages.errors import OverloadedError
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from tests.server.scripted_texts import ScriptedTexts

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
HI: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
    }
]
REPLY = ScriptedReply(thinking="six times seven", text="It is forty two.")


def app(*replies: ScriptedReply | str | Exception) -> FastAPI:
    client = ScriptedClient(replies, otherwise=REPLY)
    texts = ScriptedTexts("three four")
    return create_app(client, ServerConfig(api_keys=("key",)), Backing(texts=texts))


def sdk(http: httpx.AsyncClient, api_key: str = "key") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=api_key, base_url=f"{http.base_url}/v1", max_retries=0)


async def test_a_whole_chat(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        reply = await client.chat.completions.create(model="scripted", messages=HI, reasoning_effort="low")
    (choice,) = reply.choices
    assert choice.message.content == "It is forty two."
    assert choice.message.model_dump()["reasoning_content"] == "six times seven"
    assert (choice.finish_reason, reply.object, reply.model) == ("stop", "chat.completion", "scripted")
    assert reply.usage is not None
    assert reply.usage.completion_tokens_details is not None
    assert reply.usage.completion_tokens_details.reasoning_tokens == 3


async def test_a_streamed_chat_is_the_whole_chat(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        whole = await client.chat.completions.create(model="scripted", messages=HI)
        async with client.chat.completions.stream(
            model="scripted", messages=HI, stream_options={"include_usage": True}
        ) as stream:
            streamed = await stream.get_final_completion()
    assert streamed.choices[0].message.content == whole.choices[0].message.content
    assert streamed.choices[0].finish_reason == whole.choices[0].finish_reason
    assert streamed.usage == whole.usage


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_tool_loop(serve: Serve, is_streamed: bool) -> None:
    call = ScriptedReply(calls=(ScriptedCall(name="add", input={"a": 1}),))
    async with serve(app(call, "It is 2.")) as http, sdk(http) as client:
        if is_streamed:
            async with client.chat.completions.stream(model="scripted", messages=HI, tools=TOOLS) as stream:
                first = await stream.get_final_completion()
        else:
            first = await client.chat.completions.create(model="scripted", messages=HI, tools=TOOLS)
        message = first.choices[0].message
        assert message.tool_calls is not None
        (asked,) = message.tool_calls
        assert asked.type == "function"
        assert (asked.function.name, asked.function.arguments) == ("add", '{"a": 1}')
        answer: Any = {"role": "tool", "tool_call_id": asked.id, "content": "2"}
        history: Any = [*HI, message.model_dump(exclude_none=True), answer]
        second = await client.chat.completions.create(model="scripted", messages=history, tools=TOOLS)
    assert second.choices[0].message.content == "It is 2."


async def test_a_parsed_answer(serve: Serve) -> None:
    class Sum(BaseModel):
        total: int

    async with serve(app('{"total": 42}')) as http, sdk(http) as client:
        reply = await client.chat.completions.parse(model="scripted", messages=HI, response_format=Sum)
    assert reply.choices[0].message.parsed == Sum(total=42)


async def test_texts_with_their_scores(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        text = await client.completions.create(
            model="scripted", prompt="one two ", max_tokens=2, echo=True, logprobs=1
        )
        streamed = await client.completions.create(
            model="scripted", prompt="one two ", max_tokens=2, stream=True
        )
        pieces = [chunk.choices[0].text async for chunk in streamed]
    assert text.choices[0].text == "one two three four"
    assert text.choices[0].logprobs is not None
    assert text.choices[0].logprobs.token_logprobs == [None, -4.0, -6.0, -4.0]
    assert "".join(pieces) == "three four"


async def test_errors_are_the_sdks_own(serve: Serve) -> None:
    async with serve(app(OverloadedError("full"))) as http:
        async with sdk(http, "wrong") as stranger:
            with pytest.raises(openai.AuthenticationError, match="invalid bearer token"):
                await stranger.chat.completions.create(model="scripted", messages=HI)
        async with sdk(http) as client:
            with pytest.raises(openai.InternalServerError) as full:
                await client.chat.completions.create(model="scripted", messages=HI)
            assert full.value.status_code == 503
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="gpt-4", messages=HI)
            with pytest.raises(openai.BadRequestError) as bad:
                await client.chat.completions.create(model="scripted", messages=HI, n=2)
            assert bad.value.param == "n"


async def test_an_error_in_a_stream_is_raised(serve: Serve) -> None:
    broken = ScriptedReply(text="half", error=OverloadedError("full"))
    async with serve(app(broken)) as http, sdk(http) as client:
        stream = await client.chat.completions.create(model="scripted", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="full"):
            [chunk async for chunk in stream]


async def test_the_models_are_listed(serve: Serve) -> None:
    async with serve(app()) as http, sdk(http) as client:
        names = [model.id async for model in client.models.list()]
    assert names == ["scripted", "claude-scripted"]
