"""Tools and forms with models that others made: offered where their calls can be held to a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch

from caesura.engine import EngineConfig, LocalClient, load
from caesura.engine.constraint import BitBlock
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.loading import grammar_compiler
from caesura.messages.content import Tool, ToolUseBlock, conversation, text_of
from caesura.messages.errors import InvalidRequestError
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, Thinking, ToolChoice
from tests.engine.foreign_models import write_model
from tests.tokens.foreign_folders import foreign_tokenizer

NETWORKS = {"qwen3": "Qwen3", "llama3": "Llama", "mistral": "Mistral"}
FREE_TEXT = {
    "type": "object",
    "properties": {"place": {"type": "string", "maxLength": 12}, "deep": {"type": "boolean"}},
    "required": ["place", "deep"],
    "additionalProperties": False,
}
TALK = conversation(("user", "And what is it like in Rome?"))
TOOLS = (Tool(name="look", description="Looks.", input_schema=FREE_TEXT),)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClient]:
    root = tmp_path_factory.mktemp("foreign")
    models = {
        name: load(write_model(root / name, name, NETWORKS[name]), dtype=torch.float32) for name in NETWORKS
    }
    client = LocalClient(models, EngineConfig(num_pages=80, num_threads=1))
    yield client
    client.close()


def ask(model: str, *, seed: int = 1, **fields: Any) -> MessagesRequest:
    given: dict[str, Any] = {"model": model, "conversation": TALK, "max_tokens": 400}
    given["sampling"] = Sampling(seed=seed)
    return MessagesRequest(**(given | fields))


@pytest.mark.parametrize(
    "thinking", [Thinking(), Thinking(mode="adaptive"), Thinking(mode="enabled", budget_tokens=6)]
)
async def test_calls_in_hermes_form_keep_to_their_schema(client: LocalClient, thinking: Thinking) -> None:
    calling, num_calls = replace(TALK, tools=TOOLS), 0
    for seed in range(5):
        choice = ToolChoice() if thinking.mode == "enabled" else ToolChoice(mode="any")
        request = ask("qwen3", seed=seed, conversation=calling, thinking=thinking, tool_choice=choice)
        message = await collect(client.stream(request))
        if message.stop_reason == "max_tokens":
            continue
        for block in message.content:
            if isinstance(block, ToolUseBlock):
                jsonschema.validate(block.input, FREE_TEXT)
                num_calls += 1
    assert num_calls


@pytest.mark.parametrize("name", NETWORKS)
async def test_an_answer_keeps_to_its_form(client: LocalClient, name: str) -> None:
    form = OutputFormat(kind="json_schema", schema=FREE_TEXT)
    for seed in range(6):
        message = await collect(client.stream(ask(name, seed=seed, output_format=form)))
        assert message.stop_reason == "end_turn"
        text = text_of(message.content)
        jsonschema.validate(json.loads(text), FREE_TEXT)


@pytest.mark.parametrize("name", NETWORKS)
async def test_an_answer_matches_a_pattern_to_the_last_blank(client: LocalClient, name: str) -> None:
    """Also where the tokenizer, or the template, takes white space off what begins a reply."""
    form = OutputFormat(kind="regex", text="( |\n\n)x[a-z ]{2,6}\n")
    for seed in range(4):
        message = await collect(client.stream(ask(name, seed=seed, output_format=form)))
        assert re.fullmatch("( |\n\n)x[a-z ]{2,6}\n", text_of(message.content))


async def test_a_thought_before_an_answer_takes_none_of_its_white_space(client: LocalClient) -> None:
    form = OutputFormat(kind="regex", text="\n\nx{2,6}\n")
    thinking = Thinking(mode="enabled", budget_tokens=4)
    message = await collect(client.stream(ask("qwen3", output_format=form, thinking=thinking)))
    assert re.fullmatch("\n\nx{2,6}\n", text_of(message.content))


@pytest.mark.parametrize("choice", [ToolChoice(), ToolChoice(mode="any"), ToolChoice(mode="none")])
@pytest.mark.parametrize("name", ["llama3", "mistral"])
async def test_tools_are_refused_by_name_where_calls_cannot_be_held(
    client: LocalClient, name: str, choice: ToolChoice
) -> None:
    request = ask(name, conversation=replace(TALK, tools=TOOLS), tool_choice=choice)
    for refused in (anext(client.stream(request)), client.count_tokens(request)):
        with pytest.raises(InvalidRequestError, match=r"^tools: this model cannot call tools: "):
            await refused


@pytest.mark.parametrize("name", NETWORKS)
def test_markers_are_kept_from_every_grammar(client: LocalClient, name: str) -> None:
    """`<tool_response>` has the bytes of a text, and is none: a user cannot write it either."""
    loaded = client.loaded(name)
    compiler = grammar_compiler(loaded)
    grammar = compiler.compile(GrammarSource(kind="regex", text="(?s:.*)", path=("here",)))
    compiler.close()
    row = BitBlock(1, loaded.tokenizer.vocab_size).rows[0]
    grammar.matcher().allow(row)
    allowed = {
        token for token in range(loaded.tokenizer.vocab_size) if row.bits[token >> 5] >> (token & 31) & 1
    }
    assert not allowed & loaded.tokenizer.marker_ids
    assert len(allowed) > 200
    if name == "qwen3":
        assert loaded.tokenizer.token_bytes[foreign_tokenizer(name).markers["<tool_response>"]]
