"""Calls and answers of a form, from a model that has learnt neither: what comes out is valid all the same."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from caesura.engine import EngineConfig, LoadedModel, LocalClient, SequenceRequest
from caesura.engine.constraint import Constraint
from caesura.engine.render_size import num_characters
from caesura.messages.content import (
    Conversation,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    conversation,
    text_of,
    text_turn,
)
from caesura.messages.errors import ApiError, InvalidRequestError
from caesura.messages.events import BlockStart, InputJsonDelta, TextDelta
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, Thinking, ToolChoice
from caesura.messages.response import Message
from tests.engine.test_core import Brittle

CITY = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Paris", "Rome"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
SUM = {
    "type": "object",
    "properties": {"sum": {"type": "string", "maxLength": 8}},
    "required": ["sum"],
    "additionalProperties": False,
}
ODD = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
TOOLS = (Tool(name="weather", input_schema=CITY), Tool(name="add", input_schema=SUM))
SCHEMAS = {tool.name: tool.input_schema for tool in TOOLS}
TALK = conversation(("user", "What is the sum?"))
CALLING = replace(TALK, tools=TOOLS)
ANY = ToolChoice(mode="any")
FORM = OutputFormat(kind="json_schema", schema=CITY)


@pytest.fixture(scope="module")
def client(wide: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": wide}, EngineConfig(num_pages=200, num_threads=1))
    yield client
    client.close()


def ask(talk: Conversation = CALLING, *, seed: int = 3, **fields: Any) -> MessagesRequest:
    given: dict[str, Any] = {"model": "tiny", "conversation": talk, "max_tokens": 250}
    given["sampling"] = Sampling(seed=seed)
    return MessagesRequest(**(given | fields))


def calls(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if isinstance(block, ToolUseBlock)]


def kinds(message: Message) -> list[str]:
    return [type(block).__name__ for block in message.content]


def check(message: Message, *, schema: Any = None) -> None:
    """What is promised of every reply, unless it was cut."""
    if message.stop_reason == "max_tokens":
        return
    assert message.stop_reason == ("tool_use" if calls(message) else "end_turn")
    for call in calls(message):
        jsonschema.validate(call.input, SCHEMAS[call.name])
    if schema is not None and text_of(message.content):
        jsonschema.validate(json.loads(text_of(message.content)), schema)


def told(message: Message) -> list[Any]:
    """A reply without the ids of its calls, which are drawn at random."""
    return [replace(block, id="") if isinstance(block, ToolUseBlock) else block for block in message.content]


async def test_it_is_told_that_the_form_of_answers_is_guaranteed(client: LocalClient) -> None:
    assert [(info.can_structure, info.can_see) for info in await client.models()] == [(True, False)]


async def test_a_call_is_made_where_one_is_wanted(client: LocalClient) -> None:
    names: set[str] = set()
    for seed in range(8):
        message = await collect(client.stream(ask(seed=seed, tool_choice=ANY)))
        assert "TextBlock" not in kinds(message)
        assert calls(message) or message.stop_reason == "max_tokens"
        check(message)
        names |= {call.name for call in calls(message)}
    assert names == set(SCHEMAS)


async def test_only_the_tool_that_is_named_is_called(client: LocalClient) -> None:
    for seed in range(4):
        choice = ToolChoice(mode="tool", name="weather")
        message = await collect(client.stream(ask(seed=seed, tool_choice=choice)))
        assert {call.name for call in calls(message)} == {"weather"}
        check(message)


@pytest.mark.parametrize("choice", [ANY, ToolChoice(mode="tool", name="add")])
async def test_without_parallel_calls_a_wanted_call_is_the_only_one(
    client: LocalClient, choice: ToolChoice
) -> None:
    for seed in range(6):
        request = ask(seed=seed, tool_choice=replace(choice, is_parallel=False))
        message = await collect(client.stream(request))
        assert (kinds(message), message.stop_reason) == (["ToolUseBlock"], "tool_use")
        check(message)


async def test_without_parallel_calls_a_free_reply_holds_at_most_one(client: LocalClient) -> None:
    counts: set[int] = set()
    for seed in range(30):
        request = ask(seed=seed, tool_choice=ToolChoice(is_parallel=False), max_tokens=400)
        message = await collect(client.stream(request))
        check(message)
        counts.add(len(calls(message)))
    assert counts <= {0, 1}
    assert 1 in counts


async def test_several_calls_are_made_where_they_may_be(client: LocalClient) -> None:
    counts = [
        len(calls(await collect(client.stream(ask(seed=seed, tool_choice=ANY, max_tokens=400)))))
        for seed in range(10)
    ]
    assert max(counts) > 1


async def test_no_call_is_made_where_none_may_be(client: LocalClient) -> None:
    for seed in range(4):
        message = await collect(client.stream(ask(seed=seed, tool_choice=ToolChoice(mode="none"))))
        assert set(kinds(message)) == {"TextBlock"}


async def test_adaptive_thinking_goes_before_a_wanted_call(client: LocalClient) -> None:
    seen: set[tuple[str, ...]] = set()
    for seed in range(12):
        thinking = Thinking(mode="adaptive")
        request = ask(seed=seed, tool_choice=replace(ANY, is_parallel=False), thinking=thinking)
        message = await collect(client.stream(request))
        check(message)
        seen.add(tuple(kinds(message)))
    assert seen == {("ToolUseBlock",), ("ThinkingBlock", "ToolUseBlock")}


async def test_a_budget_holds_with_tools_and_a_form(client: LocalClient, loaded: LoadedModel) -> None:
    closing = len(loaded.chat_format.phase_tokens.closing)
    for seed in range(6):
        thinking = Thinking(mode="enabled", budget_tokens=7)
        request = ask(seed=seed, thinking=thinking, output_format=FORM)
        message = await collect(client.stream(request))
        assert kinds(message)[0] == "ThinkingBlock"
        assert message.usage.thinking_tokens <= 7 + closing
        assert message.usage.prompt_tokens == await client.count_tokens(request)
        check(message, schema=CITY)


async def test_an_answer_keeps_to_its_form_and_calls_to_theirs(client: LocalClient) -> None:
    seen: set[str] = set()
    for seed in range(16):
        message = await collect(client.stream(ask(seed=seed, output_format=FORM)))
        check(message, schema=CITY)
        seen |= set(kinds(message))
    assert seen == {"TextBlock", "ToolUseBlock"}


@pytest.mark.parametrize("max_tokens", [1, 2, 12, 30])
async def test_a_reply_may_be_cut_anywhere(client: LocalClient, max_tokens: int) -> None:
    wanted = await collect(client.stream(ask(tool_choice=ANY, max_tokens=max_tokens)))
    assert (wanted.stop_reason, wanted.usage.output_tokens) == ("max_tokens", max_tokens)
    assert kinds(wanted) == (["ToolUseBlock"] if max_tokens == 30 else [])
    formed = await collect(client.stream(ask(TALK, output_format=FORM, max_tokens=min(max_tokens, 12))))
    assert formed.stop_reason == "max_tokens"
    assert text_of(formed.content).startswith("{")


async def test_a_stop_sequence_is_not_looked_for_in_a_call(client: LocalClient) -> None:
    request = ask(tool_choice=replace(ANY, is_parallel=False), stop_sequences=('"', "{", "a"))
    message = await collect(client.stream(request))
    assert message.stop_reason == "tool_use"
    check(message)


async def test_a_stop_sequence_ends_an_answer_of_a_form(client: LocalClient) -> None:
    request = ask(TALK, output_format=FORM, stop_sequences=('"days"',))
    message = await collect(client.stream(request))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", '"days"')


async def test_the_pieces_of_a_call_spell_its_input(client: LocalClient) -> None:
    request = ask(tool_choice=replace(ANY, is_parallel=False))
    events = [event async for event in client.stream(request)]
    (start,) = [event for event in events if isinstance(event, BlockStart)]
    pieces = [event.partial_json for event in events if isinstance(event, InputJsonDelta)]
    assert isinstance(start.block, ToolUseBlock)
    assert start.block.input == {}
    assert len(pieces) > 2
    jsonschema.validate(json.loads("".join(pieces)), SCHEMAS[start.block.name])


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        (OutputFormat(kind="regex", text="(yes|no), [a-z]{3,9}\\."), r"(yes|no), [a-z]{3,9}\."),
        (OutputFormat(kind="lark", text='start: "<" /[0-9]{2,4}/ ">"'), "<[0-9]{2,4}>"),
        (OutputFormat(kind="regex", text=" x{2,3}\n"), " x{2,3}\n"),
    ],
)
async def test_an_answer_matches_a_pattern_of_the_users_own(
    client: LocalClient, form: OutputFormat, pattern: str
) -> None:
    for thinking in (Thinking(), Thinking(mode="enabled", budget_tokens=3)):
        message = await collect(client.stream(ask(TALK, output_format=form, thinking=thinking)))
        assert re.fullmatch(pattern, text_of(message.content)), text_of(message.content)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (
            {"output_format": OutputFormat(kind="json_schema", schema=ODD)},
            "output_config.format.json_schema.schema.properties.x.uniqueItems",
        ),
        ({"output_format": OutputFormat(kind="regex", text="(")}, "output_config.format.regex.pattern"),
        (
            {
                "talk": replace(
                    TALK,
                    tools=(
                        TOOLS[0],
                        Tool(name="odd", input_schema=ODD),
                    ),
                )
            },
            "tools.1.custom.input_schema.properties.x.uniqueItems",
        ),
    ],
)
async def test_what_cannot_be_enforced_is_refused_by_name_before_any_event(
    client: LocalClient, fields: dict[str, Any], path: str
) -> None:
    given: dict[str, Any] = {"talk": TALK, **fields}
    request = ask(**given)
    with pytest.raises(InvalidRequestError) as refused:
        await anext(client.stream(request))
    assert refused.value.message.startswith(f"{path}: ")
    with pytest.raises(InvalidRequestError) as told:
        await client.check(request)
    assert told.value.message == refused.value.message


async def test_asking_what_is_wrong_with_a_request_finds_nothing_where_it_is_answered(
    client: LocalClient,
) -> None:
    right: list[dict[str, Any]] = [{}, {"output_format": FORM}, {"tool_choice": ANY}]
    for each in right:
        await client.check(ask(**each))
    begun = conversation(("user", "the sum?"), ("assistant", "It is"))
    wrong: list[dict[str, Any]] = [
        {"talk": begun, "output_format": FORM},
        {"talk": begun, "thinking": Thinking(mode="enabled", budget_tokens=9)},
        {"max_tokens": 10_000_000},
    ]
    for each in wrong:
        with pytest.raises(InvalidRequestError):
            await client.check(ask(**each))


async def test_an_answer_that_has_begun_cannot_be_given_a_form(client: LocalClient) -> None:
    begun = conversation(("user", "the sum?"), ("assistant", "It is"))
    with pytest.raises(InvalidRequestError, match=r"^output_config\.format: "):
        await anext(client.stream(ask(begun, output_format=FORM)))


async def test_results_are_read_and_the_loop_goes_on(client: LocalClient) -> None:
    talk, thinking = CALLING, Thinking(mode="enabled", budget_tokens=5)
    for seed in range(3):
        message = await collect(client.stream(ask(talk, seed=seed, thinking=thinking, max_tokens=200)))
        check(message)
        if message.stop_reason == "max_tokens":
            return
        results = tuple(
            ToolResultBlock(tool_use_id=call.id, content=(TextBlock(text="no net"),), is_error=True)
            for call in calls(message)
        )
        answer = results or (TextBlock(text="and so on"),)
        turns = (
            *talk.turns,
            Turn(role="assistant", content=message.content),
            Turn(role="user", content=answer),
        )
        talk = replace(talk, turns=turns)
        assert isinstance(message.content[0], ThinkingBlock)


def mixed_requests() -> list[MessagesRequest]:
    """Of every kind, each with a grammar of its own."""
    regex = OutputFormat(kind="regex", text="[a-f]{20,30}")
    forms: Sequence[dict[str, Any]] = (
        {"tool_choice": ANY},
        {"talk": TALK, "output_format": FORM},
        {"talk": TALK},
        {"talk": TALK, "output_format": regex, "thinking": Thinking(mode="enabled", budget_tokens=9)},
        {"tool_choice": ToolChoice(mode="tool", name="add")},
        {"output_format": regex},
        {"talk": TALK, "output_format": FORM, "sampling": Sampling(temperature=0.0)},
    )
    asked: list[dict[str, Any]] = [{"seed": at, "max_tokens": 90} | form for at, form in enumerate(forms)]
    return [ask(**each) for each in asked]


async def test_a_batch_with_many_grammars_is_its_singles(client: LocalClient) -> None:
    requests = mixed_requests()
    together = await asyncio.gather(*(collect(client.stream(request)) for request in requests))
    singles = [await collect(client.stream(request)) for request in requests]
    assert list(map(told, together)) == list(map(told, singles))
    assert singles[0].usage.cache_read_input_tokens > 0


async def test_a_crowded_pool_changes_no_constrained_reply(client: LocalClient, wide: LoadedModel) -> None:
    crowded = LocalClient({"tiny": wide}, EngineConfig(num_pages=9, num_threads=1))
    regex = OutputFormat(kind="regex", text="[a-f]{70,80}")
    forms = [{"output_format": regex}, {"output_format": FORM}, {}] * 3
    requests = [ask(TALK, seed=at, max_tokens=120, tenant=str(at), **form) for at, form in enumerate(forms)]
    try:
        replies = await asyncio.gather(*(collect(crowded.stream(request)) for request in requests))
        assert crowded.engine("tiny").stats().num_spills > 0
    finally:
        crowded.close()
    singles = [await collect(client.stream(request)) for request in requests]
    assert list(map(told, replies)) == list(map(told, singles))


async def test_a_grammar_that_breaks_is_an_error_and_no_hang(client: LocalClient) -> None:
    engine = client.engine("tiny")
    constraint = Constraint(answer=Brittle(2))
    stream = engine.submit(SequenceRequest(prompt=(20, 30), max_tokens=9, constraint=constraint))
    with pytest.raises(ApiError):
        async for _ in stream:
            pass


async def test_leaving_in_the_midst_of_a_call_frees_its_pages(client: LocalClient) -> None:
    stream = client.stream(ask(tool_choice=ANY))
    async for event in stream:
        if isinstance(event, InputJsonDelta):
            break
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    await collect(client.stream(ask(TALK, max_tokens=1)))
    assert client.engine("tiny").stats().num_used_pages == 0


async def test_free_text_is_the_same_whether_or_not_others_are_held(client: LocalClient) -> None:
    alone = await collect(client.stream(ask(TALK, seed=8)))
    held, free = await asyncio.gather(
        collect(client.stream(ask(TALK, seed=9, output_format=FORM))),
        collect(client.stream(ask(TALK, seed=8))),
    )
    assert free.content == alone.content
    check(held, schema=CITY)


def test_what_is_rendered_is_counted_whatever_it_is_made_of() -> None:
    long = "x" * 5000
    bare = num_characters(TALK)
    call = ToolUseBlock(id="toolu_a", name="add", input={"sum": [{"deep": long}]})
    result = ToolResultBlock(tool_use_id="toolu_a", content=(TextBlock(text=long),))
    for turns in (
        (Turn(role="assistant", content=(call,)),),
        (Turn(role="user", content=(result,)),),
        (Turn(role="assistant", content=(ThinkingBlock(thinking=long),)),),
        (text_turn("user", long),),
    ):
        assert num_characters(replace(TALK, turns=(*TALK.turns, *turns))) > bare + 5000
    described = Tool(name="t", description=long, input_schema={"type": "object"})
    shown = Tool(name="t", input_schema={"type": "object", "properties": {"a": {"enum": [long]}}})
    for tool in (described, shown):
        assert num_characters(replace(TALK, tools=(tool,))) > bare + 5000
    assert num_characters(replace(TALK, system=(TextBlock(text=long),))) > bare + 5000


async def test_text_comes_as_it_is_written(client: LocalClient) -> None:
    pieces = [event async for event in client.stream(ask(TALK, output_format=FORM))]
    assert sum(isinstance(each, TextDelta) for each in pieces) > 1
