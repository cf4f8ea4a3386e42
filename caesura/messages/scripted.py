"""A Client that says what it was told to say: the fake of every test that needs no network weights.

It keeps the protocol honestly: the prescribed event order, thinking only where the request switched it
on and only up to its budget, `max_tokens` and stop sequences obeyed, `count_tokens` equal to the usage.
Its tokens are words with the white space behind them (`pieces_of`), and each turn costs one more.

Enters: replies and requests. Leaves: events, and a history. Read next: `client.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from caesura.messages.closing import closing
from caesura.messages.content import Block, TextBlock, ThinkingBlock
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, StopReason, Usage

SCRIPTED_MODEL = ModelInfo(
    id="scripted",
    display_name="Scripted",
    created_at="2026-01-01T00:00:00Z",
    max_input_tokens=200_000,
    max_tokens=200_000,
    trained_tokens=4_096,
    can_think=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """One reply to come.

    text: the answer.
    thinking: the thought before it, left out where the request does not think.
    error: raised after the answer's last delta instead of finishing.
    pause: waited for after `message_start`, before anything else; never set by the client.
    delay_s: slept before each delta.
    """

    text: str = ""
    thinking: str = ""
    error: Exception | None = None
    pause: asyncio.Event | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A reply cut to what one request allows."""

    thought: list[str]
    answer: list[str]
    stop_reason: StopReason
    stop_sequence: str | None


def pieces_of(text: str) -> list[str]:
    """The tokens of the scripted model: words with the white space behind them."""
    return re.findall(r"\S+\s*|\s+", text)


def _block_length(block: Block) -> int:
    match block:
        case TextBlock():
            return len(pieces_of(block.text))
        case ThinkingBlock():
            return len(pieces_of(block.thinking))
        case _:
            return 1


def prompt_length(request: MessagesRequest) -> int:
    """How many tokens the scripted model reads: those of every block, and one for each turn."""
    conversation = request.conversation
    blocks = [*conversation.system, *(block for turn in conversation.turns for block in turn.content)]
    return sum(map(_block_length, blocks)) + len(conversation.turns)


def _cut_at_stop(text: str, stop_sequences: Sequence[str]) -> tuple[str, str | None]:
    found = [(text.find(stop), stop) for stop in stop_sequences if stop in text]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _plan(reply: ScriptedReply, request: MessagesRequest) -> _Plan:
    thinks = request.thinking.mode != "disabled"
    budget = request.thinking.budget_tokens if thinks else 0
    thought = pieces_of(reply.thinking)[:budget][: request.max_tokens - 1]
    text, stop = _cut_at_stop(reply.text, request.stop_sequences)
    answer = pieces_of(text)
    room = request.max_tokens - len(thought)
    if len(answer) > room:
        return _Plan(thought=thought, answer=answer[:room], stop_reason="max_tokens", stop_sequence=None)
    reason: StopReason = "stop_sequence" if stop else "end_turn"
    return _Plan(thought=thought, answer=answer, stop_reason=reason, stop_sequence=stop)


def _events_of(plan: _Plan) -> list[Event]:
    """The blocks of a reply, one delta a token."""
    events: list[Event] = []
    if plan.thought:
        events.append(BlockStart(index=0, block=ThinkingBlock(thinking="")))
        events += [ThinkingDelta(index=0, thinking=piece, num_tokens=1) for piece in plan.thought]
        events += [SignatureDelta(index=0, signature="scripted"), BlockStop(index=0)]
    index = 1 if plan.thought else 0
    events.append(BlockStart(index=index, block=TextBlock(text="")))
    events += [TextDelta(index=index, text=piece) for piece in plan.answer]
    events.append(BlockStop(index=index))
    return events


class ScriptedClient:
    """A Client with a queue of replies and a history of requests.

    history: every request that was streamed, in order.
    num_closed_early: how many of their streams were left before `MessageStop`.
    """

    def __init__(
        self,
        replies: Iterable[ScriptedReply | str | Exception] = (),
        *,
        models: Sequence[ModelInfo] = (SCRIPTED_MODEL,),
        otherwise: ScriptedReply | str | None = None,
    ) -> None:
        """An exception in the queue is raised before the first event.

        otherwise: the reply once the queue is empty; None makes that an ApiError.
        """
        self._queue = deque(replies)
        self._models = tuple(models)
        self._otherwise = otherwise
        self.history: list[MessagesRequest] = []
        self.num_closed_early = 0

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        self.history.append(request)
        is_finished = False
        try:
            async with closing(self._reply(self._next_reply(), request)) as events:
                async for event in events:
                    is_finished = isinstance(event, MessageStop)
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            self.num_closed_early += not is_finished
            raise

    def _next_reply(self) -> ScriptedReply:
        reply = self._queue.popleft() if self._queue else self._otherwise
        if reply is None:
            raise ApiError("the script has no further reply; give the client more replies, or `otherwise`")
        if isinstance(reply, Exception):
            raise reply
        return ScriptedReply(text=reply) if isinstance(reply, str) else reply

    async def _reply(self, reply: ScriptedReply, request: MessagesRequest) -> AsyncIterator[Event]:
        plan = _plan(reply, request)
        prompt = prompt_length(request)
        identity = f"msg_scripted_{len(self.history)}"
        yield MessageStart(id=identity, model=request.model, usage=Usage(input_tokens=prompt))
        if reply.pause is not None:
            await reply.pause.wait()
        for event in _events_of(plan) if request.max_tokens else ():
            if reply.delay_s and isinstance(event, TextDelta | ThinkingDelta):
                await asyncio.sleep(reply.delay_s)
            yield event
        if reply.error is not None:
            raise reply.error
        num_thought = len(plan.thought)
        usage = Usage(
            input_tokens=prompt,
            output_tokens=num_thought + len(plan.answer),
            thinking_tokens=num_thought,
        )
        yield MessageDelta(stop_reason=plan.stop_reason, stop_sequence=plan.stop_sequence, usage=usage)
        yield MessageStop()

    async def count_tokens(self, request: MessagesRequest) -> int:
        return prompt_length(request)

    async def models(self) -> Sequence[ModelInfo]:
        return self._models
