"""Thinking leaves signed and comes back verified."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from caesura.messages.closing import closing
from caesura.messages.content import (
    Block,
    Conversation,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import SignatureDelta, ThinkingDelta
from caesura.messages.fold import collect, fold
from caesura.messages.request import MessagesRequest, Thinking
from caesura.messages.scripted import ScriptedCall, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer, Thought
from caesura.messages.signing import REDACTION_TRIGGER, SigningClient
from caesura.messages.validation import parse_request

SEALER = Sealer(bytes(32))
REPLY = ScriptedReply(thinking="six times seven", text="42")
THINKING = Thinking(mode="enabled", budget_tokens=50)


def asking(*turns: Turn, thinking: Thinking = THINKING, model: str = "nano") -> MessagesRequest:
    return MessagesRequest(
        model=model, conversation=Conversation(turns=turns), max_tokens=100, thinking=thinking
    )


def assistant(*blocks: Block) -> Turn:
    return Turn(role="assistant", content=blocks)


def signed(client: ScriptedClient) -> SigningClient:
    return SigningClient(client, SEALER)


async def thought_of(thinking: Thinking = THINKING, prompt: str = "hi", model: str = "nano") -> Block:
    """A thinking block as this server sends it."""
    request = asking(text_turn("user", prompt), thinking=thinking, model=model)
    message = await collect(signed(ScriptedClient([REPLY])).stream(request))
    return message.content[0]


async def restored(*turns: Turn) -> tuple[MessagesRequest, list[tuple[str, str]]]:
    """What the client inside sees of a conversation, and what was dropped from it."""
    client = ScriptedClient([REPLY])
    message = await collect(signed(client).stream(asking(*turns)))
    return client.history[0], [(item.path, item.reason) for item in message.input_transformations]


async def test_a_thought_has_one_signature_last_before_its_stop() -> None:
    events = [e async for e in signed(ScriptedClient([REPLY])).stream(asking(text_turn("user", "hi")))]
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("SignatureDelta") == 1
    assert kinds[kinds.index("SignatureDelta") + 1] == "BlockStop"
    assert fold(events).content[0] == await thought_of()


async def test_an_omitted_thought_is_empty_and_has_the_same_signature() -> None:
    shown = await thought_of()
    omitted = await thought_of(replace(THINKING, display="omitted"))
    assert isinstance(shown, ThinkingBlock)
    assert omitted == replace(shown, thinking="")


async def test_an_omitted_thought_sends_no_thinking_deltas() -> None:
    request = asking(text_turn("user", "hi"), thinking=replace(THINKING, display="omitted"))
    events = [event async for event in signed(ScriptedClient([REPLY])).stream(request)]
    assert not any(isinstance(event, ThinkingDelta) for event in events)
    assert any(isinstance(event, SignatureDelta) for event in events)


@pytest.mark.parametrize("display", ["summarized", "omitted"])
async def test_a_returned_thought_reaches_the_client_inside_in_full(display: str) -> None:
    thought = await thought_of(Thinking(mode="enabled", budget_tokens=50, display=display))  # type: ignore[arg-type]
    turns = (text_turn("user", "hi"), assistant(thought, TextBlock(text="42")), text_turn("user", "why?"))
    request, dropped = await restored(*turns)
    block = request.conversation.turns[1].content[0]
    assert isinstance(block, ThinkingBlock)
    assert block.thinking == "six times seven"
    assert dropped == []


async def test_the_test_phrase_redacts_and_redacted_thoughts_come_back() -> None:
    redacted = await thought_of(prompt=f"hi {REDACTION_TRIGGER}")
    assert isinstance(redacted, RedactedThinkingBlock)
    assert "seven" not in redacted.data
    turns = (text_turn("user", "hi"), assistant(redacted, TextBlock(text="42")), text_turn("user", "why?"))
    request, dropped = await restored(*turns)
    block = request.conversation.turns[1].content[0]
    assert isinstance(block, ThinkingBlock)
    assert block.thinking == "six times seven"
    assert dropped == []


async def test_a_broken_signature_in_the_latest_turn_is_refused() -> None:
    forged = ThinkingBlock(thinking="six times seven", signature="v1.forged")
    turns = (text_turn("user", "hi"), assistant(forged, TextBlock(text="42")), text_turn("user", "why?"))
    with pytest.raises(
        InvalidRequestError, match=r"^messages\.1\.content\.0: Invalid `signature` in `thinking` block"
    ):
        await restored(*turns)


async def test_altered_text_in_the_latest_turn_is_refused() -> None:
    thought = await thought_of()
    assert isinstance(thought, ThinkingBlock)
    altered = replace(thought, thinking="six times nine")
    turns = (text_turn("user", "hi"), assistant(altered, TextBlock(text="42")), text_turn("user", "why?"))
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.0: .*cannot be modified"):
        await restored(*turns)


async def test_altered_redacted_thinking_in_the_latest_turn_is_refused() -> None:
    altered = assistant(RedactedThinkingBlock(data="v1.x"), TextBlock(text="42"))
    with pytest.raises(InvalidRequestError, match="cannot be modified"):
        await restored(text_turn("user", "hi"), altered, text_turn("user", "why?"))


async def test_an_empty_thought_means_the_thought_that_was_signed() -> None:
    shown = await thought_of()
    assert isinstance(shown, ThinkingBlock)
    emptied = assistant(replace(shown, thinking=""), TextBlock(text="42"))
    request, dropped = await restored(text_turn("user", "hi"), emptied, text_turn("user", "why?"))
    assert request.conversation.turns[1].content[0] == shown
    assert dropped == []


async def test_a_shown_thought_cannot_come_back_redacted() -> None:
    shown = await thought_of()
    assert isinstance(shown, ThinkingBlock)
    swapped = assistant(RedactedThinkingBlock(data=shown.signature), TextBlock(text="42"))
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.0: .*cannot be modified"):
        await restored(text_turn("user", "hi"), swapped, text_turn("user", "why?"))


@pytest.mark.parametrize("text", ["", "six times seven"])
async def test_a_redacted_thought_cannot_come_back_in_the_open(text: str) -> None:
    redacted = await thought_of(prompt=f"hi {REDACTION_TRIGGER}")
    assert isinstance(redacted, RedactedThinkingBlock)
    swapped = assistant(ThinkingBlock(thinking=text, signature=redacted.data), TextBlock(text="42"))
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.0: .*cannot be modified"):
        await restored(text_turn("user", "hi"), swapped, text_turn("user", "why?"))


class WaitingSealer(Sealer):
    """Opens nothing until the event loop lets it: on the event loop itself that would never be."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.is_asked, self.may_open = threading.Event(), threading.Event()

    def open(self, seal: str) -> Thought:
        self.is_asked.set()
        assert self.may_open.wait(60), "the event loop waits for this itself"
        return super().open(seal)


async def test_many_thoughts_are_verified_beside_the_event_loop() -> None:
    thought, sealer, client = await thought_of(), WaitingSealer(), ScriptedClient([REPLY])
    turns = (text_turn("user", "hi"), assistant(*[thought] * 5_000, TextBlock(text="42")))
    stream = SigningClient(client, sealer).stream(asking(*turns, text_turn("user", "why?")))
    checking = asyncio.create_task(collect(stream))
    while not sealer.is_asked.is_set():
        await asyncio.sleep(0.001)
    sealer.may_open.set()
    await checking
    assert len(client.history[0].conversation.turns[1].content) == 5_001


async def test_an_older_thought_that_does_not_verify_is_dropped_and_reported() -> None:
    thought = await thought_of()
    assert isinstance(thought, ThinkingBlock)
    altered = replace(thought, thinking="six times nine")
    foreign = ThinkingBlock(thinking="hm", signature="EqQBCgIYAhIM")
    request, dropped = await restored(
        text_turn("user", "hi"),
        assistant(altered, foreign, TextBlock(text="42")),
        text_turn("user", "why?"),
        assistant(thought, TextBlock(text="because")),
        text_turn("user", "oh"),
    )
    assert dropped == [
        ("messages.1.content.0", "prefix_binding_mismatch"),
        ("messages.1.content.1", "organization_binding_mismatch"),
    ]
    assert request.conversation.turns[1].content == (TextBlock(text="42"),)
    assert request.conversation.turns[3].content[0] == thought


async def test_a_turn_of_nothing_but_dropped_thinking_goes_too() -> None:
    foreign = ThinkingBlock(thinking="hm", signature="x")
    request, dropped = await restored(
        text_turn("user", "hi"),
        assistant(foreign),
        text_turn("user", "well?"),
        assistant(TextBlock(text="42")),
        text_turn("user", "oh"),
    )
    assert len(dropped) == 1
    assert [turn.role for turn in request.conversation.turns] == ["user", "assistant", "user"]
    assert request.conversation.turns[0].content == (TextBlock(text="hi"), TextBlock(text="well?"))


async def test_another_models_thought_is_dropped_even_from_the_latest_turn() -> None:
    thought = await thought_of(model="other")
    _, dropped = await restored(
        text_turn("user", "hi"), assistant(thought, TextBlock(text="42")), text_turn("user", "why?")
    )
    assert dropped == [("messages.1.content.0", "model_binding_mismatch")]


async def test_errors_name_the_place_in_the_body_that_was_sent() -> None:
    body = {
        "model": "nano",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "d", "signature": "e"}]},
            {"role": "user", "content": "f"},
        ],
    }
    with pytest.raises(InvalidRequestError, match=r"^messages\.3\.content\.0: Invalid"):
        await collect(signed(ScriptedClient(["x"])).stream(parse_request(body)))


async def test_tokens_are_counted_as_the_client_inside_sees_them() -> None:
    omitted = await thought_of(replace(THINKING, display="omitted"))
    request = asking(
        text_turn("user", "hi"), assistant(omitted, TextBlock(text="42")), text_turn("user", "why?")
    )
    client = signed(ScriptedClient([REPLY]))
    counted = await client.count_tokens(request)
    assert counted == (await collect(client.stream(request))).usage.prompt_tokens == 9


CALL = ToolUseBlock(id="t1", name="add", input={"a": 1})
RESULT = Turn(role="user", content=(ToolResultBlock(tool_use_id="t1"),))


async def test_a_thought_before_a_call_comes_back_with_it() -> None:
    request, dropped = await restored(text_turn("user", "hi"), assistant(await thought_of(), CALL), RESULT)
    thought, call = request.conversation.turns[1].content
    assert isinstance(thought, ThinkingBlock)
    assert (thought.thinking, call, dropped) == ("six times seven", CALL, [])
    assert request.conversation.turns[2] == RESULT


async def test_several_thoughts_between_calls_come_back_each_in_its_place() -> None:
    first, second = await thought_of(), await thought_of(prompt="again")
    turn = assistant(first, CALL, second, replace(CALL, id="t2"))
    request, dropped = await restored(text_turn("user", "hi"), turn, RESULT)
    kinds = [type(block) for block in request.conversation.turns[1].content]
    assert kinds == [ThinkingBlock, ToolUseBlock, ThinkingBlock, ToolUseBlock]
    assert dropped == []


async def test_an_altered_thought_before_a_call_is_refused() -> None:
    thought = await thought_of()
    assert isinstance(thought, ThinkingBlock)
    altered = assistant(replace(thought, thinking="six times nine"), CALL)
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.0: .*cannot be modified"):
        await restored(text_turn("user", "hi"), altered, RESULT)


async def test_calls_pass_as_they_are_and_only_thoughts_are_signed() -> None:
    reply = ScriptedReply(thinking="hm", calls=(ScriptedCall(name="add", input={"a": 1}),))
    asked = asking(text_turn("user", "hi"))
    tool = Tool(name="add", input_schema={"type": "object"})
    asked = replace(asked, conversation=replace(asked.conversation, tools=(tool,)))
    inner = ScriptedClient([reply])
    message = await collect(signed(inner).stream(asked))
    thought, call = message.content
    assert isinstance(thought, ThinkingBlock)
    assert thought.signature.startswith("v1.")
    assert (call, message.stop_reason) == (replace(CALL, id="toolu_scripted_1_0"), "tool_use")
    assert inner.history[0].conversation.tools == (tool,)


async def test_the_models_are_those_of_the_client_inside() -> None:
    inner = ScriptedClient()
    assert await signed(inner).models() == await inner.models()


async def test_leaving_early_reaches_the_client_inside() -> None:
    inner = ScriptedClient([ScriptedReply(text="x", pause=asyncio.Event())])
    async with closing(signed(inner).stream(asking(text_turn("user", "hi")))) as events:
        await anext(events)
    assert inner.num_closed_early == 1
