"""The header that switches the server's memory on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import pytest

from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.server import create_app
from caesura.server.accounts import open_accounts
from caesura.server.backing import Backing
from caesura.server.batch_store import BatchStore
from caesura.server.database import default_url
from caesura.server.memory_store import MemoryStore
from caesura.server.prices import Prices
from tests.server.test_memory_client import HI, NOTE, Serve, fields, memory, sdk, served


async def test_a_header_switches_the_memory_on_for_a_plain_client(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "Noted.")
    async with serve(app) as http, sdk(http, **{"caesura-memory": "on"}) as client:
        message = await client.messages.create(model="claude-x", max_tokens=200, messages=HI)
    assert [block.type for block in message.content][-1] == "text"
    assert MemoryStore(tmp_path).all()[0].entries[0].names == ("tea.md",)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "memory"}])
async def test_what_a_header_adds_may_be_demanded(serve: Serve, tmp_path: Path, choice: Any) -> None:
    app, inner = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "Noted.")
    async with serve(app) as http, sdk(http, **{"caesura-memory": "on"}) as client:
        await client.messages.create(model="claude-x", max_tokens=200, messages=HI, tool_choice=choice)
    assert [request.tool_choice.mode for request in inner.history] == [choice["type"], "auto"]


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([{"name": "memory", "input_schema": {"type": "object"}}], "Tool names must be unique"),
        ("all of them", "tools: Input should be a valid"),
        ({}, "tools: Input should be a valid"),
        (0, "tools: Input should be a valid"),
        ([7], r"tools\.0"),
    ],
)
async def test_tools_that_the_header_cannot_join_are_refused(
    serve: Serve, tmp_path: Path, tools: Any, message: str
) -> None:
    app, _ = served(tmp_path)
    async with serve(app) as http, sdk(http, **{"caesura-memory": "on"}) as client:
        with pytest.raises(anthropic.BadRequestError, match=message):
            await client.messages.create(model="claude-x", max_tokens=200, messages=HI, tools=tools)


async def test_the_header_has_the_clients_own_memory_tool_carried_out_here(
    serve: Serve, tmp_path: Path
) -> None:
    app, inner = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "Noted.")
    own: Any = {"type": "memory_20250818", "name": "memory", "cache_control": {"type": "ephemeral"}}
    async with serve(app) as http, sdk(http, **{"caesura-memory": "on"}) as client:
        message = await client.beta.messages.create(**fields(tools=[own]))
    assert message.stop_reason == "end_turn"
    (tool,) = inner.history[0].conversation.tools
    assert tool.cache_control is not None


async def test_a_header_that_is_neither_on_nor_off_is_refused(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path)
    async with serve(app) as http, sdk(http, **{"caesura-memory": "maybe"}) as client:
        with pytest.raises(anthropic.BadRequestError, match="caesura-memory"):
            await client.messages.create(model="claude-x", max_tokens=200, messages=HI)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages/batches"])
async def test_where_the_header_has_no_effect_it_is_refused(tmp_path: Path, serve: Serve, path: str) -> None:
    with open_accounts(default_url(tmp_path), Prices()) as accounts:
        backing = Backing(batches=BatchStore(accounts.database), memory=MemoryStore(tmp_path / "memory"))
        app = create_app(ScriptedClient(otherwise="Yes."), backing=backing)
        async with serve(app) as http:
            body = {"model": "claude-x", "messages": HI}
            response = await http.post(path, json=body, headers={"caesura-memory": "on"})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("caesura-memory: the header has no effect here")
