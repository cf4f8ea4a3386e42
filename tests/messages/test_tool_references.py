"""Deferred tools: not told of at the start, described where a result refers to them, then callable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caesura.engine.grammar_sources import calls_source
from caesura.messages.content import TextBlock, ToolResultBlock
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request_body import request_body
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply, prompt_length
from caesura.messages.validation import parse_request

SEARCH: dict[str, Any] = {"name": "search", "input_schema": {"type": "object"}}
HIDDEN: dict[str, Any] = {
    "name": "hidden",
    "description": "finds hares",
    "input_schema": {"type": "object", "properties": {"depth": {"type": "integer"}}},
    "defer_loading": True,
}
OTHER: dict[str, Any] = {**HIDDEN, "name": "other"}
QUESTION: Any = {"role": "user", "content": "find"}
CALL: Any = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}],
}


def result(*names: str) -> Any:
    found = [{"type": "tool_reference", "tool_name": name} for name in names]
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": found}
    return {"role": "user", "content": [block]}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    tools = [HIDDEN, OTHER, SEARCH]
    return {
        "model": "scripted",
        "max_tokens": 50,
        "messages": [QUESTION, *messages],
        "tools": tools,
        **fields,
    }


def test_a_deferred_tool_is_listed_nowhere_until_a_result_refers_to_it() -> None:
    request = parse_request(body())
    assert [tool.name for tool in request.conversation.listed_tools] == ["search"]
    assert prompt_length(request) == prompt_length(parse_request(body(tools=[SEARCH])))


def test_a_reference_becomes_the_description_of_its_tool() -> None:
    request = parse_request(body(CALL, result("hidden")))
    (block,) = request.conversation.turns[-1].content
    assert isinstance(block, ToolResultBlock)
    (text,) = block.content
    assert isinstance(text, TextBlock)
    told = {key: HIDDEN[key] for key in ("name", "description", "input_schema")}
    assert json.loads(text.text) == told
    assert [tool.shown for tool in request.conversation.tools] == ["in_result", "nowhere", "at_start"]
    assert [tool.name for tool in request.conversation.listed_tools] == ["search"]


def test_only_what_the_model_has_read_of_can_be_called() -> None:
    def callable_at(*messages: Any, **fields: Any) -> list[str]:
        request = parse_request(body(*messages, **fields))
        source = calls_source(request.conversation.tools, request.tool_choice)
        assert source is not None
        return [call["name"] for call in json.loads(source.text)]

    assert callable_at() == ["search"]
    assert callable_at(CALL, result("hidden")) == ["hidden", "search"]
    chosen = {"type": "tool", "name": "hidden"}
    assert callable_at(CALL, result("hidden"), tool_choice=chosen) == ["hidden"]


def test_the_grammar_names_tools_by_their_place_in_the_body() -> None:
    request = parse_request(body(CALL, result("other")))
    source = calls_source(request.conversation.tools, request.tool_choice)
    assert source is not None
    assert source.path == ("tools.1.custom.input_schema", "tools.2.custom.input_schema")


async def test_the_scripted_model_calls_it_only_then() -> None:
    client = ScriptedClient(
        otherwise=ScriptedReply(text="so", calls=(ScriptedCall(name="hidden", input={"depth": 1}),))
    )
    reasons: list[Any] = []
    for asked in (body(), body(CALL, result("hidden"))):
        async for event in client.stream(parse_request(asked)):
            reasons.append(getattr(event, "stop_reason", None))
    assert [reason for reason in reasons if reason] == ["end_turn", "tool_use"]


def test_another_server_is_told_to_defer_what_is_deferred() -> None:
    sent = request_body(parse_request(body(CALL, result("hidden"))))
    assert [tool.get("defer_loading") for tool in sent["tools"]] == [None, True, None]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            body(CALL, result("unheard_of")),
            r"^messages\.2\.content\.0\.tool_result\.content\.0\.tool_name: Tool reference 'unheard_of' not",
        ),
        (body(tools=[HIDDEN, OTHER]), r"^tools: At least one tool must have defer_loading=false"),
        (
            body(tools=[SEARCH, {**HIDDEN, "cache_control": {"type": "ephemeral"}}]),
            r"^tools\.1\.custom\.cache_control: Tool 'hidden' cannot have both",
        ),
        (
            body(tool_choice={"type": "tool", "name": "hidden"}),
            r"^tool_choice\.tool\.name: Tool 'hidden' is deferred",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_request(asked)
