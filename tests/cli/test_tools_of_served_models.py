"""Tools and structured answers over HTTP: the official SDKs, and a bundled model that has learnt neither."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

import anthropic
import httpx
import jsonschema
import openai
import pytest
from anthropic import beta_async_tool
from fastapi import FastAPI
from pydantic import BaseModel

from caesura.cli.local import local_client
from caesura.messages.content import Tool, ToolUseBlock, conversation
from caesura.messages.fold import collect
from caesura.messages.remote import RemoteClient
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, ToolChoice
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.messages.typed_tools import TYPED_TOOLS, typed_tool
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.database import default_url, open_database
from tests.messages.pictures import image, png
from tests.server.conftest import serve

__all__ = ["serve"]

NANO = Path(__file__).parents[2] / "caesura" / "bundled" / "nano"
HI: Any = [{"role": "user", "content": "What is 123 + 456, and how is the weather?"}]
ADD = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "note": {"type": "string", "maxLength": 30}},
    "required": ["city"],
    "additionalProperties": False,
}
SCHEMAS = {"add": ADD, "weather": WEATHER}
TOOLS: Any = [{"name": name, "input_schema": schema, "strict": True} for name, schema in SCHEMAS.items()]


class Person(BaseModel):
    """What is asked for."""

    age: int
    kind: Literal["child", "adult"]
    is_member: bool
    tag: Literal["a", "b"] | None


@pytest.fixture
async def http(
    serve: Callable[[Any], AbstractAsyncContextManager[httpx.AsyncClient]],
) -> AsyncGenerator[httpx.AsyncClient]:
    with local_client({"nano": NANO}, num_threads=1) as client:
        app = create_app(SigningClient(client, Sealer(bytes(32))), ServerConfig(api_keys=("key",)))
        async with serve(app) as http:
            yield http


@pytest.fixture
async def sdk(http: httpx.AsyncClient) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="key", base_url=str(http.base_url), max_retries=0) as sdk:
        yield sdk


def fields(seed: int = 0, **more: Any) -> dict[str, Any]:
    return {"model": "nano", "max_tokens": 600, "messages": HI, "extra_body": {"seed": seed}, **more}


def check_calls(message: Any) -> int:
    """How many calls there are; all are good."""
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason in ("tool_use", "end_turn", "max_tokens")
    if message.stop_reason == "max_tokens":
        return 0
    assert bool(calls) == (message.stop_reason == "tool_use")
    for call in calls:
        jsonschema.validate(call.input, SCHEMAS[call.name])
    return len(calls)


async def test_models_tell_that_forms_are_guaranteed_and_that_they_cannot_see(
    http: httpx.AsyncClient,
) -> None:
    told = (await http.get("/v1/models/nano", headers={"x-api-key": "key"})).json()["capabilities"]
    assert told["structured_outputs"] == {"supported": True}
    assert told["image_input"] == {"supported": False}


async def test_strict_tools_whole_and_streamed(sdk: anthropic.AsyncAnthropic) -> None:
    num_calls = 0
    for seed in range(4):
        asked: Any = fields(seed, tools=TOOLS, tool_choice={"type": "any"})
        whole = await sdk.messages.create(**asked)
        async with sdk.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
        ours, theirs = (
            [(block.type, getattr(block, "input", None)) for block in each.content]
            for each in (whole, streamed)
        )
        assert ours == theirs
        num_calls += check_calls(whole)
    assert num_calls > 3


async def test_one_tool_once(sdk: anthropic.AsyncAnthropic) -> None:
    choice: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    message = await sdk.messages.create(**fields(tools=TOOLS, tool_choice=choice))
    assert [block.type for block in message.content] == ["tool_use"]
    assert check_calls(message) == 1


@pytest.mark.parametrize("kind", TYPED_TOOLS)
async def test_calls_of_typed_tools_fit_the_schema_that_they_have_here(
    sdk: anthropic.AsyncAnthropic, kind: str
) -> None:
    screen = {"display_width_px": 640, "display_height_px": 480} if kind.startswith("computer") else {}
    tool: Any = {"type": kind, "name": TYPED_TOOLS[kind].name, **screen}
    schema = typed_tool(kind, screen).input_schema
    choice: Any = {"type": "any", "disable_parallel_tool_use": True}
    asked = [fields(seed, tools=[tool], tool_choice=choice, max_tokens=300) for seed in range(4)]
    replies = await asyncio.gather(*(sdk.messages.create(**each) for each in asked))
    whole = [reply for reply in replies if reply.stop_reason == "tool_use"]
    for reply in whole:
        (call,) = reply.content
        assert isinstance(call, anthropic.types.ToolUseBlock)
        assert call.name == tool["name"]
        jsonschema.Draft202012Validator(schema).validate(call.input)
    assert whole


async def test_structured_answers_are_parsed_by_the_sdk(sdk: anthropic.AsyncAnthropic) -> None:
    for seed in range(3):
        whole = await sdk.messages.parse(**fields(seed, output_format=Person))
        async with sdk.messages.stream(**fields(seed, output_format=Person)) as stream:
            streamed = await stream.get_final_message()
        if whole.stop_reason == "end_turn":
            assert isinstance(whole.parsed_output, Person)
            assert streamed.parsed_output == whole.parsed_output


async def test_a_structured_answer_after_a_thought_by_its_older_name(http: httpx.AsyncClient) -> None:
    body = {
        "model": "nano",
        "max_tokens": 400,
        "seed": 2,
        "messages": HI,
        "thinking": {"type": "enabled", "budget_tokens": 20},
        "output_format": {"type": "json_schema", "schema": ADD},
    }
    headers = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
    reply = (await http.post("/v1/messages", json=body, headers=headers)).json()
    thought, text = reply["content"]
    assert thought["type"] == "thinking"
    jsonschema.validate(json.loads(text["text"]), ADD)


async def test_a_loop_over_several_turns_with_thinking_between_calls(sdk: anthropic.AsyncAnthropic) -> None:
    messages: list[Any] = [*HI]
    beta = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
    thinking: Any = {"type": "enabled", "budget_tokens": 40}
    num_loops = 0
    for seed in range(4):
        asked = fields(
            seed, messages=messages, tools=TOOLS, thinking=thinking, max_tokens=400, extra_headers=beta
        )
        message = await sdk.messages.create(**asked)
        assert message.content[0].type == "thinking"
        check_calls(message)
        counted = await sdk.messages.count_tokens(
            model="nano", messages=messages, tools=TOOLS, thinking=thinking
        )
        usage = message.usage
        total = (
            usage.input_tokens
            + (usage.cache_read_input_tokens or 0)
            + (usage.cache_creation_input_tokens or 0)
        )
        assert total == counted.input_tokens
        calls = [block for block in message.content if block.type == "tool_use"]
        if message.stop_reason == "max_tokens" or len(message.content) < 2:
            continue
        messages.append({"role": "assistant", "content": [block.to_dict() for block in message.content]})
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": "no net", "is_error": bool(at)}
            for at, call in enumerate(calls)
        ]
        messages.append({"role": "user", "content": results or "Go on."})
        num_loops += 1
    assert num_loops > 1


async def test_a_picture_in_a_result_is_refused_by_name(sdk: anthropic.AsyncAnthropic) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [image(png(2, 2))]}
    history: Any = [*HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    with pytest.raises(anthropic.BadRequestError, match="`image` blocks are not supported"):
        await sdk.messages.create(**fields(messages=history, tools=TOOLS))


async def test_the_sdks_loop_runs_the_tools_that_are_called(sdk: anthropic.AsyncAnthropic) -> None:
    added: list[tuple[int, int]] = []

    @beta_async_tool
    async def add(a: int, b: int) -> str:
        """Adds two numbers."""
        added.append((a, b))
        return str(a + b)

    for seed in range(3):
        runner = sdk.beta.messages.tool_runner(
            model="nano",
            max_tokens=500,
            messages=HI,
            tools=[add],
            tool_choice={"type": "any"},
            max_iterations=3,
            extra_body={"seed": seed},
        )
        assert (await runner.until_done()).stop_reason in ("tool_use", "max_tokens")
    assert added
    assert all(type(number) is int for pair in added for number in pair)


async def test_the_example_of_the_documents_runs(
    http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (NANO.parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    assert "tool_runner" in example
    own = example.replace("http://127.0.0.1:8000", str(http.base_url).rstrip("/")).replace(
        "none-needed", "key"
    )
    assert own != example
    await asyncio.to_thread(exec, own, {"__name__": "example"})
    assert "type='t" in capsys.readouterr().out  # A text, or a call.


async def test_a_schema_that_cannot_be_enforced_is_a_400_that_names_the_keyword(
    sdk: anthropic.AsyncAnthropic,
) -> None:
    odd = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    with pytest.raises(
        anthropic.BadRequestError, match=r"tools\.0\.custom\.input_schema\.properties\.x\.uniqueItems"
    ):
        await sdk.messages.create(**fields(tools=[{"name": "odd", "input_schema": odd}]))
    form: Any = {"format": {"type": "json_schema", "schema": odd}}
    with pytest.raises(
        anthropic.BadRequestError, match=r"output_config\.format\.json_schema\.schema\.properties\.x"
    ):
        await sdk.messages.create(**fields(output_config=form))


async def test_many_grammars_at_once_over_http(sdk: anthropic.AsyncAnthropic) -> None:
    asked = [fields(seed, tools=TOOLS, tool_choice={"type": "any"}) for seed in range(4)]
    asked += [
        fields(seed, output_config={"format": {"type": "json_schema", "schema": ADD}}) for seed in range(4)
    ]
    replies = await asyncio.gather(*(sdk.messages.create(**each) for each in asked))
    for reply in replies[:4]:
        check_calls(reply)
    for reply in replies[4:]:
        if reply.stop_reason == "end_turn":
            jsonschema.validate(json.loads(reply.content[0].text), ADD)


async def test_a_remote_client_carries_calls_and_forms(http: httpx.AsyncClient) -> None:
    remote = RemoteClient(str(http.base_url), api_key="key")
    told = conversation(("user", "What is 1 + 2?"))
    given: dict[str, Any] = {"model": "nano", "max_tokens": 400, "sampling": Sampling(seed=4)}
    tools = tuple(Tool(name=name, input_schema=schema) for name, schema in SCHEMAS.items())
    calling = MessagesRequest(
        conversation=type(told)(turns=told.turns, tools=tools), tool_choice=ToolChoice(mode="any"), **given
    )
    form = OutputFormat(kind="regex", text="[a-z]{3,8}")
    called = await collect(remote.stream(calling))
    formed = await collect(remote.stream(MessagesRequest(conversation=told, output_format=form, **given)))
    assert called.stop_reason in ("tool_use", "max_tokens")
    for block in called.content if called.stop_reason == "tool_use" else ():
        assert isinstance(block, ToolUseBlock)
        jsonschema.validate(block.input, SCHEMAS[block.name])
    assert formed.content[0].text.isalpha()  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_batch_answers_with_calls_and_forms_and_names_what_cannot_be_enforced(tmp_path: Path) -> None:
    odd = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    form = {"type": "json_schema", "schema": ADD}
    asked: dict[str, dict[str, Any]] = {
        "call": {"tools": TOOLS, "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        "form": {"output_config": {"format": form}},
        "odd": {"tools": [{"name": "odd", "input_schema": odd}]},
    }
    params = {"model": "nano", "max_tokens": 400, "messages": HI}
    requests = [{"custom_id": name, "params": {**params, **more}} for name, more in asked.items()]
    database = open_database(default_url(tmp_path))
    with local_client({"nano": NANO}, num_threads=1) as client:
        app = create_app(client, ServerConfig(), Backing(batches=BatchStore(database)))
        async with app.router.lifespan_context(app), _connected(app) as http:
            batch = (await http.post("/v1/messages/batches", json={"requests": requests})).json()
            async with asyncio.timeout(120):
                while batch["processing_status"] != "ended":
                    await asyncio.sleep(0.01)
                    batch = (await http.get(f"/v1/messages/batches/{batch['id']}")).json()
            lines = (await http.get(f"/v1/messages/batches/{batch['id']}/results")).text.splitlines()
    database.dispose()
    results = {line["custom_id"]: line["result"] for line in map(json.loads, lines)}
    (call,) = results["call"]["message"]["content"]
    jsonschema.validate(call["input"], SCHEMAS[call["name"]])
    jsonschema.validate(json.loads(results["form"]["message"]["content"][0]["text"]), ADD)
    assert "properties.x.uniqueItems" in results["odd"]["error"]["error"]["message"]


def _connected(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60)


FUNCTIONS: Any = [
    {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()
]


@pytest.fixture
async def other_sdk(http: httpx.AsyncClient) -> AsyncGenerator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="key", base_url=f"{http.base_url}/v1", max_retries=0) as sdk:
        yield sdk


async def test_openais_sdk_calls_streams_and_answers_calls(other_sdk: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": "nano", "messages": HI, "tools": FUNCTIONS, "tool_choice": "required", "seed": 1}
    asked |= {"max_tokens": 400, "parallel_tool_calls": False}
    whole = await other_sdk.chat.completions.create(**asked)
    async with other_sdk.chat.completions.stream(**asked) as stream:
        streamed = await stream.get_final_completion()
    (choice,), (other,) = whole.choices, streamed.choices
    assert (choice.finish_reason, other.finish_reason) == ("tool_calls", "tool_calls")
    (call,), (again,) = choice.message.tool_calls or [], other.message.tool_calls or []
    arguments = json.loads(call.function.arguments)  # type: ignore[union-attr]
    assert arguments == json.loads(again.function.arguments)
    jsonschema.validate(arguments, SCHEMAS[again.function.name])
    history = [*HI, choice.message.model_dump(exclude_none=True)]
    history.append({"role": "tool", "tool_call_id": call.id, "content": "579"})
    later: Any = {**asked, "messages": history, "tool_choice": "none"}
    answer = await other_sdk.chat.completions.create(**later)
    assert answer.choices[0].message.content


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_openais_sdk_is_told_which_keyword_cannot_be_enforced(
    other_sdk: openai.AsyncOpenAI, is_streamed: bool
) -> None:
    odd = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    tools = [FUNCTIONS[0], {"type": "function", "function": {"name": "odd", "parameters": odd}}]
    form = {"type": "json_schema", "json_schema": {"name": "odd", "schema": odd}}
    for asked, path in (
        ({"tools": tools}, r"tools\.1\.function\.parameters\.properties\.x\.uniqueItems: "),
        ({"response_format": form}, r"response_format\.json_schema\.schema\.properties\.x\.uniqueItems: "),
    ):
        given: Any = {"model": "nano", "messages": HI, "stream": is_streamed, **asked}
        with pytest.raises(openai.BadRequestError, match=path):
            await other_sdk.chat.completions.create(**given)


async def test_openais_sdk_gets_answers_of_a_form(other_sdk: openai.AsyncOpenAI) -> None:
    for form, schema in (
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "sum", "schema": ADD, "strict": True}}, ADD),
    ):
        asked: Any = {"model": "nano", "messages": HI, "response_format": form, "max_tokens": 800, "seed": 3}
        reply = await other_sdk.chat.completions.create(**asked)
        if reply.choices[0].finish_reason == "stop":
            jsonschema.validate(json.loads(reply.choices[0].message.content or ""), schema)
    parsed = await other_sdk.chat.completions.parse(
        model="nano", messages=HI, response_format=Person, max_tokens=800, seed=5
    )
    assert isinstance(parsed.choices[0].message.parsed, Person)
