"""Tools with models that write calls in Mistral's and Llama 3's forms: valid whatever a model has learnt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch

from caesura.engine import EngineConfig, LocalClient, load
from caesura.messages.content import (
    CacheControl,
    Conversation,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    conversation,
    text_of,
    text_turn,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import BlockStart, BlockStop, InputJsonDelta, MessageDelta
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, ToolChoice
from caesura.messages.response import Message
from tests.engine.foreign_models import write_model

NETWORKS = {
    "llama31": "Llama",
    "mistral_v3": "Mistral",
    "mistral_nemo": "Mistral",
    "mistral_marked": "Mistral",
    "mistral_numbered": "Mistral",
}
MISTRALS = [name for name in NETWORKS if name != "llama31"]
PLACE = {
    "type": "object",
    "properties": {"place": {"type": "string", "maxLength": 8}, "deep": {"type": "boolean"}},
    "required": ["place", "deep"],
    "additionalProperties": False,
}
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
SCHEMAS = {"look": PLACE, "go-on": NOTHING}
TOOLS = tuple(Tool(name=name, description="Does.", input_schema=schema) for name, schema in SCHEMAS.items())
TALK = replace(conversation(("user", "And what is it like in Rome?"), system="Be kind."), tools=TOOLS)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClient]:
    root = tmp_path_factory.mktemp("forms")
    models = {
        name: load(write_model(root / name, name, network), dtype=torch.float32)
        for name, network in NETWORKS.items()
    }
    client = LocalClient(models, EngineConfig(num_pages=80, num_threads=1))
    yield client
    client.close()


def ask(model: str, *, seed: int = 1, **fields: Any) -> MessagesRequest:
    given: dict[str, Any] = {"model": model, "conversation": TALK, "max_tokens": 200}
    given["sampling"] = Sampling(seed=seed)
    return MessagesRequest(**(given | fields))


def calls_of(message: Message) -> list[ToolUseBlock]:
    """The calls of a reply that has ended, each of which keeps to its tool's schema."""
    calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert (message.stop_reason == "tool_use") == bool(calls)
    for call in calls:
        jsonschema.validate(call.input, SCHEMAS[call.name])
        assert call.id.startswith("toolu_")
    return calls


@pytest.mark.parametrize("is_parallel", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
async def test_a_reply_that_must_call_calls_and_does_nothing_else(
    client: LocalClient, name: str, is_parallel: bool
) -> None:
    choice, counts = ToolChoice(mode="any", is_parallel=is_parallel), set[int]()
    for seed in range(8):
        message = await collect(client.stream(ask(name, seed=seed, tool_choice=choice)))
        if message.stop_reason == "max_tokens":
            continue
        calls = calls_of(message)
        assert len(message.content) == len(calls) > 0
        counts.add(len(calls))
    assert counts
    if name == "llama31" or not is_parallel:
        assert counts == {1}


@pytest.mark.parametrize("name", MISTRALS)
async def test_several_calls_of_one_reply_are_blocks_of_their_own(client: LocalClient, name: str) -> None:
    counts: list[int] = []
    for seed in range(12):
        choice = ToolChoice(mode="tool", name="go-on")
        # So hot that whatever may come next is about as likely as all else.
        request = ask(name, tool_choice=choice, sampling=Sampling(seed=seed, temperature=50.0))
        message = await collect(client.stream(request))
        calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
        assert len({call.id for call in calls}) == len(calls) == len(message.content)
        assert {call.name for call in calls} <= {"go-on"}
        counts.append(len(calls))
    assert max(counts) > 1


@pytest.mark.parametrize("name", NETWORKS)
async def test_the_tool_that_is_chosen_is_called(client: LocalClient, name: str) -> None:
    choice = ToolChoice(mode="tool", name="look", is_parallel=False)
    message = await collect(client.stream(ask(name, tool_choice=choice)))
    assert [call.name for call in calls_of(message)] == ["look"]


@pytest.mark.parametrize("name", NETWORKS)
async def test_a_free_reply_is_a_text_or_valid_calls(client: LocalClient, name: str) -> None:
    """So hot that each next word is about as likely, and the end as any."""
    num_ended = 0
    for seed in range(12):
        hot = Sampling(seed=seed, temperature=50.0)
        message = await collect(client.stream(ask(name, max_tokens=400, sampling=hot)))
        if message.stop_reason == "max_tokens":
            continue
        num_ended += 1
        calls = calls_of(message)
        text = text_of(message.content)
        assert bool(text) != bool(calls) or name in ("mistral_marked", "mistral_numbered")
        assert name != "llama31" or not text.lstrip().startswith("{")
    assert num_ended


@pytest.mark.parametrize("name", ["llama31", "mistral_v3", "mistral_marked"])
async def test_a_free_reply_that_begins_like_a_call_is_one(client: LocalClient, name: str) -> None:
    """So hot that each first word is about as likely; one that begins a call shows nothing yet."""
    hot = ask(name, max_tokens=1, sampling=Sampling(seed=0, temperature=50.0))
    while (await collect(client.stream(hot))).content:
        hot = replace(hot, sampling=replace(hot.sampling, seed=(hot.sampling.seed or 0) + 1))
        assert hot.sampling.seed != 4000
    message = await collect(client.stream(replace(hot, max_tokens=400)))
    assert calls_of(message)
    assert not text_of(message.content)


@pytest.mark.parametrize("name", NETWORKS)
async def test_a_reply_that_must_not_call_is_a_text(client: LocalClient, name: str) -> None:
    for seed in range(4):
        request = ask(name, seed=seed, max_tokens=30, tool_choice=ToolChoice(mode="none"))
        message = await collect(client.stream(request))
        assert all(isinstance(block, TextBlock) for block in message.content)
        assert message.stop_reason != "tool_use"


@pytest.mark.parametrize("name", NETWORKS)
async def test_a_call_streams_its_name_and_then_its_arguments(client: LocalClient, name: str) -> None:
    choice = ToolChoice(mode="tool", name="look", is_parallel=False)
    events = [event async for event in client.stream(ask(name, tool_choice=choice))]
    told = [event for event in events if isinstance(event, BlockStart | InputJsonDelta | BlockStop)]
    assert isinstance(told[0], BlockStart)
    assert isinstance(told[0].block, ToolUseBlock)
    assert (told[0].block.name, told[0].block.input) == ("look", {})
    assert isinstance(told[-1], BlockStop)
    deltas = [event for event in told[1:-1] if isinstance(event, InputJsonDelta)]
    assert len(deltas) == len(told) - 2 > 3
    last = events[-2]
    assert isinstance(last, MessageDelta)
    assert last.stop_reason == "tool_use"


@pytest.mark.parametrize("name", NETWORKS)
async def test_calls_are_answered_and_the_talk_goes_on(client: LocalClient, name: str) -> None:
    """As clients do it: what came is sent back as it came, with results, over several turns."""
    choice, told = ToolChoice(mode="any", is_parallel=False), TALK
    for seed in range(3):
        message = await collect(client.stream(ask(name, seed=seed, conversation=told, tool_choice=choice)))
        (call,) = calls_of(message)
        result = ToolResultBlock(tool_use_id=call.id, content=(TextBlock(text='"sun" \\ wind'),))
        turns = (Turn(role="assistant", content=message.content), Turn(role="user", content=(result,)))
        told = replace(told, turns=(*told.turns, *turns))
    message = await collect(
        client.stream(ask(name, conversation=told, max_tokens=20, tool_choice=ToolChoice(mode="none")))
    )
    assert message.stop_reason in ("end_turn", "max_tokens")


@pytest.mark.parametrize("name", NETWORKS)
async def test_an_answer_may_be_any_json_where_nothing_may_be_called(client: LocalClient, name: str) -> None:
    form = OutputFormat(kind="json_schema", schema=PLACE)
    for choice in (ToolChoice(mode="none"), ToolChoice()):
        talk = TALK if choice.mode == "none" else replace(TALK, tools=())
        request = ask(name, conversation=talk, output_format=form, tool_choice=choice)
        message = await collect(client.stream(request))
        assert text_of(message.content).startswith("{")


async def test_a_form_that_a_call_cannot_be_told_from_is_refused(client: LocalClient) -> None:
    form = OutputFormat(kind="json_schema", schema=PLACE)
    with pytest.raises(InvalidRequestError, match=r"^output_config\.format: this model calls tools by"):
        await anext(client.stream(ask("llama31", output_format=form)))
    called = await collect(
        client.stream(ask("llama31", output_format=form, tool_choice=ToolChoice(mode="any")))
    )
    assert calls_of(called)


@pytest.mark.parametrize("name", ["llama31", "mistral_v3"])
async def test_a_reply_that_has_begun_calls_nothing_where_calls_are_the_whole_reply(
    client: LocalClient, name: str
) -> None:
    begun = replace(TALK, turns=(*TALK.turns, text_turn("assistant", "It is")))
    message = await collect(client.stream(ask(name, conversation=begun, max_tokens=20)))
    assert all(isinstance(block, TextBlock) for block in message.content)
    with pytest.raises(InvalidRequestError, match=r"^tool_choice: this model's calls stand at the beginning"):
        await anext(client.stream(ask(name, conversation=begun, tool_choice=ToolChoice(mode="any"))))


@pytest.mark.parametrize("name", NETWORKS)
async def test_breakpoints_behind_calls_are_taken(client: LocalClient, name: str) -> None:
    control = CacheControl()
    call = ToolUseBlock(id="toolu_a", name="go-on", input={}, cache_control=control)
    result = ToolResultBlock(
        tool_use_id="toolu_a", content=(TextBlock(text="sun " * 40),), cache_control=control
    )
    turns = (TALK.turns[0], Turn(role="assistant", content=(call,)), Turn(role="user", content=(result,)))
    format_ = client.loaded(name).chat_format
    prompt = format_.render(Conversation(turns=turns, tools=TOOLS), opening="answer")
    behind_call, behind_result = (mark.position for mark in prompt.breakpoints)
    decoded = client.loaded(name).tokenizer.decode
    said = decoded(prompt.ids[:behind_call])
    assert re.search(r"in Rome\?.*go-on.*\{\}", said, re.DOTALL)
    assert "sun" not in said
    assert decoded(prompt.ids[:behind_result]).count("sun") == 40
