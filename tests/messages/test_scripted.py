"""The scripted client keeps the protocol that it stands in for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from caesura.messages.closing import closing
from caesura.messages.content import (
    ThinkingBlock,
    Tool,
    ToolUseBlock,
    conversation,
    text_of,
    thinking_of,
)
from caesura.messages.errors import ApiError, OverloadedError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.fold import collect, fold
from caesura.messages.request import MessagesRequest, Thinking, ToolChoice
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply

ASK = conversation(("user", "what is it?"), system="Be brief.")
THINK = Thinking(mode="enabled", budget_tokens=100)
REPLY = ScriptedReply(thinking="one two three", text="it is a test")


def request(
    max_tokens: int = 100, thinking: Thinking | None = None, stops: tuple[str, ...] = ()
) -> MessagesRequest:
    return MessagesRequest(
        model="scripted",
        conversation=ASK,
        max_tokens=max_tokens,
        thinking=thinking or Thinking(),
        stop_sequences=stops,
    )


async def test_events_come_in_the_prescribed_order() -> None:
    kinds = [type(event) async for event in ScriptedClient([REPLY]).stream(request(thinking=THINK))]
    assert kinds == [
        MessageStart,
        BlockStart,
        *[ThinkingDelta] * 3,
        SignatureDelta,
        BlockStop,
        BlockStart,
        *[TextDelta] * 4,
        BlockStop,
        MessageDelta,
        MessageStop,
    ]


async def test_it_thinks_only_when_asked_to() -> None:
    message = await collect(ScriptedClient([REPLY]).stream(request()))
    assert not any(isinstance(block, ThinkingBlock) for block in message.content)
    assert message.usage.thinking_tokens == 0


async def test_it_keeps_within_the_thinking_budget() -> None:
    thinking = Thinking(mode="enabled", budget_tokens=2)
    message = await collect(ScriptedClient([REPLY]).stream(request(thinking=thinking)))
    assert thinking_of(message.content) == "one two "
    assert message.usage.thinking_tokens == 2
    assert message.usage.output_tokens == 6


async def test_it_keeps_within_max_tokens_and_still_answers() -> None:
    message = await collect(ScriptedClient([REPLY]).stream(request(3, THINK)))
    assert (thinking_of(message.content), text_of(message.content)) == ("one two ", "it ")
    assert message.stop_reason == "max_tokens"


async def test_it_stops_at_a_stop_sequence() -> None:
    message = await collect(ScriptedClient([REPLY]).stream(request(stops=("test", " a"))))
    assert text_of(message.content) == "it is"
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " a")


TOOLS = tuple(Tool(name=name, input_schema={"type": "object"}) for name in ("add", "look_up"))
CALLS = (ScriptedCall(name="add", input={"a": 1, "b": 2}), ScriptedCall(name="look_up", input={}))
CALLING = ScriptedReply(thinking="one two", text="let me see", calls=CALLS)


def with_tools(
    choice: ToolChoice | None = None, max_tokens: int = 100, tools: tuple[Tool, ...] = TOOLS
) -> MessagesRequest:
    return replace(
        request(max_tokens, THINK),
        conversation=replace(ASK, tools=tools),
        tool_choice=choice or ToolChoice(),
    )


async def calls_of(asked: MessagesRequest, reply: ScriptedReply = CALLING) -> tuple[list[str], str]:
    """Which tools a reply calls, and why it ended."""
    message = await collect(ScriptedClient([reply]).stream(asked))
    called = [block.name for block in message.content if isinstance(block, ToolUseBlock)]
    return called, message.stop_reason


async def test_calls_come_after_the_text_and_end_the_turn() -> None:
    events = [event async for event in ScriptedClient([CALLING]).stream(with_tools())]
    message = fold(events)
    assert [type(block).__name__ for block in message.content] == [
        "ThinkingBlock",
        "TextBlock",
        "ToolUseBlock",
        "ToolUseBlock",
    ]
    assert message.content[2:] == (
        ToolUseBlock(id="toolu_scripted_1_0", name="add", input={"a": 1, "b": 2}),
        ToolUseBlock(id="toolu_scripted_1_1", name="look_up", input={}),
    )
    assert message.stop_reason == "tool_use"
    num_deltas = sum(isinstance(event, TextDelta | ThinkingDelta | InputJsonDelta) for event in events)
    assert message.usage.output_tokens == num_deltas + 2, "naming a tool takes a token"


async def test_a_reply_of_nothing_but_a_call_has_no_empty_text() -> None:
    message = await collect(ScriptedClient([ScriptedReply(calls=CALLS[:1])]).stream(with_tools()))
    assert [type(block) for block in message.content] == [ToolUseBlock]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (ToolChoice(), ["add", "look_up"]),
        (ToolChoice(mode="any"), ["add", "look_up"]),
        (ToolChoice(mode="tool", name="look_up"), ["look_up"]),
        (ToolChoice(is_parallel=False), ["add"]),
        (ToolChoice(mode="none"), []),
    ],
)
async def test_it_calls_what_the_request_allows(choice: ToolChoice, called: list[str]) -> None:
    assert await calls_of(with_tools(choice)) == (called, "tool_use" if called else "end_turn")


async def test_it_calls_only_tools_that_are_there() -> None:
    assert await calls_of(with_tools(tools=TOOLS[1:])) == (["look_up"], "tool_use")
    assert await calls_of(with_tools(tools=())) == ([], "end_turn")


async def test_a_call_that_is_forced_must_be_in_the_script() -> None:
    with pytest.raises(ApiError, match="forces a call"):
        await calls_of(with_tools(ToolChoice(mode="any")), ScriptedReply(text="no"))


@pytest.mark.parametrize(
    ("max_tokens", "inputs"),
    [
        (12, [{"a": 1, "b": 2}, {}]),
        (11, [{"a": 1, "b": 2}, {}]),
        (10, [{"a": 1, "b": 2}]),
        (9, [{"a": 1}]),
        (8, [{"a": 1}]),
        (7, [{}]),
        (6, [{}]),
        (5, []),
    ],
)
async def test_calls_keep_within_max_tokens(max_tokens: int, inputs: list[dict[str, int]]) -> None:
    message = await collect(ScriptedClient([CALLING]).stream(with_tools(max_tokens=max_tokens)))
    assert [block.input for block in message.content if isinstance(block, ToolUseBlock)] == inputs
    assert message.usage.output_tokens <= max_tokens
    assert message.stop_reason == ("tool_use" if max_tokens >= 12 else "max_tokens")


async def test_tools_are_read_too() -> None:
    client = ScriptedClient(["a"])
    message = await collect(client.stream(with_tools()))
    assert message.usage.prompt_tokens == await client.count_tokens(with_tools()) == 14


async def test_it_counts_as_its_usage_does() -> None:
    client = ScriptedClient([REPLY])
    message = await collect(client.stream(request()))
    assert message.usage.prompt_tokens == await client.count_tokens(request()) == 6


async def test_it_remembers_requests_and_ends_with_its_script() -> None:
    client = ScriptedClient(["a"])
    await collect(client.stream(request()))
    assert client.history == [request()]
    with pytest.raises(ApiError, match="no further reply"):
        await collect(client.stream(request()))


async def test_an_exception_in_the_queue_comes_before_the_first_event() -> None:
    with pytest.raises(OverloadedError):
        await anext(ScriptedClient([OverloadedError("full")]).stream(request()))


async def test_an_error_in_a_reply_comes_after_its_text() -> None:
    client = ScriptedClient([ScriptedReply(text="half", error=ApiError("broken"))])
    stream = client.stream(request())
    kinds = [type(await anext(stream)) for _ in range(4)]
    assert kinds[-2:] == [TextDelta, BlockStop]
    with pytest.raises(ApiError, match="broken"):
        await anext(stream)
    assert client.num_closed_early == 0


async def test_it_notices_when_it_is_left_early() -> None:
    client = ScriptedClient([REPLY, REPLY])
    async with closing(client.stream(request())) as events:
        await anext(events)
    assert client.num_closed_early == 1
    await collect(client.stream(request()))
    assert client.num_closed_early == 1


async def test_it_waits_where_it_is_told_to() -> None:
    pause = asyncio.Event()
    stream = ScriptedClient([ScriptedReply(text="late", pause=pause)]).stream(request())
    assert isinstance(await anext(stream), MessageStart)
    waiting = asyncio.ensure_future(collect_rest(stream))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    pause.set()
    assert await waiting == 5


async def collect_rest(stream: object) -> int:
    return len([event async for event in stream])  # type: ignore[attr-defined]


async def test_a_reply_can_be_made_of_the_request() -> None:
    def said(asked: MessagesRequest) -> ScriptedReply:
        if asked.max_tokens < 10:
            raise OverloadedError("too few")
        return ScriptedReply(text=f"you may write {asked.max_tokens}")

    client = ScriptedClient(["first"], otherwise=said)
    replies = [await collect(client.stream(request(max_tokens=number))) for number in (50, 60)]
    assert [text_of(reply.content) for reply in replies] == ["first", "you may write 60"]
    with pytest.raises(OverloadedError):
        await collect(client.stream(request(max_tokens=5)))
    ids = [reply.id for reply in replies]
    assert len(set(ids)) == 2
