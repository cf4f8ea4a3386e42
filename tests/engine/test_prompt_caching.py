"""The API's prompt caching on a running engine: what is read, what is counted, what is kept from whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caesura.engine import EngineConfig, LoadedModel, LocalClient
from caesura.messages.events import Event, MessageDelta, MessageStart
from caesura.messages.request import MessagesRequest
from caesura.messages.response import CacheMiss, Usage
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.messages.validation import parse_count_request, parse_request
from caesura.server import ServerConfig, create_app

PAGE = 32
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
RULES = "the sum of two numbers is a number, and so on. " * 8


@pytest.fixture
def client(loaded: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": loaded}, EngineConfig(num_pages=64, num_threads=1))
    yield client
    client.close()


def text(value: str, control: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": value} | ({"cache_control": control} if control else {})


def body(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"model": "tiny", "max_tokens": 4, "seed": 1, "system": [text(RULES, EPHEMERAL)]} | fields
    return given | {"messages": [{"role": "user", "content": list(blocks) or [text("Two and two?")]}]}


async def events_of(client: LocalClient, request: MessagesRequest) -> list[Event]:
    return [event async for event in client.stream(request)]


async def usages(client: LocalClient, request: MessagesRequest) -> tuple[Usage, Usage]:
    """What was known at the start, and what was true."""
    events = await events_of(client, request)
    start, delta = events[0], events[-2]
    assert isinstance(start, MessageStart)
    assert isinstance(delta, MessageDelta)
    return start.usage, delta.usage


def parts(usage: Usage) -> tuple[int, int, int, int]:
    """Computed anew, read, kept for 5 minutes, kept for an hour."""
    lasting = usage.cache_creation_1h_input_tokens
    created = usage.cache_creation_input_tokens
    return usage.input_tokens, usage.cache_read_input_tokens, created - lasting, lasting


async def marks(client: LocalClient, loaded: LoadedModel, request: MessagesRequest) -> list[int]:
    """Where the breakpoints stand, in whole pages."""
    prompt = loaded.chat_format.render(request.conversation, opening="answer")
    return [each.position // PAGE * PAGE for each in prompt.breakpoints]


async def test_what_is_marked_is_counted_as_kept_and_then_as_read(
    client: LocalClient, loaded: LoadedModel
) -> None:
    request = parse_request(body())
    count = await client.count_tokens(request)
    (kept,) = await marks(client, loaded, request)
    assert kept >= 3 * PAGE
    start, first = await usages(client, request)
    assert parts(first) == parts(start) == (count - kept, 0, kept, 0)
    start, second = await usages(client, request)
    read = (count - 1) // PAGE * PAGE
    assert parts(second) == parts(start) == (count - read, read, 0, 0)


async def test_an_hour_and_five_minutes_are_told_apart(client: LocalClient, loaded: LoadedModel) -> None:
    asked = body(text(RULES, EPHEMERAL), text("more"), system=[text(RULES, HOUR)])
    request = parse_request(asked)
    count = await client.count_tokens(request)
    lasting, kept = await marks(client, loaded, request)
    _, usage = await usages(client, request)
    assert parts(usage) == (count - kept, 0, kept - lasting, lasting)


async def test_what_nobody_marked_is_read_all_the_same_but_not_counted_as_kept(client: LocalClient) -> None:
    request = parse_request(body(system=RULES))
    count = await client.count_tokens(request)
    assert parts((await usages(client, request))[1]) == (count, 0, 0, 0)
    read = (count - 1) // PAGE * PAGE
    assert parts((await usages(client, request))[1]) == (count - read, read, 0, 0)


async def test_the_automatic_breakpoint_keeps_the_whole_prompt(client: LocalClient) -> None:
    request = parse_request(body(text(RULES), system="Be brief.", cache_control=EPHEMERAL))
    _, usage = await usages(client, request)
    count = await client.count_tokens(request)
    # What opens the reply comes after the last block.
    assert usage.cache_creation_input_tokens in (count // PAGE * PAGE, (count - 3) // PAGE * PAGE)
    assert usage.prompt_tokens == count


async def test_what_is_shorter_than_a_page_is_not_kept(client: LocalClient) -> None:
    request = parse_request(body(text("hi"), system=[text("a", EPHEMERAL)]))
    for _ in range(2):
        _, usage = await usages(client, request)
        assert parts(usage) == (await client.count_tokens(request), 0, 0, 0)


async def test_a_breakpoint_looks_back_over_more_than_twenty_blocks(client: LocalClient) -> None:
    early = [text("and so on")] * 6
    await usages(client, parse_request(body(*early, text("so", EPHEMERAL), system="")))
    early_count = await client.count_tokens(parse_request(body(*early, system="")))
    late = [*early, *[text("so")] * 40]
    _, usage = await usages(client, parse_request(body(*late, text("on", EPHEMERAL), system="")))
    assert usage.cache_read_input_tokens == early_count // PAGE * PAGE > 0


TEXTS = st.lists(st.sampled_from(["so on", RULES[:90], RULES[:200]]), min_size=1, max_size=3)


@given(
    talks=st.lists(st.tuples(TEXTS, st.sets(st.integers(0, 2)), st.integers(0, 3)), min_size=2, max_size=4)
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_counts_are_disjoint_and_sum_to_what_counting_says(
    client: LocalClient, talks: list[tuple[list[str], set[int], int]]
) -> None:
    for texts, marked, max_tokens in talks:
        blocks = [text(each, EPHEMERAL if at in marked else None) for at, each in enumerate(texts)]
        asked = body(*blocks, max_tokens=max_tokens, system=[text(RULES[:120], HOUR)])
        count = await client.count_tokens(parse_count_request(asked))
        for usage in await usages(client, parse_request(asked)):
            assert min(parts(usage)) >= 0
            assert sum(parts(usage)) == usage.prompt_tokens == count


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "adaptive"}])
async def test_warming_writes_nothing_and_the_next_request_starts_at_once(
    client: LocalClient, thinking: dict[str, str]
) -> None:
    warm = parse_request(body(max_tokens=0, thinking=thinking))
    events = await events_of(client, warm)
    assert [type(event).__name__ for event in events] == ["MessageStart", "MessageDelta", "MessageStop"]
    delta = events[1]
    assert isinstance(delta, MessageDelta)
    assert (delta.stop_reason, delta.usage.output_tokens) == ("max_tokens", 0)
    assert delta.usage.cache_creation_input_tokens >= 3 * PAGE
    _, usage = await usages(client, replace(warm, max_tokens=4))
    assert usage.cache_read_input_tokens == (usage.prompt_tokens - 1) // PAGE * PAGE


async def test_a_prompt_that_is_warm_may_be_warmed_again(client: LocalClient) -> None:
    warm = parse_request(body(max_tokens=0))
    await usages(client, warm)
    _, usage = await usages(client, warm)
    assert usage.cache_read_input_tokens == (usage.prompt_tokens - 1) // PAGE * PAGE
    assert usage.output_tokens == 0


async def test_no_tenant_reads_what_another_one_left(client: LocalClient) -> None:
    asked = parse_request(body())
    for tenant in ("", "one", "two"):
        start, usage = await usages(client, replace(asked, tenant=tenant))
        assert usage.cache_read_input_tokens == start.cache_read_input_tokens == 0
    for tenant in ("", "one", "two"):
        start, usage = await usages(client, replace(asked, tenant=tenant))
        assert usage.cache_read_input_tokens == start.cache_read_input_tokens > 0


async def test_requests_that_differ_only_in_their_attribution_share_their_prefix(client: LocalClient) -> None:
    first, second = (
        parse_request(body(system=[text(f"x-anthropic-billing-header: cch={n};"), text(RULES, EPHEMERAL)]))
        for n in (1, 2)
    )
    _, before = await usages(client, first)
    _, after = await usages(client, second)
    assert before.cache_creation_input_tokens > 0
    assert after.cache_read_input_tokens == (after.prompt_tokens - 1) // PAGE * PAGE


async def test_a_changed_system_prompt_is_told_to_those_who_ask(client: LocalClient) -> None:
    def asked(previous: str | None, **fields: Any) -> MessagesRequest:
        return parse_request(body(diagnostics={"previous_message_id": previous}, **fields))

    async def start(request: MessagesRequest) -> MessageStart:
        first = (await events_of(client, request))[0]
        assert isinstance(first, MessageStart)
        return first

    first = await start(asked(None))
    assert first.cache_miss is None
    assert (await start(asked(first.id))).cache_miss is None
    changed = (await start(asked(first.id, system="Be kind."))).cache_miss
    assert changed is not None
    assert (changed.reason, changed.num_missed_tokens) == ("system_changed", first.usage.prompt_tokens)
    elsewhere = replace(asked(first.id), tenant="other")
    assert (await start(elsewhere)).cache_miss == CacheMiss(reason="previous_message_not_found")
    assert (await start(parse_request(body()))).cache_miss is None


@pytest.fixture
async def http(client: LocalClient) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(SigningClient(client, Sealer(bytes(32))), ServerConfig(api_keys=("one", "two")))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        yield http


def sdk(http: httpx2.AsyncClient, key: str = "one") -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=key, base_url="http://localhost", max_retries=0, http_client=http)


ASK: Any = {
    "model": "tiny",
    "max_tokens": 4,
    "system": [text(RULES, HOUR)],
    "messages": [{"role": "user", "content": "Two and two?"}],
}


async def test_the_sdk_sees_what_was_kept_and_what_was_read(http: httpx2.AsyncClient) -> None:
    first = await sdk(http).messages.create(**ASK)
    created = first.usage.cache_creation
    assert created is not None
    assert created.ephemeral_1h_input_tokens == first.usage.cache_creation_input_tokens
    assert first.usage.cache_creation_input_tokens
    async with sdk(http).messages.stream(**ASK) as stream:
        second = await stream.get_final_message()
    assert second.usage.cache_read_input_tokens
    assert second.usage.cache_read_input_tokens >= first.usage.cache_creation_input_tokens
    assert second.usage.cache_creation_input_tokens == 0


async def test_the_sdk_warms_the_cache(http: httpx2.AsyncClient) -> None:
    warm = await sdk(http).messages.create(**(ASK | {"max_tokens": 0}))
    assert (warm.content, warm.stop_reason, warm.usage.output_tokens) == ([], "max_tokens", 0)
    assert warm.usage.cache_creation_input_tokens
    with pytest.raises(anthropic.BadRequestError, match="cannot be combined with `stream: true`"):
        await sdk(http).messages.create(**(ASK | {"max_tokens": 0}), stream=True)
    after = await sdk(http).messages.create(**ASK)
    assert after.usage.cache_read_input_tokens


async def test_the_sdk_is_told_what_changed(http: httpx2.AsyncClient) -> None:
    first = await sdk(http).messages.create(**ASK, diagnostics={"previous_message_id": None})
    assert first.diagnostics is None
    asked = ASK | {"system": RULES + "Be kind."}
    async with sdk(http).messages.stream(**asked, diagnostics={"previous_message_id": first.id}) as stream:
        second = await stream.get_final_message()
    assert second.diagnostics is not None
    reason = second.diagnostics.cache_miss_reason
    assert reason is not None
    assert reason.type == "system_changed"
    assert reason.cache_missed_input_tokens > 3 * PAGE


async def test_a_second_key_gets_no_hit_and_no_sign_of_the_first_ones_prompt(
    http: httpx2.AsyncClient,
) -> None:
    await sdk(http, "one").messages.create(**ASK)
    alone = await sdk(http, "two").messages.create(**ASK, diagnostics={"previous_message_id": "msg_1"})
    assert alone.usage.cache_read_input_tokens == 0
    assert alone.usage.cache_creation_input_tokens
    assert alone.diagnostics is not None
    reason = alone.diagnostics.cache_miss_reason
    assert reason is not None
    assert reason.type == "previous_message_not_found"
    again = await sdk(http, "two").messages.create(**ASK)
    assert again.usage.cache_read_input_tokens
