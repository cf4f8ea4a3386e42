"""A memory that the server keeps: carried out in the reply, over restarts, apart for each key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.closing import closing
from caesura.messages.content import TextBlock, ToolResultBlock, ToolUseBlock
from caesura.messages.errors import OverloadedError
from caesura.messages.events import BlockStop, Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, Usage
from caesura.messages.scripted import (
    SCRIPTED_MODEL,
    ScriptedCall,
    ScriptedClient,
    ScriptedReply,
    prompt_length,
)
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.messages.validation import parse_request
from caesura.server import ServerConfig, create_app
from caesura.server.accounts import open_accounts
from caesura.server.backing import Backing
from caesura.server.database import default_url
from caesura.server.ledger_reports import decisions, usage_lines
from caesura.server.memory_client import MAX_ROUNDS, MemoryClient
from caesura.server.memory_store import MemoryStore
from caesura.server.prices import Prices

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
MEMORY: Any = {"type": "memory_20250818", "name": "memory", "executed_by": "server"}
ADD: Any = {"name": "add", "input_schema": {"type": "object"}}
HI: Any = [{"role": "user", "content": "Remember that I like tea."}]
NOTE = {"command": "create", "path": "/memories/tea.md", "file_text": "likes tea\n"}
VIEW = {"command": "view", "path": "/memories/tea.md"}


def memory(**given: Any) -> ScriptedCall:
    return ScriptedCall(name="memory", input=given)


def served(
    folder: Path | None, *replies: ScriptedReply | str, keys: tuple[str, ...] = ()
) -> tuple[FastAPI, ScriptedClient]:
    inner = ScriptedClient(replies)
    store = None if folder is None else MemoryStore(folder)
    signing = SigningClient(inner, Sealer(bytes(32)))
    return create_app(signing, ServerConfig(api_keys=keys), Backing(memory=store)), inner


def sdk(http: httpx.AsyncClient, key: str = "key", **headers: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(
        api_key=key, base_url=str(http.base_url), max_retries=0, default_headers=headers
    )


def fields(**more: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 200, "messages": HI, "tools": [MEMORY], **more}


async def test_the_server_carries_out_the_call_and_the_reply_goes_on(serve: Serve, tmp_path: Path) -> None:
    app, inner = served(tmp_path, ScriptedReply(text="Noting. ", calls=(memory(**NOTE),)), "Noted.")
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields())
    kinds = [block.type for block in message.content]
    assert kinds == ["text", "mcp_tool_use", "mcp_tool_result", "text"]
    body = message.model_dump()
    call, result = body["content"][1:3]
    assert (call["name"], call["input"]) == ("memory", NOTE)
    assert call["id"].startswith("mcptoolu_")
    assert result["tool_use_id"] == call["id"]
    assert "created" in result["content"][0]["text"]
    assert message.stop_reason == "end_turn"
    second = inner.history[1].conversation.turns
    assert [turn.role for turn in second] == ["user", "assistant", "user"]
    assert isinstance(second[-1].content[0], ToolResultBlock)
    assert not second[-1].content[0].is_server_run


async def test_a_stream_tells_what_the_whole_reply_tells(serve: Serve, tmp_path: Path) -> None:
    script = (ScriptedReply(thinking="hm hm", calls=(memory(**NOTE),)), "Noted.")
    thinking: Any = {"type": "enabled", "budget_tokens": 20}
    whole_app, _ = served(tmp_path / "one", *script)
    async with serve(whole_app) as http, sdk(http) as client:
        whole = await client.beta.messages.create(**fields(thinking=thinking))
    streamed_app, _ = served(tmp_path / "other", *script)
    async with (
        serve(streamed_app) as http,
        sdk(http) as client,
        client.beta.messages.stream(**fields(thinking=thinking)) as stream,
    ):
        streamed = await stream.get_final_message()
    ours, theirs = streamed.model_dump(), whole.model_dump()
    assert str(ours["content"]).replace(", 'parsed_output': None", "") == str(theirs["content"])
    assert ours["usage"] == theirs["usage"]


async def test_usage_is_the_sum_of_the_rounds_and_tells_each(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "All noted.")
    async with serve(app) as http, sdk(http) as client:
        usage = (await client.beta.messages.create(**fields())).usage
        counted = await client.beta.messages.count_tokens(model="claude-x", messages=HI, tools=[MEMORY])
    assert usage.iterations is not None
    first, second = usage.iterations
    assert [first.type, second.type] == ["message", "message"]
    assert first.input_tokens == counted.input_tokens
    assert usage.input_tokens == first.input_tokens + second.input_tokens
    assert usage.output_tokens == first.output_tokens + second.output_tokens


async def test_without_a_store_the_request_is_refused_by_name(serve: Serve) -> None:
    app, inner = served(None)
    async with serve(app) as http, sdk(http) as client:
        with pytest.raises(anthropic.BadRequestError, match="keeps no memory"):
            await client.beta.messages.create(**fields())
        with pytest.raises(anthropic.BadRequestError, match="keeps no memory"):
            await client.beta.messages.count_tokens(model="claude-x", messages=HI, tools=[MEMORY])
    assert not inner.history


async def test_without_asking_the_call_is_the_clients_own(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)))
    tool: Any = {"type": "memory_20250818", "name": "memory"}
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(tools=[tool]))
    assert message.stop_reason == "tool_use"
    assert message.content[0].type == "tool_use"
    assert not MemoryStore(tmp_path).all()


async def test_what_was_written_is_there_after_a_restart(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "Noted.")
    async with serve(app) as http, sdk(http) as client:
        await client.beta.messages.create(**fields())
    again, inner = served(tmp_path, ScriptedReply(calls=(memory(**VIEW),)), "Tea.")
    async with serve(again) as http, sdk(http) as client:
        await client.beta.messages.create(**fields())
    result = inner.history[1].conversation.turns[-1].content[0]
    assert isinstance(result, ToolResultBlock)
    assert "likes tea" in str(result.content)


async def test_two_keys_do_not_see_each_others_memory(serve: Serve, tmp_path: Path) -> None:
    script = (
        ScriptedReply(calls=(memory(**NOTE),)),
        "Noted.",
        ScriptedReply(calls=(memory(command="view", path="/memories"), memory(**VIEW))),
        "Nothing.",
    )
    app, inner = served(tmp_path, *script, keys=("one", "other"))
    async with serve(app) as http, sdk(http, "one") as one, sdk(http, "other") as other:
        await one.beta.messages.create(**fields())
        await other.beta.messages.create(**fields())
    listed, viewed = inner.history[3].conversation.turns[-1].content
    assert "is empty" in str(listed)
    assert isinstance(viewed, ToolResultBlock)
    assert viewed.is_error
    assert len(MemoryStore(tmp_path).all()) == 2


async def test_a_reply_that_is_sent_back_reads_as_it_was_written(serve: Serve, tmp_path: Path) -> None:
    script = (ScriptedReply(thinking="hm", calls=(memory(**NOTE),)), "Noted.", "Yes.")
    app, inner = served(tmp_path, *script)
    thinking: Any = {"type": "enabled", "budget_tokens": 20}
    async with serve(app) as http, sdk(http) as client:
        first = await client.beta.messages.create(**fields(thinking=thinking))
        history: Any = [*HI, first.to_param(), {"role": "user", "content": "Sure?"}]
        await client.beta.messages.create(**fields(messages=history, thinking=thinking))
    during, after = inner.history[1].conversation.turns, inner.history[2].conversation.turns
    assert after[:3] == during
    assert [turn.role for turn in after] == ["user", "assistant", "user", "assistant", "user"]


async def test_calls_of_both_kinds_leave_the_clients_own_to_it(serve: Serve, tmp_path: Path) -> None:
    calls = (memory(**NOTE), ScriptedCall(name="add", input={"a": 1}))
    app, inner = served(tmp_path, ScriptedReply(calls=calls), "Done.")
    tools = [MEMORY, ADD]
    async with serve(app) as http, sdk(http) as client:
        first = await client.beta.messages.create(**fields(tools=tools))
        kinds = [block.type for block in first.content]
        assert kinds == ["mcp_tool_use", "tool_use", "mcp_tool_result"]
        assert first.stop_reason == "tool_use"
        own = first.content[1].id  # type: ignore[union-attr]
        result = {"type": "tool_result", "tool_use_id": own, "content": "1"}
        history: Any = [*HI, first.to_param(), {"role": "user", "content": [result]}]
        await client.beta.messages.create(**fields(messages=history, tools=tools))
    _, assistant, user = inner.history[1].conversation.turns
    asked = [block.id for block in assistant.content if isinstance(block, ToolUseBlock)]
    answered = [block.tool_use_id for block in user.content if isinstance(block, ToolResultBlock)]
    assert asked == answered


async def test_after_many_rounds_the_reply_pauses_and_can_be_resumed(serve: Serve, tmp_path: Path) -> None:
    look = ScriptedReply(calls=(memory(command="view", path="/memories"),))
    app, inner = served(tmp_path, *([look] * MAX_ROUNDS), "Enough.")
    thinking: Any = {"type": "enabled", "budget_tokens": 20}
    async with serve(app) as http, sdk(http) as client:
        paused = await client.beta.messages.create(**fields(thinking=thinking))
        assert paused.stop_reason == "pause_turn"
        assert paused.content[-1].type == "mcp_tool_result"
        history: Any = [*HI, paused.to_param()]
        resumed = await client.beta.messages.create(**fields(messages=history))
    assert resumed.content[0].text == "Enough."  # type: ignore[union-attr]
    assert len(inner.history) == MAX_ROUNDS + 1
    assert not inner.history[-1].conversation.is_prefilled


class FullAt:
    """A Client that has no place for one of its requests."""

    def __init__(self, inner: ScriptedClient, number: int) -> None:
        self._inner = inner
        self._left = number

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        self._left -= 1
        if not self._left:
            raise OverloadedError("full")
        async for event in self._inner.stream(request):
            yield event

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self._inner.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._inner.models()


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_round_that_fails_after_the_memory_was_used_pauses_the_reply(
    serve: Serve, tmp_path: Path, is_streamed: bool
) -> None:
    """A client would repeat a request that failed, and the note would be written twice."""
    inner = ScriptedClient([ScriptedReply(calls=(memory(**NOTE),)), "Noted."])
    signing = SigningClient(FullAt(inner, 2), Sealer(bytes(32)))
    app = create_app(signing, ServerConfig(), Backing(memory=MemoryStore(tmp_path)))
    async with serve(app) as http, sdk(http) as client:
        if is_streamed:
            async with client.beta.messages.stream(**fields()) as stream:
                paused = await stream.get_final_message()
        else:
            paused = await client.beta.messages.create(**fields())
        assert paused.stop_reason == "pause_turn"
        assert [block.type for block in paused.content] == ["mcp_tool_use", "mcp_tool_result"]
        told: Any = [*HI, {"role": "assistant", "content": paused.content}]
        resumed = await client.beta.messages.create(**fields(messages=told))
    assert resumed.content[0].model_dump()["text"] == "Noted."
    assert len(inner.history) == 2


async def test_a_first_round_that_fails_is_an_error(serve: Serve, tmp_path: Path) -> None:
    app, _ = served(tmp_path, ScriptedReply(error=OverloadedError("full")))
    async with serve(app) as http, sdk(http) as client:
        with pytest.raises(anthropic.APIStatusError, match="full"):
            await client.beta.messages.create(**fields())


async def test_max_tokens_and_the_budget_hold_for_all_rounds_together(serve: Serve, tmp_path: Path) -> None:
    thought = "one two three four five six"
    look = ScriptedReply(thinking=thought, calls=(memory(command="view", path="/memories"),))
    app, inner = served(tmp_path, look, look, "Enough words for everyone here.")
    thinking: Any = {"type": "enabled", "budget_tokens": 8}
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(max_tokens=30, thinking=thinking))
    assert message.usage.output_tokens <= 30
    assert message.usage.output_tokens_details.thinking_tokens == 8  # type: ignore[union-attr]
    left = [request.max_tokens for request in inner.history]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 30
    assert [request.thinking.budget_tokens for request in inner.history] == [8, 2, None]


async def test_a_call_that_max_tokens_cut_off_is_not_carried_out(serve: Serve, tmp_path: Path) -> None:
    app, inner = served(tmp_path, ScriptedReply(calls=(memory(**NOTE),)), "Well.")
    async with serve(app) as http, sdk(http) as client:
        cut = await client.beta.messages.create(**fields(max_tokens=3))
        assert cut.stop_reason == "max_tokens"
        assert [block.type for block in cut.content] == ["mcp_tool_use"]
        history: Any = [*HI, cut.to_param(), {"role": "user", "content": "Go on."}]
        await client.beta.messages.create(**fields(messages=history))
    assert not MemoryStore(tmp_path).all()
    result = inner.history[1].conversation.turns[2].content[0]
    assert isinstance(result, ToolResultBlock)
    assert result.is_error


async def test_a_refused_command_is_told_to_the_model(serve: Serve, tmp_path: Path) -> None:
    app, inner = served(tmp_path, ScriptedReply(calls=(memory(command="view", path="/etc/passwd"),)), "No.")
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields())
    assert message.model_dump()["content"][1]["is_error"] is True
    result = inner.history[1].conversation.turns[-1].content[0]
    assert isinstance(result, ToolResultBlock)
    assert result.is_error


async def test_a_reply_that_is_left_between_rounds_tells_what_it_took(tmp_path: Path) -> None:
    inner = ScriptedClient([ScriptedReply(calls=(memory(**NOTE),)), "Noted."])
    told: list[Usage] = []
    request = replace(parse_request(fields()), when_cut=told.append)
    first = await inner.count_tokens(request)
    ended = 0
    async with closing(MemoryClient(inner, MemoryStore(tmp_path)).stream(request)) as events:
        async for event in events:
            ended += isinstance(event, BlockStop)
            if ended == 2:
                break
    assert [usage.input_tokens for usage in told] == [first]
    assert told[0].output_tokens > 0
    assert len(inner.history) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"type": "mcp_tool_result", "tool_use_id": "a", "content": "x"}], "unexpected `tool_use_id`"),
        ([{"type": "mcp_tool_use", "id": "a", "name": "web_search", "input": {}}], "mcp_tool_use.name"),
        (
            [{"type": "mcp_tool_use", "id": "a", "name": "memory", "server_name": "caesura", "input": {}}]
            * 2,
            "`mcp_tool_use` ids must be unique",
        ),
    ],
)
def test_replayed_calls_that_do_not_fit_are_refused(content: list[Any], reason: str) -> None:
    body = fields(messages=[*HI, {"role": "assistant", "content": content}, *HI])
    with pytest.raises(Exception, match=reason):
        parse_request(body)


def test_a_replayed_result_of_a_user_is_refused() -> None:
    block = {"type": "mcp_tool_result", "tool_use_id": "a", "content": "x"}
    with pytest.raises(Exception, match="only allowed in `assistant`"):
        parse_request(fields(messages=[{"role": "user", "content": [block]}]))


def test_a_text_block_is_what_a_result_holds() -> None:
    call = {"type": "mcp_tool_use", "id": "a", "name": "memory", "server_name": "caesura", "input": {}}
    result = {"type": "mcp_tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]}
    body = fields(messages=[*HI, {"role": "assistant", "content": [call, result]}])
    last = parse_request(body).conversation.turns[-1]
    assert last.role == "user"
    assert last.content == (ToolResultBlock(tool_use_id="a", content=(TextBlock(text="x"),)),)


async def test_every_call_is_in_the_audit_log_with_its_request(serve: Serve, tmp_path: Path) -> None:
    inner = ScriptedClient([ScriptedReply(calls=(memory(**NOTE), memory(**VIEW))), "Noted."])
    with open_accounts(default_url(tmp_path / "state"), Prices()) as accounts:
        backing = Backing(memory=MemoryStore(tmp_path / "memory"), accounts=accounts)
        async with serve(create_app(inner, backing=backing)) as http, sdk(http) as client:
            message = await client.beta.messages.create(**fields())
        accounts.ledger.flush()
        logged = decisions(accounts.database)
        (line,) = usage_lines(accounts.database, "model")
    calls = [block.id for block in message.content if block.type == "mcp_tool_use"]
    assert [row.tool_use_id for row in logged] == calls
    assert {(row.tool, row.request_id) for row in logged} == {("memory", message._request_id)}
    assert (line.input_tokens, line.output_tokens) == (
        message.usage.input_tokens,
        message.usage.output_tokens,
    )


async def test_a_memory_that_fails_is_told_to_the_model(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app, inner = served(tmp_path / "memory", ScriptedReply(calls=(memory(**NOTE),)), "Sorry.")
    # Where the folder should be made there is a file meanwhile.
    (tmp_path / "memory").write_text("x")
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields())
    assert message.stop_reason == "end_turn"
    result = inner.history[1].conversation.turns[-1].content[0]
    assert isinstance(result, ToolResultBlock)
    assert result.is_error
    assert "the memory could not be used" in caplog.text


async def test_a_conversation_that_fills_the_window_ends_there(serve: Serve, tmp_path: Path) -> None:
    long = NOTE | {"file_text": "x " * 150}
    window = prompt_length(parse_request(fields())) + 100
    small = replace(SCRIPTED_MODEL, max_input_tokens=window)
    inner = ScriptedClient([ScriptedReply(calls=(memory(**long),)), "Noted."], models=[small])
    app = create_app(inner, backing=Backing(memory=MemoryStore(tmp_path)))
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(max_tokens=300))
    assert message.stop_reason == "model_context_window_exceeded"
    assert message.content[-1].type == "mcp_tool_result"
    assert len(inner.history) == 1


async def test_edits_hold_for_every_round(serve: Serve, tmp_path: Path) -> None:
    look = ScriptedReply(calls=(memory(command="view", path="/memories"),))
    app, inner = served(tmp_path, look, look, look, "Done.")
    for number in range(40):
        given = {"command": "create", "path": f"/memories/f{number}.md", "file_text": "x"}
        MemoryStore(tmp_path).run("", given)
    clear = {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "tool_uses", "value": 1},
        "keep": {"type": "tool_uses", "value": 1},
    }
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(context_management={"edits": [clear]}))
    assert message.context_management is not None
    (applied,) = message.context_management.applied_edits
    assert applied.model_dump()["cleared_tool_uses"] == 2
    lengths = [await inner.count_tokens(request) for request in inner.history]
    assert lengths[3] - lengths[2] == lengths[2] - lengths[1] < lengths[1] - lengths[0]


async def test_what_is_summarised_between_rounds_stays_out(serve: Serve, tmp_path: Path) -> None:
    small = replace(SCRIPTED_MODEL, max_input_tokens=1_200)
    long = NOTE | {"file_text": "x " * 200}
    replies = [ScriptedReply(calls=(memory(**long),)), "Noted tea.", "All noted."]
    inner = ScriptedClient(replies, models=[small])
    app = create_app(inner, backing=Backing(memory=MemoryStore(tmp_path)))
    async with serve(app) as http, sdk(http) as client:
        counted = await client.beta.messages.count_tokens(model="claude-x", messages=HI, tools=[MEMORY])
        edit = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 300}}
        assert counted.input_tokens < 300
        message = await client.beta.messages.create(
            **fields(max_tokens=500, context_management={"edits": [edit]})
        )
        again: Any = [*HI, message.to_param(), {"role": "user", "content": "Sure?"}]
        last = await client.beta.messages.count_tokens(model="claude-x", messages=again, tools=[MEMORY])
    assert [block.type for block in message.content] == [
        "mcp_tool_use",
        "mcp_tool_result",
        "compaction",
        "text",
    ]
    assert message.usage.iterations is not None
    assert [each.type for each in message.usage.iterations] == ["message", "compaction", "message"]
    assert last.input_tokens < 300


async def test_a_reply_that_a_summary_split_can_be_answered_under_a_budget(
    serve: Serve, tmp_path: Path
) -> None:
    """Its thought went with what the summary stands for, and no budget was left for another."""
    small = replace(SCRIPTED_MODEL, max_input_tokens=1_200)
    long = NOTE | {"file_text": "x " * 200}
    thought = ScriptedReply(thinking="hm hm hm hm hm", calls=(memory(**long),))
    replies = [thought, "Noted tea.", ScriptedReply(calls=(ScriptedCall(name="add", input={}),)), "Yes."]
    inner = ScriptedClient(replies, models=[small])
    app = create_app(SigningClient(inner, Sealer(bytes(32))), backing=Backing(memory=MemoryStore(tmp_path)))
    compact = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 320}}
    asked = fields(
        max_tokens=700,
        tools=[MEMORY, ADD],
        thinking={"type": "enabled", "budget_tokens": 5},
        context_management={"edits": [compact]},
    )
    async with serve(app) as http, sdk(http) as client:
        first = await client.beta.messages.create(**asked)
        kinds = [block.type for block in first.content]
        assert kinds == ["thinking", "mcp_tool_use", "mcp_tool_result", "compaction", "tool_use"]
        result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "1"}  # type: ignore[union-attr]
        history: Any = [*HI, first.to_param(), {"role": "user", "content": [result]}]
        last = await client.beta.messages.create(**{**asked, "messages": history})
    assert last.content[-1].model_dump()["text"] == "Yes."
