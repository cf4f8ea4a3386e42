"""Replies as they are measured, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest

from caesura.messages.content import TextBlock, ThinkingBlock, conversation
from caesura.messages.errors import OverloadedError
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
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Usage
from caesura.messages.scripted import ScriptedClient
from caesura.server.measuring import MeasuredClient, ReplyMeter, error_type_of
from caesura.server.metrics import Metrics
from tests.server.clock import Clock
from tests.server.prometheus import value

USAGE = Usage(
    input_tokens=7,
    cache_read_input_tokens=20,
    cache_creation_input_tokens=3,
    output_tokens=5,
    thinking_tokens=2,
)
START = MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=30))
END = MessageDelta(stop_reason="end_turn", stop_sequence=None, usage=USAGE)
ASK = MessagesRequest(model="scripted", conversation=conversation(("user", "hi")), max_tokens=9)


def reply() -> Iterator[tuple[float, Event]]:
    """Each event, and how long it takes to come."""
    yield 0.25, START
    yield 0.0, BlockStart(index=0, block=ThinkingBlock(thinking=""))
    yield 0.5, ThinkingDelta(index=0, thinking="hm", num_tokens=1)
    yield 0.015, ThinkingDelta(index=0, thinking="hm", num_tokens=1)
    yield 0.0, BlockStop(index=0)
    yield 0.0, BlockStart(index=1, block=TextBlock(text=""))
    yield 0.04, TextDelta(index=1, text="so")
    yield 0.0, BlockStop(index=1)
    yield 3.0, END
    yield 0.0, MessageStop()


async def played(clock: Clock, events: Iterable[tuple[float, Event]]) -> AsyncIterator[Event]:
    for wait_s, event in events:
        clock.now_s += wait_s
        yield event


async def measured(metrics: Metrics, **tier: Any) -> str:
    clock = Clock()
    meter = ReplyMeter(metrics, clock=clock, **tier)
    passed = [event async for event in meter.events(played(clock, reply()), "m", is_streamed=True)]
    assert passed == [event for _, event in reply()]
    return metrics.page().decode()


async def test_the_time_to_the_first_token_ends_with_the_first_delta() -> None:
    page = await measured(Metrics())
    assert value(page, "caesura_time_to_first_token_seconds_sum", model="m", tier="standard") == 0.75
    assert value(page, "caesura_time_to_first_token_seconds_count", model="m", tier="standard") == 1


async def test_the_gaps_are_those_between_deltas() -> None:
    page = await measured(Metrics())
    name = "caesura_inter_token_seconds"
    assert value(page, f"{name}_count", model="m", tier="standard") == 2
    assert value(page, f"{name}_sum", model="m", tier="standard") == pytest.approx(0.055)
    assert value(page, f"{name}_bucket", model="m", tier="standard", le="0.02") == 1


async def test_the_pace_is_over_all_tokens_that_were_written() -> None:
    page = await measured(Metrics())
    name = "caesura_time_per_output_token_seconds_sum"
    assert value(page, name, model="m", tier="standard") == pytest.approx(0.055 / 4)


async def test_no_token_is_counted_twice() -> None:
    page = await measured(Metrics(), tier="batch")
    kinds = {"input": 7, "cache_read": 20, "cache_write": 3, "output": 3, "thinking": 2}
    for kind, count in kinds.items():
        assert value(page, "caesura_tokens_total", model="m", tier="batch", kind=kind) == count
    assert value(page, "caesura_cache_hit_share", model="m") == pytest.approx(20 / 30)


async def test_a_reply_ends_by_its_stop_reason_once() -> None:
    metrics = Metrics()
    page = await measured(metrics)
    assert value(page, "caesura_replies_total", model="m", tier="standard", outcome="end_turn") == 1
    assert value(page, "caesura_replies_in_flight", tier="standard") == 0


async def test_a_reader_who_stops_after_the_last_event_did_not_leave() -> None:
    metrics = Metrics()
    events = ReplyMeter(metrics).events(played(Clock(), reply()), "m", is_streamed=True)
    async for event in events:
        if isinstance(event, MessageStop):
            break
    await events.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    page = metrics.page().decode()
    assert value(page, "caesura_replies_total", model="m", tier="standard", outcome="end_turn") == 1
    assert value(page, "caesura_replies_total", model="m", tier="standard", outcome="cancelled") is None


async def test_a_reader_who_leaves_cancels_the_reply() -> None:
    metrics = Metrics()
    inner = ScriptedClient(["a b c"])
    events = MeasuredClient(inner, ReplyMeter(metrics)).stream(ASK)
    await anext(events)
    page = metrics.page().decode()
    assert value(page, "caesura_replies_in_flight", tier="standard") == 1
    await events.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    assert inner.num_closed_early == 1
    page = metrics.page().decode()
    assert value(page, "caesura_replies_in_flight", tier="standard") == 0
    assert value(page, "caesura_replies_total", model="scripted", tier="standard", outcome="cancelled") == 1


@pytest.mark.parametrize(("is_streamed", "count"), [(True, 1), (False, None)])
async def test_a_failure_in_a_stream_is_an_error_with_status_200(
    is_streamed: bool, count: float | None
) -> None:
    """That of a whole reply has a status of its own, which the middleware counts."""

    async def broken() -> AsyncIterator[Event]:
        yield START
        raise OverloadedError("full")

    metrics = Metrics()
    with pytest.raises(OverloadedError):
        await collect(ReplyMeter(metrics).events(broken(), "m", is_streamed=is_streamed))
    page = metrics.page().decode()
    assert value(page, "caesura_replies_total", model="m", tier="standard", outcome="failed") == 1
    assert value(page, "caesura_errors_total", type="overloaded_error", status="200") == count


async def test_a_measured_client_is_the_client() -> None:
    client = MeasuredClient(ScriptedClient(["hello"]), ReplyMeter(Metrics()))
    assert (await collect(client.stream(ASK))).usage.prompt_tokens == await client.count_tokens(ASK)
    assert [info.id for info in await client.models()] == ["scripted"]


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (401, "authentication_error"),
        (408, "timeout_error"),
        (405, "invalid_request_error"),
        (529, "overloaded_error"),
        (502, "api_error"),
    ],
)
def test_every_status_stands_for_a_kind_of_error(status: int, error_type: str) -> None:
    assert error_type_of(status) == error_type
