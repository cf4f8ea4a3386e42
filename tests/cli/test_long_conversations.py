"""Context management and the memory on a real engine: what is counted is what is computed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from caesura.cli.bundled import BUNDLED_NAME, bundled_folder
from caesura.cli.dtypes import Loading
from caesura.cli.local import local_client
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.server import create_app
from caesura.server.backing import Backing
from caesura.server.memory_store import MemoryStore

PAGE = 32
LOOK: Any = {"name": "look", "input_schema": {"type": "object"}}
MEMORY: Any = {"type": "memory_20250818", "name": "memory", "executed_by": "server"}
CLEAR: Any = {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 3}}
FOLDERS = ["random", pytest.param(BUNDLED_NAME, marks=pytest.mark.slow)]


@pytest.fixture(params=FOLDERS)
async def client(
    request: pytest.FixtureRequest, long_folder: Path, tmp_path: Path
) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    """The official SDK, before a model of random weights, or the bundled one."""
    is_bundled = request.param == BUNDLED_NAME
    folder = bundled_folder() if is_bundled else long_folder
    # A window of a few thousand tokens, which a test can fill.
    loading = Loading(kv_bytes=8_000_000 if is_bundled else 1_000_000)
    with local_client({"m": folder}, num_threads=1, loading=loading) as inner:
        backing = Backing(memory=MemoryStore(tmp_path / "memory"))
        app = create_app(SigningClient(inner, Sealer(bytes(32))), backing=backing)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield anthropic.AsyncAnthropic(
                api_key="key", base_url="http://localhost", max_retries=0, http_client=http
            )


def loop(num_calls: int) -> list[Any]:
    turns: list[Any] = [{"role": "user", "content": "the sum"}]
    for number in range(num_calls):
        use = {"type": "tool_use", "id": f"c{number}", "name": "look", "input": {"q": number}}
        result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": "and so on " * 30}
        turns += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return turns


def total(usage: Any) -> int:
    return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens


async def test_what_is_cleared_is_neither_computed_nor_billed(client: anthropic.AsyncAnthropic) -> None:
    asked: Any = {"model": "m", "messages": loop(5), "tools": [LOOK]}
    edited: Any = {**asked, "context_management": {"edits": [CLEAR]}}
    counted = await client.beta.messages.count_tokens(**edited)
    whole = await client.beta.messages.create(**asked, max_tokens=4)
    first = await client.beta.messages.create(**edited, max_tokens=4)
    second = await client.beta.messages.create(**edited, max_tokens=4)
    assert counted.input_tokens == total(first.usage) == total(second.usage)
    assert counted.context_management.original_input_tokens == total(whole.usage)  # type: ignore[union-attr]
    assert first.context_management is not None
    (applied,) = first.context_management.applied_edits
    assert applied.cleared_input_tokens == total(whole.usage) - total(first.usage)
    # The first cleared result parts the prompt from what is in the cache; the same clearing does not.
    assert first.usage.cache_read_input_tokens < counted.input_tokens // 2  # type: ignore[operator]
    assert second.usage.cache_read_input_tokens == (counted.input_tokens - 1) // PAGE * PAGE


async def test_a_summary_is_written_by_the_same_model_and_read_by_it(
    client: anthropic.AsyncAnthropic,
) -> None:
    window = (await client.models.list()).data[0].max_input_tokens or 0
    least = min(50_000, window // 4)
    edit: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": least}}
    told = [{"role": "user", "content": "and so on, the sum of two numbers is a number. " * (least // 9)}]
    asked: Any = {"model": "m", "messages": told, "max_tokens": 4, "stop_sequences": ["e"]}
    counted = await client.beta.messages.count_tokens(model="m", messages=told)  # type: ignore[arg-type]
    assert counted.input_tokens >= least
    message = await client.beta.messages.create(**asked, context_management={"edits": [edit]})
    assert message.content[0].type == "compaction"
    assert message.usage.iterations is not None
    summary, answer = message.usage.iterations
    assert (summary.type, answer.type) == ("compaction", "message")
    assert total(summary) > counted.input_tokens
    if message.content[0].content is not None:
        assert total(answer) < total(summary)
    again = [*told, message.to_param(), {"role": "user", "content": "so"}]
    short = await client.beta.messages.count_tokens(model="m", messages=again)  # type: ignore[arg-type]
    is_shorter = short.input_tokens < counted.input_tokens
    assert is_shorter == (message.content[0].content is not None)


async def test_a_form_that_cannot_be_had_is_refused_before_the_summary(
    client: anthropic.AsyncAnthropic,
) -> None:
    window = (await client.models.list()).data[0].max_input_tokens or 0
    least = min(50_000, window // 4)
    edit: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": least}}
    told: Any = [
        {"role": "user", "content": "and so on, the sum of two numbers is a number. " * (least // 9)}
    ]
    schema = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    form: Any = {"format": {"type": "json_schema", "schema": schema}}
    # As a status, not in a stream that has begun.
    with pytest.raises(anthropic.BadRequestError, match=r"output_config\.format.*uniqueItems"):
        await client.beta.messages.create(
            model="m",
            messages=told,
            max_tokens=4,
            stream=True,
            output_config=form,
            context_management={"edits": [edit]},
        )


async def test_a_forced_call_of_the_memory_can_be_carried_out(client: anthropic.AsyncAnthropic) -> None:
    asked: Any = {
        "model": "m",
        "max_tokens": 600,
        "tools": [MEMORY],
        "tool_choice": {"type": "tool", "name": "memory", "disable_parallel_tool_use": True},
        "messages": [{"role": "user", "content": "Remember that I like tea."}],
    }
    message = await client.beta.messages.create(**asked)
    call = message.content[0]
    assert call.type == "mcp_tool_use"
    if message.stop_reason != "max_tokens":
        given = json.loads(json.dumps(call.input))
        path = str(given.get("path", given.get("old_path")))
        assert path.startswith("/memories")
        assert message.content[1].type == "mcp_tool_result"
        assert message.usage.iterations is not None
        assert len(message.usage.iterations) >= 2


async def test_a_reply_may_fill_the_window_if_the_client_says_so(client: anthropic.AsyncAnthropic) -> None:
    info = (await client.models.list()).data[0]
    window = info.max_input_tokens or 0
    told: Any = [{"role": "user", "content": "x"}]
    size = (await client.beta.messages.count_tokens(model="m", messages=told)).input_tokens
    asked: Any = {"model": "m", "max_tokens": window - size + 1, "stop_sequences": ["e"], "messages": told}
    with pytest.raises(anthropic.BadRequestError, match="exceed context limit"):
        await client.beta.messages.create(**asked, timeout=60)
    filled = await client.beta.messages.create(
        **asked, betas=["model-context-window-exceeded-2025-08-26"], timeout=60
    )
    assert filled.stop_reason in ("stop_sequence", "end_turn", "model_context_window_exceeded")
