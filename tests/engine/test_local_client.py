from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from caesura.engine import EFFORT_BUDGETS, EngineConfig, LoadedModel, LocalClient
from caesura.engine.scheduler import SchedulerConfig
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import Conversation, conversation
from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.request import MessagesRequest, Sampling, Thinking
from caesura.messages.response import Usage
from caesura.messages.validation import parse_count_request, parse_request

TALK = conversation(("user", "What is the sum of two numbers?"))
WINDOW = 320
MakeRequest = Callable[..., MessagesRequest]


@pytest.fixture
def client(loaded: LoadedModel) -> Iterator[LocalClient]:
    client = LocalClient({"tiny": loaded}, EngineConfig(num_pages=10, num_threads=1))
    yield client
    client.close()


def ask(talk: Conversation = TALK, **fields: object) -> MessagesRequest:
    given = {"model": "tiny", "conversation": talk, "max_tokens": 30, "sampling": Sampling(seed=3)} | fields
    return MessagesRequest(**given)  # pyright: ignore[reportArgumentType]


async def collect(stream: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in stream]


def outcome(events: list[Event]) -> MessageDelta:
    assert isinstance(events[-1], MessageStop)
    assert isinstance(events[-2], MessageDelta)
    return events[-2]


def block_types(events: list[Event]) -> list[str]:
    return [type(event.block).__name__ for event in events if isinstance(event, BlockStart)]


async def test_an_answer_at_once_is_one_text_block(client: LocalClient) -> None:
    events = await collect(client.stream(ask()))
    assert isinstance(events[0], MessageStart)
    assert events[0].id.startswith("msg_")
    assert block_types(events) == ["TextBlock"]
    assert sum(isinstance(event, BlockStop) for event in events) == 1
    delta = outcome(events)
    assert delta.stop_reason in ("max_tokens", "end_turn")
    assert delta.usage.thinking_tokens == 0
    assert delta.usage.input_tokens == events[0].usage.input_tokens == await client.count_tokens(ask())


async def test_a_budget_is_kept_and_counted(client: LocalClient, loaded: LoadedModel) -> None:
    request = ask(thinking=Thinking(mode="enabled", budget_tokens=5), max_tokens=60)
    events = await collect(client.stream(request))
    assert block_types(events) == ["ThinkingBlock", "TextBlock"]
    usage = outcome(events).usage
    assert usage.thinking_tokens <= 5 + len(loaded.chat_format.phase_tokens.closing)
    deltas = [event for event in events if isinstance(event, ThinkingDelta)]
    assert usage.thinking_tokens == sum(delta.num_tokens for delta in deltas)
    assert usage.output_tokens > usage.thinking_tokens
    assert usage.input_tokens == await client.count_tokens(request)


async def test_adaptive_thinking_is_limited_by_effort(client: LocalClient, loaded: LoadedModel) -> None:
    closing = len(loaded.chat_format.phase_tokens.closing)
    for seed in range(6):
        request = ask(
            thinking=Thinking(mode="adaptive"), effort="low", max_tokens=290, sampling=Sampling(seed=seed)
        )
        events = await collect(client.stream(request))
        assert block_types(events)[-1] == "TextBlock"
        low = EFFORT_BUDGETS["low"]
        assert low is not None
        assert outcome(events).usage.thinking_tokens <= low + closing


async def test_a_prefilled_answer_is_continued(client: LocalClient) -> None:
    talk = conversation(("user", "Two and two?"), ("assistant", "It is"))
    events = await collect(client.stream(ask(talk)))
    assert block_types(events) == ["TextBlock"]
    with pytest.raises(InvalidRequestError, match="thinking is enabled"):
        await anext(client.stream(ask(talk, thinking=Thinking(mode="enabled", budget_tokens=5))))


async def test_a_stop_sequence_is_named(client: LocalClient) -> None:
    text = "".join(e.text for e in await collect(client.stream(ask())) if isinstance(e, TextDelta))
    stop = text[5:7]
    delta = outcome(await collect(client.stream(ask(stop_sequences=(stop,)))))
    assert (delta.stop_reason, delta.stop_sequence) == ("stop_sequence", stop)


async def test_an_unknown_model_is_not_found(client: LocalClient) -> None:
    with pytest.raises(NotFoundError, match=r"^model: huge$"):
        await anext(client.stream(ask(model="huge")))
    with pytest.raises(NotFoundError, match=r"^model: huge$"):
        await client.count_tokens(ask(model="huge"))


async def test_a_prompt_over_the_window_is_refused_in_the_words_that_clients_know(
    client: LocalClient,
) -> None:
    request = ask(conversation(("user", "number " * 4000)))
    count = await client.count_tokens(request)
    with pytest.raises(InvalidRequestError) as refused:
        await anext(client.stream(request))
    assert refused.value.message == f"prompt is too long: {count} tokens > {WINDOW} maximum"


async def test_a_max_tokens_over_the_window_is_refused_in_the_words_that_clients_know(
    client: LocalClient,
) -> None:
    request = ask(max_tokens=WINDOW)
    count = await client.count_tokens(request)
    with pytest.raises(InvalidRequestError) as refused:
        await anext(client.stream(request))
    assert refused.value.message == (
        f"input length and `max_tokens` exceed context limit: {count} + {WINDOW} > {WINDOW}, "
        "decrease input length or `max_tokens` and try again"
    )
    with pytest.raises(InvalidRequestError, match=r"^max_tokens: 9999 > 512, which is the maximum"):
        await anext(client.stream(ask(max_tokens=9999)))


@pytest.mark.parametrize(
    "thinking", [None, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 20}, {"type": "adaptive"}]
)
async def test_the_count_is_the_usage_of_the_same_request_in_every_mode(
    client: LocalClient, thinking: dict[str, object] | None
) -> None:
    body: dict[str, object] = {"model": "tiny", "messages": [{"role": "user", "content": "Two and two?"}]}
    if thinking is not None:
        body["thinking"] = thinking
    count = await client.count_tokens(parse_count_request(body))
    delta = outcome(await collect(client.stream(parse_request(body | {"max_tokens": 60}))))
    usage = delta.usage
    assert count == usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens


@pytest.mark.parametrize("max_tokens", [0, 1, 2, 60])
async def test_what_is_left_to_the_model_is_counted_alike_whatever_max_tokens_is(
    client: LocalClient, max_tokens: int
) -> None:
    messages = [{"role": "user", "content": "Two and two?"}]
    body = {"model": "tiny", "messages": messages, "thinking": {"type": "adaptive"}}
    count = await client.count_tokens(parse_count_request(body))
    events = await collect(client.stream(parse_request(body | {"max_tokens": max_tokens})))
    usage = outcome(events).usage
    assert count == usage.prompt_tokens
    assert usage.output_tokens <= max_tokens
    assert (block_types(events)[-1:] == ["TextBlock"]) == (max_tokens > 0)


async def test_a_prompt_of_the_windows_length_may_be_warmed(client: LocalClient) -> None:
    # Each letter of a word that training never saw is a token.
    rest = WINDOW - await client.count_tokens(ask(conversation(("user", "q"))))
    request = ask(conversation(("user", "q" * (1 + rest))), max_tokens=0)
    assert await client.count_tokens(request) == WINDOW
    delta = outcome(await collect(client.stream(request)))
    assert (delta.stop_reason, delta.usage.prompt_tokens) == ("max_tokens", WINDOW)


async def test_rendering_a_long_prompt_leaves_the_event_loop_free(client: LocalClient) -> None:
    request = ask(conversation(("user", "the sum of 2 numbers\n" * 100_000)))
    rendering = asyncio.create_task(client.count_tokens(request))
    start = last = time.perf_counter()
    longest = 0.0
    while not rendering.done():
        await asyncio.sleep(0.002)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert await rendering > 100_000
    assert longest < (last - start) / 4


async def test_closing_the_iterator_cancels_the_sequence(client: LocalClient) -> None:
    stream = client.stream(ask(max_tokens=280))
    await anext(stream)
    await anext(stream)
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    stats = client.engine("tiny").stats
    while stats().num_running or stats().num_waiting:
        await asyncio.sleep(0.001)
    assert stats().num_used_pages == 0
    assert stats().num_output_tokens < 280


async def test_it_is_a_client(client: LocalClient) -> None:
    seam: Client = client
    assert len(await seam.models()) == 1


async def test_the_listed_window_is_what_the_pool_can_hold(client: LocalClient) -> None:
    assert [(info.id, info.max_input_tokens) for info in await client.models()] == [("tiny", WINDOW)]


async def test_what_a_reply_took_that_is_left_is_told_exactly(client: LocalClient) -> None:
    told: list[Usage] = []
    events = client.stream(ask(max_tokens=290, when_cut=told.append))
    async with closing(events):
        while not isinstance(await anext(events), TextDelta):
            pass
        assert told == []
    (usage,) = told
    assert usage.prompt_tokens == await client.count_tokens(ask())
    assert 0 < usage.output_tokens < 290
    assert usage.output_tokens == client.engine("tiny").stats().num_output_tokens


async def test_who_leaves_while_waiting_has_taken_nothing(loaded: LoadedModel) -> None:
    scheduler = SchedulerConfig(max_running=1, max_step_tokens=32)
    client = LocalClient({"tiny": loaded}, EngineConfig(scheduler=scheduler, num_pages=20, num_threads=1))
    told: list[Usage] = []
    first, second = client.stream(ask(max_tokens=290)), client.stream(ask(when_cut=told.append))
    async with asyncio.timeout(60), closing(first):
        while not isinstance(await anext(first), TextDelta):
            pass
        async with closing(second):
            assert isinstance(await anext(second), MessageStart)
            stats = client.engine("tiny").stats()
    await asyncio.to_thread(client.close)
    assert stats.num_running == 1
    assert told == [Usage(input_tokens=0)]


async def test_whose_turn_comes_is_told_when_it_comes(loaded: LoadedModel) -> None:
    scheduler = SchedulerConfig(max_running=1, max_step_tokens=32)
    client = LocalClient({"tiny": loaded}, EngineConfig(scheduler=scheduler, num_pages=20, num_threads=1))
    turns: list[int] = []
    is_on = asyncio.Event()

    def admitted() -> None:
        turns.append(2)
        is_on.set()

    first = client.stream(ask(max_tokens=290, when_admitted=lambda: turns.append(1)))
    second = client.stream(ask(when_admitted=admitted))
    async with asyncio.timeout(60), closing(first), closing(second):
        while not isinstance(await anext(first), TextDelta):
            pass
        assert isinstance(await anext(second), MessageStart)
        assert turns == [1]
        await first.aclose()  # type: ignore[attr-defined]
        await is_on.wait()
        await collect(second)
    await asyncio.to_thread(client.close)
    assert turns == [1, 2]


async def test_a_reply_that_ends_is_not_told_as_cut(client: LocalClient) -> None:
    told: list[Usage] = []
    await collect(client.stream(ask(when_cut=told.append)))
    assert told == []


async def test_leaving_a_client_that_is_shut_down_waits_for_nobody(loaded: LoadedModel) -> None:
    told: list[Usage] = []
    client = LocalClient({"tiny": loaded}, EngineConfig(num_pages=10, num_threads=1))
    events = client.stream(ask(max_tokens=290, when_cut=told.append))
    async with asyncio.timeout(60), closing(events):
        assert isinstance(await anext(events), MessageStart)
        await asyncio.to_thread(client.close)
    assert all(usage.output_tokens < 290 for usage in told)
