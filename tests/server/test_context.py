"""Context management over HTTP, with the official SDK's beta namespace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.closing import closing
from caesura.messages.compaction import DEFAULT_INSTRUCTIONS, SUMMARY_HEADING
from caesura.messages.content import TextBlock, ToolResultBlock, text_of
from caesura.messages.context_client import ContextClient
from caesura.messages.context_edits import CLEARED_RESULT
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import BlockStop
from caesura.messages.fold import collect
from caesura.messages.iterations import billed
from caesura.messages.remote import RemoteClient
from caesura.messages.response import ModelInfo, Usage
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.messages.validation import parse_request
from caesura.server import create_app
from caesura.server.accounts import open_accounts
from caesura.server.backing import Backing
from caesura.server.database import default_url
from caesura.server.ledger_reports import usage_lines
from caesura.server.prices import Prices

Serve = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]
BETAS = ["context-management-2025-06-27"]
LONG = "word " * 30
LOOK: Any = {"name": "look", "input_schema": {"type": "object"}}
# A window in which summaries are due soon.
SMALL = replace(SCRIPTED_MODEL, max_input_tokens=400, max_tokens=300)
COMPACT: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 100}}


def served(
    *replies: ScriptedReply | str, model: ModelInfo = SCRIPTED_MODEL
) -> tuple[FastAPI, ScriptedClient]:
    inner = ScriptedClient(replies, models=[model])
    return create_app(SigningClient(inner, Sealer(bytes(32)))), inner


def sdk(http: httpx.AsyncClient) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="key", base_url=str(http.base_url), max_retries=0)


def loop(num_calls: int) -> list[Any]:
    turns: list[Any] = [{"role": "user", "content": "Do it."}]
    for number in range(num_calls):
        use = {"type": "tool_use", "id": f"c{number}", "name": "look", "input": {}}
        turns.append({"role": "assistant", "content": [use]})
        result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": LONG}
        turns.append({"role": "user", "content": [result]})
    return turns


def edits(*given: Any) -> Any:
    return {"edits": list(given)}


CLEAR: Any = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "tool_uses", "value": 3},
    "keep": {"type": "tool_uses", "value": 1},
}


def fields(**more: Any) -> dict[str, Any]:
    body = {"model": "claude-x", "max_tokens": 100, "messages": loop(5), "tools": [LOOK], "betas": BETAS}
    return {**body, **more}


async def test_old_results_are_cleared_and_the_reply_says_so(serve: Serve) -> None:
    app, inner = served("Done.")
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(context_management=edits(CLEAR)))
    saved = 4 * (30 - len(CLEARED_RESULT.split()))
    assert message.context_management is not None
    assert message.context_management.model_dump() == {
        "applied_edits": [
            {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 4, "cleared_input_tokens": saved}
        ]
    }
    blocks = [block for turn in inner.history[0].conversation.turns for block in turn.content]
    results = [block.content[0] for block in blocks if isinstance(block, ToolResultBlock)]
    assert [block.text for block in results if isinstance(block, TextBlock)] == [CLEARED_RESULT] * 4 + [LONG]


async def test_a_stream_says_it_in_its_last_delta(serve: Serve) -> None:
    app, _ = served("Done.", "Done.")
    async with serve(app) as http, sdk(http) as client:
        whole = await client.beta.messages.create(**fields(context_management=edits(CLEAR)))
        async with client.beta.messages.stream(**fields(context_management=edits(CLEAR))) as stream:
            events = [event async for event in stream]
            streamed = await stream.get_final_message()
    assert streamed.context_management == whole.context_management
    delta = next(event for event in events if event.type == "message_delta")
    assert delta.context_management == whole.context_management
    start = next(event for event in events if event.type == "message_start")
    assert start.message.context_management is None


async def test_what_is_counted_is_what_is_billed(serve: Serve) -> None:
    app, _ = served("Done.", "Done.")
    async with serve(app) as http, sdk(http) as client:
        asked = fields(context_management=edits(CLEAR))
        del asked["max_tokens"]
        counted = await client.beta.messages.count_tokens(**asked)
        message = await client.beta.messages.create(**asked, max_tokens=100)
        plain = await client.beta.messages.create(**fields())
    assert counted.input_tokens == message.usage.input_tokens
    assert counted.context_management is not None
    assert counted.context_management.original_input_tokens == plain.usage.input_tokens
    (applied,) = message.context_management.applied_edits  # type: ignore[union-attr]
    assert plain.usage.input_tokens - message.usage.input_tokens == applied.cleared_input_tokens
    assert plain.context_management is None


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "disabled"}, None])
async def test_keeping_all_thoughts_is_fine_however_the_model_thinks(serve: Serve, thinking: Any) -> None:
    app, inner = served("Done.")
    keep_all = {"type": "clear_thinking_20251015", "keep": "all"}
    more = {} if thinking is None else {"thinking": thinking}
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(context_management=edits(keep_all), **more))
    assert message.context_management is not None
    assert message.context_management.applied_edits == []
    assert not inner.history[0].context_edits


async def test_old_thoughts_are_cleared_before_anybody_verifies_them(serve: Serve) -> None:
    app, inner = served(ScriptedReply(thinking="easy", text="Done."))
    thought = {"type": "thinking", "thinking": "hm hm hm", "signature": "forged"}
    told = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "1."}]},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "2."},
        {"role": "user", "content": "Three?"},
    ]
    clear = {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}}
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(
            **fields(messages=told, thinking={"type": "adaptive"}, context_management=edits(clear))
        )
    (applied,) = message.context_management.applied_edits  # type: ignore[union-attr]
    assert applied.model_dump()["cleared_thinking_turns"] == 1
    assert message.input_transformations is None
    assert [len(turn.content) for turn in inner.history[0].conversation.turns] == [1] * 5


REFUSED: dict[str, tuple[list[Any], str]] = {
    "an unknown edit": (
        [{"type": "clear_all"}],
        r"^context_management\.edits\.0\.type: Input tag 'clear_all'",
    ),
    "a keep of another kind": (
        [{**CLEAR, "keep": {"type": "turns", "value": 1}}],
        r"^context_management\.edits\.0\.clear_tool_uses_20250919\.keep\.type: ",
    ),
    "a keep below 0": (
        [{**CLEAR, "keep": {"type": "tool_uses", "value": -1}}],
        r"edits\.0\.clear_tool_uses_20250919\.keep\.value: .* greater than or equal to 0",
    ),
    "a trigger of 0": (
        [{**CLEAR, "trigger": {"type": "input_tokens", "value": 0}}],
        r"clear_tool_uses_20250919\.trigger\.input_tokens\.value: ",
    ),
    "a trigger of another kind": (
        [{**CLEAR, "trigger": {"type": "hours", "value": 1}}],
        r"clear_tool_uses_20250919\.trigger\.type: ",
    ),
    "a number as text": (
        [{**CLEAR, "clear_at_least": {"type": "input_tokens", "value": "9"}}],
        r"clear_at_least\.value: Input should be a valid integer",
    ),
    "no thinking": (
        [{"type": "clear_thinking_20251015"}],
        r"^context_management\.edits\.0: `clear_thinking_20251015` needs `thinking`",
    ),
    "no turn": (
        [{"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 0}}],
        r"clear_thinking_20251015\.keep\.thinking_turns\.value: ",
    ),
    "thoughts not first": (
        [CLEAR, {"type": "clear_thinking_20251015", "keep": "all"}],
        r"^context_management\.edits\.1: `clear_thinking_20251015` must be the first",
    ),
    "an edit twice": ([CLEAR, CLEAR], r"^context_management\.edits\.1: .* only once"),
    "a trigger of uses": (
        [{**COMPACT, "trigger": {"type": "tool_uses", "value": 9}}],
        r"^context_management\.edits\.0\.compact_20260112\.trigger\.type: ",
    ),
}


@pytest.mark.parametrize(("given", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_edit_that_cannot_be_honoured_is_refused_by_name(given: list[Any], reason: str) -> None:
    body = fields(context_management=edits(*given))
    with pytest.raises(InvalidRequestError, match=reason):
        parse_request(body)


async def test_a_summary_is_due_from_a_quarter_of_a_small_window(serve: Serve) -> None:
    low: Any = {**COMPACT, "trigger": {"type": "input_tokens", "value": 99}}
    app, inner = served(model=SMALL)
    large, _ = served()
    for server, least in ((app, 100), (large, 50_000)):
        async with serve(server) as http, sdk(http) as client:
            with pytest.raises(anthropic.BadRequestError, match=f"greater than or equal to {least}"):
                await client.beta.messages.create(**fields(context_management=edits(low)))
    assert not inner.history


async def test_a_long_conversation_is_summarised_and_then_answered(serve: Serve) -> None:
    app, inner = served("They looked five times.", "All is done.", model=SMALL)
    told = [
        *loop(5),
        {"role": "assistant", "content": "So?"},
        {"role": "user", "content": "What came of it?"},
    ]
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(
            **fields(messages=told, context_management=edits(COMPACT))
        )
    block, text = message.content
    assert block.type == "compaction"
    summary = "They looked five times.\n\nThe user's last message, word for word:\nWhat came of it?"
    assert block.content == summary
    assert text.text == "All is done."  # type: ignore[union-attr]
    assert message.stop_reason == "end_turn"
    asked, answered = inner.history
    assert text_of(asked.conversation.turns[-1].content).endswith(DEFAULT_INSTRUCTIONS)
    assert (asked.thinking.mode, asked.tool_choice.mode) == ("disabled", "none")
    assert [text_of(turn.content) for turn in answered.conversation.turns] == [
        f"{SUMMARY_HEADING}\n{summary}"
    ]
    assert answered.conversation.tools == asked.conversation.tools
    # Nothing was cleared; a summary is told of by its block.
    assert message.context_management.applied_edits == []  # type: ignore[union-attr]


async def test_usage_tells_both_passes(serve: Serve) -> None:
    app, inner = served("They looked five times.", "All is done.", model=SMALL)
    async with serve(app) as http, sdk(http) as client:
        usage = (await client.beta.messages.create(**fields(context_management=edits(COMPACT)))).usage
    asked, answered = [await inner.count_tokens(request) for request in inner.history]
    assert usage.iterations is not None
    assert [(each.type, each.input_tokens, each.output_tokens) for each in usage.iterations] == [
        ("compaction", asked, 4),
        ("message", answered, 3),
    ]
    assert (usage.input_tokens, usage.output_tokens) == (answered, 3)


# What the user asked is kept word for word, though results of tools came after it.
SUMMARY = "They looked.\n\nThe user's last message, word for word:\nDo it."


async def test_a_stream_begins_with_the_summary(serve: Serve) -> None:
    app, _ = served("They looked.", "Done.", "They looked.", "Done.", model=SMALL)
    asked = fields(context_management=edits(COMPACT))
    async with serve(app) as http, sdk(http) as client:
        whole = await client.beta.messages.create(**asked)
        async with client.beta.messages.stream(**asked) as stream:
            events = [event async for event in stream]
            streamed = await stream.get_final_message()
    assert streamed.model_dump()["content"][0] == whole.model_dump()["content"][0]
    assert streamed.content[1].text == "Done."  # type: ignore[union-attr]
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    assert deltas[0].model_dump(exclude_none=True) == {"type": "compaction_delta", "content": SUMMARY}
    assert [event.type for event in events].count("message_start") == 1


async def test_the_summary_takes_the_place_of_what_came_before(serve: Serve) -> None:
    app, inner = served("They looked.", "Done.", "Yes.", "Yes.", model=SMALL)
    async with serve(app) as http, sdk(http) as client:
        first = await client.beta.messages.create(**fields(context_management=edits(COMPACT)))
        told: Any = [*loop(5), first.to_param(), {"role": "user", "content": "Sure?"}]
        await client.beta.messages.create(**fields(messages=told))
        # What came before may be left out.
        await client.beta.messages.create(**fields(messages=told[-2:]))
    whole, short = inner.history[2:]
    assert whole.conversation == short.conversation
    turns = [(turn.role, text_of(turn.content)) for turn in whole.conversation.turns]
    assert turns == [("user", f"{SUMMARY_HEADING}\n{SUMMARY}"), ("assistant", "Done."), ("user", "Sure?")]


async def test_a_reply_may_pause_after_the_summary_and_go_on_from_it(serve: Serve) -> None:
    app, inner = served("They looked.", "Done.", model=SMALL)
    pausing = {**COMPACT, "pause_after_compaction": True, "instructions": "Be brief."}
    async with serve(app) as http, sdk(http) as client:
        paused = await client.beta.messages.create(**fields(context_management=edits(pausing)))
        assert paused.stop_reason == "compaction"
        assert [block.type for block in paused.content] == ["compaction"]
        assert paused.usage.iterations is not None
        assert [each.type for each in paused.usage.iterations] == ["compaction"]
        assert (paused.usage.input_tokens, paused.usage.output_tokens) == (0, 0)
        resumed = await client.beta.messages.create(**fields(messages=[*loop(5), paused.to_param()]))
    assert resumed.content[0].text == "Done."  # type: ignore[union-attr]
    assert text_of(inner.history[0].conversation.turns[-1].content).endswith("Be brief.")
    assert [turn.role for turn in inner.history[1].conversation.turns] == ["user"]


async def test_a_summary_that_is_cut_off_is_none_and_the_conversation_stays(serve: Serve) -> None:
    app, inner = served("on and on " * 200, "Done.", "Yes.", model=SMALL)
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(**fields(context_management=edits(COMPACT)))
        told: Any = [*loop(5), message.to_param(), {"role": "user", "content": "Sure?"}]
        await client.beta.messages.create(**fields(messages=told))
    assert message.content[0].content is None  # type: ignore[union-attr]
    assert message.content[1].text == "Done."  # type: ignore[union-attr]
    assert inner.history[1].conversation == parse_request(fields()).conversation
    assert len(inner.history[2].conversation.turns) == len(loop(5)) + 2


async def test_below_the_trigger_nothing_is_summarised(serve: Serve) -> None:
    app, inner = served("Done.", model=SMALL)
    async with serve(app) as http, sdk(http) as client:
        message = await client.beta.messages.create(
            **fields(messages=loop(1), context_management=edits(COMPACT))
        )
    assert [block.type for block in message.content] == ["text"]
    assert message.usage.iterations is None
    assert len(inner.history) == 1


async def test_counting_writes_no_summary(serve: Serve) -> None:
    app, inner = served(model=SMALL)
    asked = fields(context_management=edits(COMPACT))
    del asked["max_tokens"]
    async with serve(app) as http, sdk(http) as client:
        counted = await client.beta.messages.count_tokens(**asked)
    assert counted.input_tokens == counted.context_management.original_input_tokens  # type: ignore[union-attr]
    assert not inner.history


async def test_the_ledger_charges_the_summary_too(serve: Serve, tmp_path: Path) -> None:
    inner = ScriptedClient(["They looked.", "Done."], models=[SMALL])
    with open_accounts(default_url(tmp_path), Prices()) as accounts:
        app = create_app(inner, backing=Backing(accounts=accounts))
        async with serve(app) as http, sdk(http) as client:
            await client.beta.messages.create(**fields(context_management=edits(COMPACT)))
        accounts.ledger.flush()
        (row,) = usage_lines(accounts.database, "model")
    expected = sum([await inner.count_tokens(request) for request in inner.history])
    assert (row.input_tokens, row.output_tokens) == (expected, 3)


async def test_a_reply_that_is_left_behind_its_summary_tells_what_it_took() -> None:
    inner = ScriptedClient(["They looked.", "Done."], models=[SMALL])
    told: list[Usage] = []
    body = fields(context_management=edits(COMPACT), model="scripted")
    request = replace(parse_request(body), when_cut=told.append)
    async with closing(ContextClient(inner).stream(request)) as events:
        async for event in events:
            if isinstance(event, BlockStop):
                break
    (usage,) = told
    assert billed(usage).input_tokens == await inner.count_tokens(inner.history[0])
    assert (usage.input_tokens, billed(usage).output_tokens) == (0, 2)


async def test_a_client_of_ours_passes_edits_on_and_reads_what_was_done(serve: Serve) -> None:
    app, inner = served("They looked.", "Done.", "Done.", model=SMALL)
    async with serve(app) as http, RemoteClient(str(http.base_url), "key") as client:
        summarised = parse_request(fields(context_management=edits(COMPACT), model="scripted"))
        first = await collect(client.stream(summarised))
        cleared = parse_request(fields(context_management=edits(CLEAR), model="scripted"))
        second = await collect(client.stream(cleared))
    assert first.usage.iterations[0].kind == "compaction"
    assert billed(first.usage).output_tokens == 3
    assert second.applied_edits is not None
    assert second.applied_edits[0].num_cleared == 4
    assert len(inner.history) == 3


async def test_a_client_of_ours_is_told_what_was_cleared_while_the_cache_was_warmed(serve: Serve) -> None:
    app, _ = served("Done.")
    warm = parse_request(fields(context_management=edits(CLEAR), model="scripted", max_tokens=0))
    async with serve(app) as http, RemoteClient(str(http.base_url), "key") as client:
        message = await collect(client.stream(warm))
    assert [each.num_cleared for each in message.applied_edits or ()] == [4]


def test_what_is_refused_behind_a_summary_is_named_by_its_place_in_the_body() -> None:
    compaction = {"type": "compaction", "content": "They looked."}
    told: list[Any] = [
        *loop(2),
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a"}, compaction, {"type": "text", "text": " "}],
        },
        {"role": "user", "content": "b"},
    ]
    with pytest.raises(InvalidRequestError, match=r"^messages\.5\.content\.2\.text: "):
        parse_request(fields(messages=told))
    told[5]["content"][2]["text"] = "c"
    told[6]["content"] = [{"type": "text", "text": " "}]
    with pytest.raises(InvalidRequestError, match=r"^messages\.6\.content\.0\.text: "):
        parse_request(fields(messages=told))


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_summary_is_the_assistants_and_not_empty(role: str) -> None:
    empty = {"type": "compaction", "content": "" if role == "assistant" else "x"}
    told = [{"role": "user", "content": "a"}, {"role": role, "content": [empty]}]
    reason = r"compaction\.content" if role == "assistant" else "only allowed in `assistant` messages"
    with pytest.raises(InvalidRequestError, match=reason):
        parse_request(fields(messages=told))
