"""Whatever content a request has, it is answered or refused, and never fails."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import create_app
from tests.messages.pictures import image, png

TEXT: dict[str, Any] = {"type": "text", "text": "well"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": [1, {"b": None}]}}
RESULT: dict[str, Any] = {
    "type": "tool_result",
    "tool_use_id": "t1",
    "content": [TEXT, image(png(2, 2))],
    "is_error": False,
}
ADD: dict[str, Any] = {
    "name": "add",
    "description": "Adds.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]},
    "input_examples": [{"a": []}],
    "cache_control": {"type": "ephemeral", "ttl": "1h"},
}
COMPUTER: dict[str, Any] = {
    "type": "computer_20251124",
    "name": "computer",
    "display_width_px": 9,
    "display_height_px": 9,
    "enable_zoom": True,
}
SERVER_CALL: dict[str, Any] = {
    "type": "mcp_tool_use",
    "id": "m1",
    "name": "memory",
    "server_name": "caesura",
    "input": {"command": "view", "path": "/memories"},
}
SERVER_RESULT: dict[str, Any] = {
    "type": "mcp_tool_result",
    "tool_use_id": "m1",
    "is_error": False,
    "content": [TEXT],
}
SUMMARY: dict[str, Any] = {"type": "compaction", "content": "So far."}
EDITS: list[dict[str, Any]] = [
    {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}},
    {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "tool_uses", "value": 1},
        "keep": {"type": "tool_uses", "value": 0},
        "clear_at_least": {"type": "input_tokens", "value": 1},
        "exclude_tools": ["add"],
        "clear_tool_inputs": True,
    },
    {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}},
]
BODY: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 50,
    "system": [TEXT],
    "tools": [ADD, COMPUTER],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": EDITS},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    "messages": [
        {"role": "user", "content": [TEXT, image(png(2, 2))]},
        {"role": "assistant", "content": [SUMMARY, TEXT, SERVER_CALL, SERVER_RESULT, CALL]},
        {"role": "user", "content": [RESULT, TEXT]},
    ],
}
REPLY = ScriptedReply(thinking="hm", text="so", calls=(ScriptedCall(name="add", input={"a": [1]}),))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be changed."""
    if isinstance(value, dict):
        inner = [place for key, each in value.items() for place in places(each, (*path, key))]
    elif isinstance(value, list):
        inner = [place for index, each in enumerate(value) for place in places(each, (*path, index))]
    else:
        inner = []
    return [path, *inner] if path else inner


# What already stands somewhere, and so is likely to be nearly right elsewhere.
KNOWN = [
    SERVER_CALL,
    SERVER_RESULT,
    SUMMARY,
    *EDITS,
    TEXT,
    CALL,
    RESULT,
    ADD,
    COMPUTER,
    image(png(2, 2)),
    "text",
    "tool_use",
    "tool",
    "t1",
    "add",
    [],
    {},
]
VALUES = st.sampled_from(KNOWN) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """A good body with a few places changed, emptied or said twice."""
    body = copy.deepcopy(good)
    for *above, last in draw(st.lists(st.sampled_from(places(good)), min_size=1, max_size=4)):
        holder: Any = body
        for step in above:
            holder = holder[step] if has(holder, step) else None
        if not has(holder, last):
            continue
        match draw(st.sampled_from(["change", "remove", "repeat"])):
            case "change":
                holder[last] = copy.deepcopy(draw(VALUES))
            case "remove":
                del holder[last]
            case _ if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case _:
                pass
    return body


def has(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)


async def statuses(body: dict[str, Any], reply: ScriptedReply = REPLY) -> list[int]:
    """How a body is answered: whole, streamed, counted."""
    client = SigningClient(ScriptedClient(otherwise=reply), Sealer(bytes(32)))
    transport = httpx.ASGITransport(create_app(client))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        whole = await http.post("/v1/messages", json=body)
        streamed = await http.post("/v1/messages", json={**body, "stream": True})
        counted = await http.post("/v1/messages/count_tokens", json=body)
    if streamed.status_code == 200:
        assert "event: message_stop" in streamed.text
        assert "event: error" not in streamed.text
    return [whole.status_code, streamed.status_code, counted.status_code]


async def test_the_body_that_is_changed_is_good() -> None:
    assert await statuses(BODY) == [200, 200, 200]


@settings(max_examples=150, deadline=None)
@given(changed(BODY))
def test_whatever_is_sent_is_answered_or_refused(body: dict[str, Any]) -> None:
    answers = asyncio.run(statuses(body))
    choice = body.get("tool_choice")
    # A forced call that is not in the script is the script's own failure, so such bodies are only counted.
    is_forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    assert set(answers[2:] if is_forced else answers) <= {200, 400, 404}


HERE = "where the number stands"
PLACED: dict[str, dict[str, Any]] = {
    "input": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{**CALL, "input": {"a": HERE}}]},
            {"role": "user", "content": [RESULT]},
        ]
    },
    "input of the server's": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{**SERVER_CALL, "input": {"a": HERE}}, SERVER_RESULT]},
        ]
    },
    "input_schema": {"tools": [{**ADD, "input_schema": {"type": "object", "default": HERE}}]},
    "input_examples": {"tools": [{**ADD, "input_examples": [{"a": HERE}]}]},
    "schema": {"output_config": {"format": {"type": "json_schema", "schema": {"const": HERE}}}},
}


@pytest.mark.parametrize(
    ("number", "status"),
    [("1e400", 400), ("-1e400", 400), ("9" * 5_000, 400), ("9" * 400, 200), ("[" * 150 + "]" * 150, 200)],
)
@pytest.mark.parametrize("place", PLACED)
async def test_numbers_that_nobody_can_write_down_are_no_failure(
    number: str, status: int, place: str
) -> None:
    body = json.dumps({**BODY, **PLACED[place]}).replace(f'"{HERE}"', number)
    app = create_app(SigningClient(ScriptedClient(otherwise=REPLY), Sealer(bytes(32))))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        answer = await http.post("/v1/messages", content=body)
    assert answer.status_code == status
