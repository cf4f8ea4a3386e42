"""Tools over HTTP: the official SDK's calls, loops and structured answers work unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from caesura.messages.content import ImageBlock, TextBlock, ToolResultBlock
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import create_app
from tests.messages.pictures import image, png

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
MODEL = "claude-x"
HI: Any = [{"role": "user", "content": "What is 2 + 3, and 4 + 5?"}]
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
ADD: Any = {"name": "add", "description": "Adds.", "input_schema": SCHEMA}
BASH: Any = {"type": "bash_20250124", "name": "bash"}
CALLS = (ScriptedCall(name="add", input={"a": 2, "b": 3}), ScriptedCall(name="add", input={"a": 4, "b": 5}))
CALLING = ScriptedReply(thinking="two sums", text="I shall add.", calls=CALLS)
DONE = ScriptedReply(thinking="easy now", text="5 and 9.")


def served(*replies: ScriptedReply | str) -> tuple[FastAPI, ScriptedClient]:
    inner = ScriptedClient(replies)
    return create_app(SigningClient(inner, Sealer(bytes(32)))), inner


def sdk(http: httpx.AsyncClient) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="key", base_url=str(http.base_url), max_retries=0)


def fields(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": HI, "tools": [ADD], **more}


async def test_a_whole_reply_with_calls(serve: Serve) -> None:
    app, _ = served(CALLING)
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields())
    assert message.stop_reason == "tool_use"
    text, first, second = message.content
    assert text.text == "I shall add."  # type: ignore[union-attr]
    assert isinstance(first, anthropic.types.ToolUseBlock)
    assert isinstance(second, anthropic.types.ToolUseBlock)
    assert (first.name, first.input, second.input) == ("add", {"a": 2, "b": 3}, {"a": 4, "b": 5})
    assert first.id.startswith("toolu_")
    assert first.id != second.id


async def test_a_streamed_reply_with_calls_is_the_whole_reply(serve: Serve) -> None:
    app, _ = served(CALLING, CALLING)
    async with serve(app) as http, sdk(http) as client:
        whole = await client.messages.create(**fields())
        spelled: list[str] = []
        async with client.messages.stream(**fields()) as stream:
            async for event in stream:
                if event.type == "input_json":
                    spelled.append(event.partial_json)
            streamed = await stream.get_final_message()
    assert "".join(spelled) == '{"a": 2, "b": 3}{"a": 4, "b": 5}'
    assert len(spelled) > 2
    ours, theirs = ([block.model_dump() for block in each.content] for each in (streamed, whole))
    for block in (*ours, *theirs):
        block.pop("id", None)
        block.pop("parsed_output", None)
    assert ours == theirs
    assert (streamed.stop_reason, streamed.usage) == (whole.stop_reason, whole.usage)


async def test_the_stream_has_the_prescribed_events(serve: Serve) -> None:
    app, _ = served(ScriptedReply(calls=CALLS[:1]))
    async with serve(app) as http:
        raw = (await http.post("/v1/messages", json=fields(stream=True))).text
    data = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: ")]
    kinds = [(event["type"], event.get("delta", {}).get("type")) for event in data]
    assert kinds[:2] == [("message_start", None), ("content_block_start", None)]
    assert set(kinds[2:-3]) == {("content_block_delta", "input_json_delta")}
    assert [kind for kind, _ in kinds[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    block = data[1]["content_block"]
    assert block == {"type": "tool_use", "id": block["id"], "name": "add", "input": {}}
    assert data[-2]["delta"]["stop_reason"] == "tool_use"


async def test_a_loop_of_calls_goes_on_with_its_thinking(serve: Serve) -> None:
    app, inner = served(CALLING, DONE)
    thinking: Any = {"type": "enabled", "budget_tokens": 20}
    async with serve(app) as http, sdk(http) as client:
        first = await client.messages.create(**fields(thinking=thinking))
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": calls[0].id, "content": "5"},
            {
                "type": "tool_result",
                "tool_use_id": calls[1].id,
                "content": [image(png(2, 2))],
                "is_error": True,
            },
        ]
        history: Any = [*HI, first.to_param(), {"role": "user", "content": results}]
        second = await client.messages.create(**fields(messages=history, thinking=thinking))
        counted = await client.messages.count_tokens(
            model=MODEL, messages=history, tools=[ADD], thinking=thinking
        )
    assert second.content[-1].text == "5 and 9."  # type: ignore[union-attr]
    assert second.usage.input_tokens == counted.input_tokens
    turns = inner.history[1].conversation.turns
    assert [type(block).__name__ for block in turns[1].content] == [
        "ThinkingBlock",
        "TextBlock",
        "ToolUseBlock",
        "ToolUseBlock",
    ]
    five, picture = turns[2].content
    assert isinstance(five, ToolResultBlock)
    assert isinstance(picture, ToolResultBlock)
    assert (five.content, five.is_error) == ((TextBlock(text="5"),), False)
    assert (picture.content, picture.is_error) == (
        (ImageBlock(media_type="image/png", data=png(2, 2)),),
        True,
    )


async def test_a_budget_for_thoughts_between_calls_may_be_more_than_one_reply(serve: Serve) -> None:
    app, inner = served(CALLING)
    large: Any = {"type": "enabled", "budget_tokens": 5_000}
    beta = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
    async with serve(app) as http, sdk(http) as client:
        with pytest.raises(anthropic.BadRequestError, match="must be greater than"):
            await client.messages.create(**fields(thinking=large))
        await client.messages.create(**fields(thinking=large), extra_headers=beta)
    assert inner.history[0].thinking.budget_tokens == 5_000


async def test_the_thought_before_a_call_must_come_back_unchanged(serve: Serve) -> None:
    app, _ = served(CALLING)
    thinking: Any = {"type": "enabled", "budget_tokens": 20}
    async with serve(app) as http, sdk(http) as client:
        first = await client.messages.create(**fields(thinking=thinking))
        results = [
            {"type": "tool_result", "tool_use_id": block.id}
            for block in first.content
            if block.type == "tool_use"
        ]
        sent = [block.to_dict() for block in first.content]
        altered = [{**sent[0], "thinking": "other"}, *sent[1:]]
        for content, message in ((altered, "cannot be modified"), (sent[1:], "Expected `thinking`")):
            history: Any = [
                *HI,
                {"role": "assistant", "content": content},
                {"role": "user", "content": results},
            ]
            with pytest.raises(anthropic.BadRequestError, match=message):
                await client.messages.create(**fields(messages=history, thinking=thinking))


async def test_the_sdks_own_loop_runs_to_its_end(serve: Serve) -> None:
    app, inner = served(CALLING, DONE)
    added: list[tuple[int, int]] = []

    @anthropic.beta_async_tool
    async def add(a: int, b: int) -> str:
        """Adds two numbers."""
        added.append((a, b))
        return str(a + b)

    async with serve(app) as http, sdk(http) as client:
        runner = client.beta.messages.tool_runner(model=MODEL, max_tokens=100, messages=HI, tools=[add])
        final = await runner.until_done()
    assert final.content[-1].text == "5 and 9."  # type: ignore[union-attr]
    assert added == [(2, 3), (4, 5)]
    (tool,) = inner.history[1].conversation.tools
    assert (tool.name, tool.description) == ("add", "Adds two numbers.")
    results = inner.history[1].conversation.turns[2].content
    assert [block.content for block in results if isinstance(block, ToolResultBlock)] == [
        (TextBlock(text="5"),),
        (TextBlock(text="9"),),
    ]


async def test_the_sdks_own_loop_streams(serve: Serve) -> None:
    app, _ = served(CALLING, DONE)

    @anthropic.beta_async_tool
    async def add(a: int, b: int) -> str:
        """Adds two numbers."""
        return str(a + b)

    stopped: list[str | None] = []
    async with serve(app) as http, sdk(http) as client:
        runner = client.beta.messages.tool_runner(
            model=MODEL, max_tokens=100, messages=HI, tools=[add], stream=True
        )
        async for stream in runner:
            stopped.append((await stream.get_final_message()).stop_reason)
    assert stopped == ["tool_use", "end_turn"]


class City(BaseModel):
    """What the SDK makes of a structured answer."""

    name: str
    people: int


async def test_a_structured_answer_is_parsed_by_the_sdk(serve: Serve) -> None:
    app, inner = served('{"name": "Oslo", "people": 700000}')
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.parse(model=MODEL, max_tokens=100, messages=HI, output_format=City)
    assert message.parsed_output == City(name="Oslo", people=700_000)
    form = inner.history[0].output_format
    assert form is not None
    assert form.kind == "json_schema"
    assert set((form.schema or {})["properties"]) == {"name", "people"}


async def test_a_streamed_structured_answer_is_parsed_by_the_sdk(serve: Serve) -> None:
    app, _ = served('{"name": "Oslo", "people": 700000}')
    async with (
        serve(app) as http,
        sdk(http) as client,
        client.messages.stream(model=MODEL, max_tokens=100, messages=HI, output_format=City) as stream,
    ):
        message = await stream.get_final_message()
    assert message.parsed_output == City(name="Oslo", people=700_000)


async def test_a_typed_tool_gets_its_schema_here(serve: Serve) -> None:
    app, inner = served(ScriptedReply(calls=(ScriptedCall(name="bash", input={"command": "ls"}),)))
    async with serve(app) as http, sdk(http) as client:
        message = await client.messages.create(**fields(tools=[BASH]))
    assert message.content[0].input == {"command": "ls"}  # type: ignore[union-attr]
    (tool,) = inner.history[0].conversation.tools
    assert (tool.kind, tool.input_schema["type"]) == ("bash_20250124", "object")


async def test_a_call_that_is_cut_off_is_no_error(serve: Serve) -> None:
    app, _ = served(CALLING, CALLING)
    async with serve(app) as http, sdk(http) as client:
        whole = await client.messages.create(**fields(max_tokens=6))
        async with client.messages.stream(**fields(max_tokens=6)) as stream:
            streamed = await stream.get_final_message()
    assert (whole.stop_reason, streamed.stop_reason) == ("max_tokens", "max_tokens")
    assert whole.content[1].input == streamed.content[1].input == {"a": 2}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "`web_search_20250305` tools"),
        ({"tools": [ADD, ADD]}, "Tool names must be unique"),
        ({"tool_choice": {"type": "tool", "name": "sub"}}, "Tool 'sub' not found"),
        ({"tools": [], "tool_choice": {"type": "any"}}, "only be specified while providing tools"),
        (
            {"messages": [*HI, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]},
            "unexpected `tool_use_id` found",
        ),
        ({"messages": [{"role": "user", "content": [image(png(9000, 1))]}]}, "max allowed size"),
    ],
)
async def test_what_cannot_be_done_is_a_bad_request(serve: Serve, more: dict[str, Any], message: str) -> None:
    app, inner = served(CALLING)
    async with serve(app) as http, sdk(http) as client:
        with pytest.raises(anthropic.BadRequestError, match=message):
            await client.messages.create(**fields(**more))
        with pytest.raises(anthropic.BadRequestError, match=message):
            await client.messages.count_tokens(
                **{name: value for name, value in fields(**more).items() if name != "max_tokens"}
            )
    assert inner.history == []
