"""Random schemas, random seeds, with a thought and without: a reply is valid unless it was cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.messages.content import Tool, text_of
from caesura.messages.fold import collect
from caesura.messages.request import OutputFormat, Thinking, ToolChoice
from tests.engine.test_local_client_tools import ANY, TALK, ask, calls


@pytest.fixture(scope="module")
def client(wide: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": wide}, EngineConfig(num_pages=200, num_threads=1))
    yield client
    client.close()


NAMES = st.text("abc_", min_size=1, max_size=3)
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.integers(-9, 9).map(lambda low: {"type": "integer", "minimum": low, "maximum": low + 20}),
    st.integers(0, 4).map(lambda size: {"type": "string", "minLength": size, "maxLength": size + 3}),
    st.lists(st.sampled_from(["a", 'b"', 1, None, True, "é"]), min_size=1, unique_by=repr).map(
        lambda values: {"enum": values}
    ),
    st.just({"type": "string", "pattern": "^[A-Z]{2}-[0-9]$"}),
)


def _object(properties: dict[str, Any], num_required: int, *, is_open: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties][:num_required],
        "additionalProperties": is_open,
    }


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(_object, st.dictionaries(NAMES, inner, max_size=3), st.integers(0, 3)),
        st.builds(
            lambda item, most: {"type": "array", "items": item, "maxItems": most}, inner, st.integers(0, 2)
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda forms: {"anyOf": forms}),
    )


FORMS = st.recursive(LEAVES, _nested, max_leaves=5)
ARGUMENTS = st.builds(_object, st.dictionaries(NAMES, FORMS, max_size=3), st.integers(0, 3))


@settings(deadline=None, max_examples=40)
@given(schema=FORMS, arguments=ARGUMENTS, seed=st.integers(0, 2**32), mode=st.integers(0, 5))
def test_whatever_is_asked_for_comes_out_valid_or_cut(
    client: LocalClient, schema: dict[str, Any], arguments: dict[str, Any], seed: int, mode: int
) -> None:
    tool = Tool(name="only", input_schema=arguments)
    thinking = Thinking(mode="enabled", budget_tokens=6) if mode % 2 else Thinking()
    fields: dict[str, Any] = {"thinking": thinking, "seed": seed, "max_tokens": 200}
    if mode < 2:
        fields |= {"talk": TALK, "output_format": OutputFormat(kind="json_schema", schema=schema)}
    else:
        choice = ANY if mode in (2, 4) else ToolChoice()
        fields |= {"talk": replace(TALK, tools=(tool,)), "tool_choice": choice}
    message = asyncio.run(collect(client.stream(ask(**fields))))
    for call in calls(message) if message.stop_reason == "tool_use" else ():
        jsonschema.Draft202012Validator(arguments).validate(call.input)
    if mode < 2 and message.stop_reason == "end_turn":
        jsonschema.Draft202012Validator(schema).validate(json.loads(text_of(message.content)))
    assert message.stop_reason in ("end_turn", "tool_use", "max_tokens")
