"""Replies on an account: what they cost, whatever becomes of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import Conversation, TextBlock, Tool, conversation
from caesura.messages.context_client import ContextClient
from caesura.messages.context_management import Compaction
from caesura.messages.errors import ApiError, OverloadedError, RateLimitError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
)
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Thinking
from caesura.messages.response import ModelInfo, Usage
from caesura.messages.scripted import (
    SCRIPTED_MODEL,
    ScriptedCall,
    ScriptedClient,
    ScriptedReply,
    prompt_length,
)
from caesura.server.accounts import Accounts, open_accounts
from caesura.server.caller import Caller
from caesura.server.ledger import ToolDecision, UsageRow, tool_decisions, usage
from caesura.server.ledger_writer import LedgerWriter
from caesura.server.limits import Limits
from caesura.server.metering import BilledClient, Call

CALLER = Caller(key_id="key_1", workspace="home", tenant="workspace home")
CALL = Call(request_id="req_1", caller=CALLER)
TALK = conversation(("user", "one two three"))


@pytest.fixture
def accounts(database_url: str) -> Iterator[Accounts]:
    with open_accounts(database_url) as opened:
        yield opened


def ask(talk: Conversation = TALK, **fields: Any) -> MessagesRequest:
    given: dict[str, Any] = {"model": "scripted", "conversation": talk, "max_tokens": 50, **fields}
    return MessagesRequest(**given)


def rows(accounts: Accounts) -> list[UsageRow]:
    assert accounts.ledger.flush(60)
    with accounts.database.connect() as connection:
        query = select(usage).order_by(usage.c.started_ms, usage.c.request_id)
        return [UsageRow(**row) for row in connection.execute(query).mappings()]


def decided(accounts: Accounts) -> list[ToolDecision]:
    assert accounts.ledger.flush(60)
    with accounts.database.connect() as connection:
        query = select(tool_decisions).order_by(tool_decisions.c.position)
        return [ToolDecision(**row) for row in connection.execute(query).mappings()]


class KnowingClient:
    """A Client that says exactly what a reply took that was left, as the engine does.

    usages: at the start, when left, and at the end.
    """

    def __init__(self, start: Usage, left: Usage, end: Usage) -> None:
        self._start, self._left, self._end = start, left, end

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        is_whole = False
        try:
            yield MessageStart(id="msg_1", model=request.model, usage=self._start)
            yield BlockStart(index=0, block=TextBlock(text=""))
            yield TextDelta(index=0, text="several tokens in one delta")
            yield BlockStop(index=0)
            yield MessageDelta(stop_reason="end_turn", stop_sequence=None, usage=self._end)
            is_whole = True
            yield MessageStop()
        finally:
            if not is_whole and request.when_cut is not None:
                request.when_cut(self._left)

    async def count_tokens(self, request: MessagesRequest) -> int:
        return self._start.prompt_tokens

    async def models(self) -> Sequence[ModelInfo]:
        return []


async def left_after(events: AsyncIterator[Event], wanted: type[Event]) -> None:
    async with closing(events):
        async for event in events:
            if isinstance(event, wanted):
                return


async def test_a_complete_reply_is_a_row(accounts: Accounts) -> None:
    client = BilledClient(ScriptedClient([ScriptedReply(text="a b c", thinking="x y")]), CALL, accounts)
    request = ask(thinking=Thinking(mode="enabled", budget_tokens=20))
    message = await collect(client.stream(request))
    (row,) = rows(accounts)
    assert (row.request_id, row.key_id, row.workspace, row.model) == ("req_1", "key_1", "home", "scripted")
    assert (row.status, row.stop_reason, row.service_tier) == ("complete", "end_turn", "standard")
    assert (row.input_tokens, row.output_tokens, row.thinking_tokens) == (
        message.usage.input_tokens,
        message.usage.output_tokens,
        message.usage.thinking_tokens,
    )
    assert row.output_tokens == 5
    assert row.cost_micros == message.usage.input_tokens * 1 + 5 * 5
    assert row.started_ms <= row.ended_ms


async def test_it_is_charged_before_its_reader_can_know_that_it_is_over(accounts: Accounts) -> None:
    events = BilledClient(ScriptedClient(["a"]), CALL, accounts).stream(ask())
    async with closing(events):
        while not isinstance(await anext(events), MessageDelta):
            assert rows(accounts) == []
        assert len(rows(accounts)) == 1
    assert len(rows(accounts)) == 1, "and only once"


async def test_every_kind_of_token_reaches_its_column(accounts: Accounts) -> None:
    end = Usage(
        input_tokens=1,
        cache_read_input_tokens=20,
        cache_creation_input_tokens=300,
        cache_creation_1h_input_tokens=100,
        output_tokens=4000,
        thinking_tokens=1500,
    )
    await collect(BilledClient(KnowingClient(end, end, end), CALL, accounts).stream(ask()))
    (row,) = rows(accounts)
    counts = (row.input_tokens, row.cache_read_tokens, row.cache_write_5m_tokens, row.cache_write_1h_tokens)
    assert counts == (1, 20, 200, 100)
    assert (row.output_tokens, row.thinking_tokens) == (4000, 1500)
    assert row.cost_micros == 1 + 2 + 250 + 200 + 4000 * 5


async def test_a_batch_is_charged_at_its_own_rate(accounts: Accounts) -> None:
    call = Call(request_id="req_1", caller=CALLER, service_tier="batch")
    end = Usage(input_tokens=1000, output_tokens=100)
    await collect(BilledClient(KnowingClient(end, end, end), call, accounts).stream(ask()))
    (row,) = rows(accounts)
    assert (row.service_tier, row.cost_micros) == ("batch", 750)


async def test_a_reply_that_is_left_costs_what_was_generated_till_then(accounts: Accounts) -> None:
    start, left, end = (
        Usage(input_tokens=10),
        Usage(input_tokens=4, cache_read_input_tokens=6, output_tokens=9),
        Usage(input_tokens=10, output_tokens=99),
    )
    client = BilledClient(KnowingClient(start, left, end), CALL, accounts)
    await left_after(client.stream(ask()), TextDelta)
    (row,) = rows(accounts)
    assert (row.status, row.stop_reason) == ("cut", None)
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (4, 6, 9)
    assert row.cost_micros == round(4 + 0.6 + 9 * 5)


async def test_where_the_client_below_does_not_know_deltas_are_counted(accounts: Accounts) -> None:
    client = BilledClient(ScriptedClient([ScriptedReply(text="a b c d e")]), CALL, accounts)
    events = client.stream(ask())
    async with closing(events):
        for _ in range(4):  # start, block, two deltas
            await anext(events)
    (row,) = rows(accounts)
    assert (row.status, row.output_tokens) == ("cut", 2)


async def test_a_reply_whose_reader_is_cancelled_is_cut_too(accounts: Accounts) -> None:
    pause = asyncio.Event()
    inner = ScriptedClient([ScriptedReply(text="never", pause=pause)])
    reading = asyncio.create_task(collect(BilledClient(inner, CALL, accounts).stream(ask())))
    while not inner.history:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    (row,) = rows(accounts)
    assert (row.status, row.output_tokens) == ("cut", 0)
    assert row.cost_micros == row.input_tokens


async def test_a_reply_that_we_fail_is_noted_and_costs_nothing(accounts: Accounts) -> None:
    inner = ScriptedClient([ScriptedReply(text="a b", error=ApiError("broken"))])
    with pytest.raises(ApiError, match="broken"):
        await collect(BilledClient(inner, CALL, accounts).stream(ask()))
    (row,) = rows(accounts)
    assert (row.status, row.stop_reason, row.cost_micros) == ("failed", None, 0)


async def test_a_request_that_is_refused_is_no_reply(accounts: Accounts) -> None:
    inner = ScriptedClient([ApiError("no", type="invalid_request_error")])
    with pytest.raises(ApiError, match="no"):
        await collect(BilledClient(inner, CALL, accounts).stream(ask()))
    assert rows(accounts) == []


async def test_failures_and_refusals_give_back_what_was_reserved(accounts: Accounts) -> None:
    limited = Caller(key_id="key_2", limits=Limits(input_tokens=1000, output_tokens=1000))
    inner = ScriptedClient(
        [ScriptedReply(text="a b", error=ApiError("broken")), ApiError("no", type="invalid_request_error")]
    )
    client = BilledClient(inner, Call(request_id="req_2", caller=limited), accounts)
    for _ in range(2):
        with pytest.raises(ApiError):
            await collect(client.stream(ask(max_tokens=900)))
    left = accounts.limiter.headers(limited)
    assert left["anthropic-ratelimit-output-tokens-remaining"] == "1000"
    assert left["anthropic-ratelimit-input-tokens-remaining"] == "1000"


async def test_a_reply_that_is_left_gives_back_what_it_did_not_write(accounts: Accounts) -> None:
    limited = Caller(key_id="key_3", limits=Limits(input_tokens=10_000, output_tokens=10_000))
    start, left = Usage(input_tokens=100), Usage(input_tokens=40, cache_read_input_tokens=60, output_tokens=9)
    inner = KnowingClient(start, left, start)
    events = BilledClient(inner, Call(request_id="r", caller=limited), accounts).stream(ask(max_tokens=9000))
    async with closing(events):
        await anext(events)
        during = accounts.limiter.headers(limited)
        assert int(during["anthropic-ratelimit-output-tokens-remaining"]) < 1100
        assert int(during["anthropic-ratelimit-input-tokens-remaining"]) < 9950
        while not isinstance(await anext(events), TextDelta):
            pass
    after = accounts.limiter.headers(limited)
    assert int(after["anthropic-ratelimit-output-tokens-remaining"]) >= 10_000 - 9
    assert int(after["anthropic-ratelimit-input-tokens-remaining"]) >= 10_000 - 40


async def test_a_prompt_over_the_allowance_is_refused_before_its_first_event(accounts: Accounts) -> None:
    limited = Caller(key_id="key_4", limits=Limits(input_tokens=100))
    big = Usage(input_tokens=90)
    client = BilledClient(KnowingClient(big, big, big), Call(request_id="r", caller=limited), accounts)
    await collect(client.stream(ask()))
    with pytest.raises(RateLimitError, match="100 input tokens per minute"):
        await anext(client.stream(ask()))
    assert len(rows(accounts)) == 1, "what was refused is not billed"


async def test_while_the_ledger_is_full_nothing_is_begun(accounts: Accounts) -> None:
    inner = ScriptedClient(["a"])
    with LedgerWriter(accounts.database, max_pending=0) as full:
        client = BilledClient(inner, CALL, replace(accounts, ledger=full))
        with pytest.raises(OverloadedError, match="the ledger cannot be written"):
            await collect(client.stream(ask()))
    assert inner.history == []


async def test_each_decision_to_use_a_tool_is_tied_to_its_request(accounts: Accounts) -> None:
    tool = Tool(name="search", input_schema={"type": "object"})
    talk = Conversation(turns=TALK.turns, tools=(tool,))
    calls = (ScriptedCall(name="search", input={"q": "x"}), ScriptedCall(name="search", input={"q": "y"}))
    inner: Client = ScriptedClient([ScriptedReply(text="let me see", calls=calls)])
    message = await collect(BilledClient(inner, CALL, accounts).stream(ask(talk)))
    made = decided(accounts)
    assert [each.tool for each in made] == ["search", "search"]
    assert {each.request_id for each in made} == {"req_1"}
    assert {each.key_id for each in made} == {"key_1"}
    ids = [getattr(block, "id", None) for block in message.content]
    assert [each.tool_use_id for each in made] == ids[1:]
    assert made[0].arguments_sha256 == hashlib.sha256(b'{"q":"x"}').hexdigest()
    (row,) = rows(accounts)
    assert row.stop_reason == "tool_use"


async def test_counting_tokens_and_listing_models_costs_nothing(accounts: Accounts) -> None:
    client = BilledClient(ScriptedClient(), CALL, accounts)
    assert await client.count_tokens(ask()) == 4
    assert [info.id for info in await client.models()] == ["scripted"]
    assert rows(accounts) == []


async def test_passes_that_had_ended_are_charged_though_the_reply_fails(accounts: Accounts) -> None:
    """A summary is a pass of its own, whatever becomes of the answer behind it."""
    small = replace(SCRIPTED_MODEL, max_input_tokens=400, max_tokens=300)
    inner = ScriptedClient(["They talked.", ApiError("no", type="invalid_request_error")], models=[small])
    talk = conversation(("user", "word " * 150))
    request = ask(talk, context_edits=(Compaction(trigger_tokens=100),))
    limited = Caller(key_id="key_4", limits=Limits(output_tokens=1000))
    client = BilledClient(ContextClient(inner), Call(request_id="r", caller=limited), accounts)
    with pytest.raises(ApiError, match="no"):
        await collect(client.stream(request))
    (row,) = rows(accounts)
    assert (row.status, row.input_tokens, row.output_tokens) == ("failed", prompt_length(inner.history[0]), 2)
    assert row.cost_micros > 0
    left = accounts.limiter.headers(limited)
    assert left["anthropic-ratelimit-output-tokens-remaining"] == "998"
