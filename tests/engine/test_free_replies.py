"""Replies of an engine that enforces no grammar: what only measuring asks for."""

from __future__ import annotations

import json

import pytest

from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.messages.content import Conversation, Tool, conversation, text_of
from caesura.messages.events import Event, InputJsonDelta
from caesura.messages.fold import fold
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, ToolChoice

SCHEMA = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
TOOL = Tool(name="add", description="Adds.", input_schema=SCHEMA)


async def _events(loaded: LoadedModel, request: MessagesRequest, *, enforces: bool) -> list[Event]:
    client = LocalClient({"tiny": loaded}, EngineConfig(num_threads=1, enforces_grammars=enforces))
    try:
        return [event async for event in client.stream(request)]
    finally:
        client.close()


def _request(**fields: object) -> MessagesRequest:
    given = {
        "model": "tiny",
        "conversation": conversation(("user", "What is the sum?")),
        "max_tokens": 40,
        "sampling": Sampling(seed=3),
    }
    return MessagesRequest(**(given | fields))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("enforces", [True, False])
async def test_an_answer_has_its_form_only_where_grammars_are_enforced(
    loaded: LoadedModel, enforces: bool
) -> None:
    request = _request(output_format=OutputFormat(kind="json_schema", schema=SCHEMA))
    text = text_of(fold(await _events(loaded, request, enforces=enforces)).content)
    try:
        has_form = json.loads(text) in ({"n": 1}, {"n": 2})
    except ValueError:
        has_form = False
    assert has_form is enforces


@pytest.mark.parametrize("enforces", [True, False])
async def test_a_wanted_call_is_begun_either_way_but_spelt_right_only_by_its_grammar(
    loaded: LoadedModel, enforces: bool
) -> None:
    asked = Conversation(turns=_request().conversation.turns, tools=(TOOL,))
    request = _request(conversation=asked, tool_choice=ToolChoice(mode="any", is_parallel=False))
    events = await _events(loaded, request, enforces=enforces)
    spelt = "".join(event.partial_json for event in events if isinstance(event, InputJsonDelta))
    assert bool(spelt) is enforces
