"""A Client that says what it was told to say: the fake of every test that needs no network weights.

It keeps the protocol honestly: the prescribed event order, thinking only where the request switched it on
and only up to its budget, calls only of tools that the request has and allows, `max_tokens` and stop
sequences obeyed, citations of what is there (`cited_text.py` has their form), `count_tokens` equal to the
usage. It cannot put an answer into a form that it was not scripted in. Its tokens are words with the white
space behind them (`pieces_of`), and each turn costs one more.

Enters: replies and requests. Leaves: events, and a history. Read next: `client.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from caesura.messages.chunks import num_characters, sources_of
from caesura.messages.cited_events import cited
from caesura.messages.closing import closing
from caesura.messages.content import (
    Block,
    DocumentBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Delta,
    Event,
    InputJsonDelta,
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
    can_see=True,
    can_structure=True,
    can_cite=True,
    can_read_pdf=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """One call of a reply to come.

    name: of the tool.
    input: its arguments.
    """

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """One reply to come.

    text: the answer.
    thinking: the thought before it, left out where the request does not think.
    calls: after the text; those that the request does not allow are left out.
    error: raised after the answer's last delta instead of finishing.
    pause: waited for after `message_start`, as if in a queue, before anything else; never set by the client.
    delay_s: slept before each delta.
    """

    text: str = ""
    thinking: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    error: Exception | None = None
    pause: asyncio.Event | None = None
    delay_s: float = 0.0


class _Part(NamedTuple):
    """One block of a reply: as it opens, and its tokens. Naming a tool takes a token too."""

    block: TextBlock | ThinkingBlock | ToolUseBlock
    pieces: list[str]

    @property
    def num_tokens(self) -> int:
        return len(self.pieces) + isinstance(self.block, ToolUseBlock)


class _Plan(NamedTuple):
    """A reply cut to what one request allows."""

    parts: list[_Part]
    stop_reason: StopReason
    stop_sequence: str | None

    @property
    def num_thought(self) -> int:
        return sum(part.num_tokens for part in self.parts if isinstance(part.block, ThinkingBlock))

    @property
    def num_tokens(self) -> int:
        return sum(part.num_tokens for part in self.parts)


def pieces_of(text: str) -> list[str]:
    """The tokens of the scripted model: words with the white space behind them."""
    return re.findall(r"\S+\s*|\s+", text)


def _block_length(block: Block) -> int:
    match block:
        case TextBlock():
            return len(pieces_of(block.text))
        case ThinkingBlock():
            return len(pieces_of(block.thinking))
        case ToolUseBlock():
            return 1 + len(pieces_of(json.dumps(dict(block.input))))
        case ToolResultBlock():
            return 1 + sum(map(_block_length, block.content))
        case DocumentBlock() | SearchResultBlock():
            return 0 if block.is_cleared else 1 + num_characters(block)
        case _:
            return 1


def _tool_length(tool: Tool) -> int:
    return 1 + len(pieces_of(f"{tool.description} {json.dumps(dict(tool.input_schema))}"))


def prompt_length(request: MessagesRequest) -> int:
    """How many tokens the scripted model reads: those of every tool and block, and one for each turn."""
    conversation = request.conversation
    blocks = [*conversation.system, *(block for turn in conversation.turns for block in turn.content)]
    tools = sum(map(_tool_length, conversation.listed_tools))
    return tools + sum(map(_block_length, blocks)) + len(conversation.turns)


def _cut_at_stop(text: str, stop_sequences: Sequence[str]) -> tuple[str, str | None]:
    found = [(text.find(stop), stop) for stop in stop_sequences if stop in text]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _allowed(calls: Sequence[ScriptedCall], request: MessagesRequest) -> Sequence[ScriptedCall]:
    """The calls that a request has tools for, and wants."""
    choice = request.tool_choice
    names = {tool.name for tool in request.conversation.tools if tool.shown != "nowhere"}
    if choice.mode == "none":
        return ()
    if choice.mode == "tool":
        names &= {choice.name}
    allowed = [call for call in calls if call.name in names]
    if not allowed and choice.mode in ("any", "tool"):
        raise ApiError(f"the request forces a call (tool_choice {choice.mode}), and the script has none")
    return allowed if choice.is_parallel else allowed[:1]


def _plan(reply: ScriptedReply, request: MessagesRequest, identity: str) -> _Plan:
    budget = request.thinking.budget_tokens if request.thinking.mode != "disabled" else 0
    thought = pieces_of(reply.thinking)[:budget][: request.max_tokens - 1]
    text, stop = _cut_at_stop(reply.text, request.stop_sequences)
    calls = () if stop else _allowed(reply.calls, request)
    parts = [_Part(ThinkingBlock(thinking=""), thought)] if thought else []
    if text or not calls:
        parts.append(_Part(TextBlock(text=""), pieces_of(text)))
    for index, call in enumerate(calls):
        block = ToolUseBlock(id=f"toolu_{identity}_{index}", name=call.name, input={})
        parts.append(_Part(block, pieces_of(json.dumps(dict(call.input)))))
    reason: StopReason = "stop_sequence" if stop else "tool_use" if calls else "end_turn"
    whole = _Plan(parts, reason, stop)
    if whole.num_tokens <= request.max_tokens:
        return whole
    return _Plan(_cut(parts, request.max_tokens), "max_tokens", None)


def _cut(parts: Sequence[_Part], room: int) -> list[_Part]:
    """As much of a reply as there is room for."""
    begun: list[_Part] = []
    for part in parts:
        room_inside = room - (part.num_tokens - len(part.pieces))
        if room_inside < 0 or (room == 0 and begun):
            break
        begun.append(_Part(part.block, part.pieces[:room_inside]))
        room -= begun[-1].num_tokens
    return begun


def _delta(index: int, part: _Part, piece: str) -> Delta:
    match part.block:
        case TextBlock():
            return TextDelta(index=index, text=piece)
        case ThinkingBlock():
            return ThinkingDelta(index=index, thinking=piece, num_tokens=1)
        case ToolUseBlock():
            return InputJsonDelta(index=index, partial_json=piece)


def _events_of(plan: _Plan) -> Iterator[Event]:
    """The blocks of a reply, one delta a token."""
    for index, part in enumerate(plan.parts):
        yield BlockStart(index=index, block=part.block)
        for piece in part.pieces:
            yield _delta(index, part, piece)
        if isinstance(part.block, ThinkingBlock):
            yield SignatureDelta(index=index, signature="scripted")
        yield BlockStop(index=index)


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
        otherwise: ScriptedReply | str | Callable[[MessagesRequest], ScriptedReply] | None = None,
    ) -> None:
        """An exception in the queue is raised before the first event.

        otherwise: the reply once the queue is empty, or what makes it of the request (and may raise); None
            makes that an ApiError.
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
            async with closing(self._reply(self._next_reply(request), request)) as events:
                async for event in events:
                    is_finished = isinstance(event, MessageStop)
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            self.num_closed_early += not is_finished
            raise

    def _next_reply(self, request: MessagesRequest) -> ScriptedReply:
        reply = self._queue.popleft() if self._queue else self._otherwise
        if reply is None:
            raise ApiError("the script has no further reply; give the client more replies, or `otherwise`")
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            return reply(request)
        return ScriptedReply(text=reply) if isinstance(reply, str) else reply

    async def _reply(self, reply: ScriptedReply, request: MessagesRequest) -> AsyncIterator[Event]:
        identity = f"scripted_{len(self.history)}"
        plan = _plan(reply, request, identity)
        prompt = prompt_length(request)
        yield MessageStart(id=f"msg_{identity}", model=request.model, usage=Usage(input_tokens=prompt))
        if reply.pause is not None:
            await reply.pause.wait()
        if request.when_admitted is not None:
            request.when_admitted()
        # The script's markers are citations where there is something to cite.
        told = cited(_events_of(plan), sources_of(request.conversation))
        for event in told if request.max_tokens else ():
            if reply.delay_s and isinstance(event, Delta):
                await asyncio.sleep(reply.delay_s)
            yield event
        if reply.error is not None:
            raise reply.error
        usage = Usage(
            input_tokens=prompt,
            output_tokens=plan.num_tokens,
            thinking_tokens=plan.num_thought,
        )
        yield MessageDelta(stop_reason=plan.stop_reason, stop_sequence=plan.stop_sequence, usage=usage)
        yield MessageStop()

    async def count_tokens(self, request: MessagesRequest) -> int:
        return prompt_length(request)

    async def models(self) -> Sequence[ModelInfo]:
        return self._models
