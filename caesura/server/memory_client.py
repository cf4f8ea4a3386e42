"""A Client that carries out what another Client wants of the memory.

A call of the memory becomes one that the server runs: it is told to the client as such, carried out, its
result put behind it in the reply, and the model goes on from there, as often as `MAX_ROUNDS` allows. Then the
reply pauses (`pause_turn`), and goes on when it is sent back. Calls of the client's own tools are left to it,
and end the reply as ever. `max_tokens` and the thinking budget hold for all rounds together, and so does the
bill.

Enters: a Client and a store. Leaves: a Client. Read next: `memory_store.py`, `caesura/messages/replayed.py`.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import Block, CompactionBlock, TextBlock, ToolResultBlock, ToolUseBlock
from caesura.messages.context_management import Compaction, ContextEdit
from caesura.messages.edit_totals import EditTotals
from caesura.messages.errors import ApiError, InvalidRequestError
from caesura.messages.events import BlockStart, BlockStop, Event, MessageDelta, MessageStart, MessageStop
from caesura.messages.fold import MessageFold
from caesura.messages.memory_tool import has_server_memory, is_server_memory
from caesura.messages.offsets import shifted
from caesura.messages.passes import Passes
from caesura.messages.replayed import continued
from caesura.messages.request import MessagesRequest, Thinking, ToolChoice
from caesura.messages.response import ModelInfo, Usage
from caesura.server.memory_store import MemoryAnswer, MemoryStore

logger = logging.getLogger(__name__)

# How often one reply may look into the memory before it pauses.
MAX_ROUNDS = 10
_FAILED = MemoryAnswer(text="The memory failed; nothing was done.", is_error=True)


class MemoryClient:
    """Any Client, with a memory."""

    def __init__(self, client: Client, store: MemoryStore | None) -> None:
        """store: None where nothing is remembered, and whoever asks for it is refused."""
        self._client = client
        self._store = store

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The reply. Raises ApiError, as `Client.stream`."""
        store = self._store_for(request)
        if store is None or not request.max_tokens:
            return self._client.stream(request)
        return _Remembering(self._client, store, request).events()

    async def count_tokens(self, request: MessagesRequest) -> int:
        """The length of the first round's prompt."""
        self._store_for(request)
        return await self._client.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        """The models on offer."""
        return await self._client.models()

    def _store_for(self, request: MessagesRequest) -> MemoryStore | None:
        """None where the request asks for no memory. Raises InvalidRequestError where there is none."""
        if not has_server_memory(request):
            return None
        if self._store is None:
            raise InvalidRequestError(
                "tools: this server keeps no memory, so it cannot carry out `memory` itself; leave"
                ' "executed_by" out and carry the calls out, or serve with --memory-folder'
            )
        return self._store


class _Round:
    """One pass of the model, as its events come by.

    outcome: how it ended; None until it has. has_begun: whether it has said anything.
    """

    def __init__(self, names: frozenset[str], *, is_first: bool, num_blocks_before: int) -> None:
        """names: of the tools that the server runs."""
        self.outcome: MessageDelta | None = None
        self.has_begun = False
        self._names = names
        self._is_first = is_first
        self._num_blocks_before = num_blocks_before
        self._fold = MessageFold()

    def take(self, event: Event) -> Event | None:
        """What the client is told of an event, if anything."""
        if isinstance(event, BlockStart) and isinstance(event.block, ToolUseBlock):
            event = replace(event, block=self._server_run(event.block))
        self._fold.add(event)
        self.has_begun |= isinstance(event, BlockStart)
        match event:
            case MessageStart():
                return event if self._is_first else None
            case MessageDelta():
                self.outcome = event
                return None
            case MessageStop():
                return None
            case _:
                return shifted(event, self._num_blocks_before)

    def content(self) -> tuple[Block, ...]:
        """What was written. Raises ApiError where the round broke off."""
        return self._fold.message().content

    def _server_run(self, block: ToolUseBlock) -> ToolUseBlock:
        if block.name not in self._names:
            return block
        return replace(block, id=f"mcp{block.id}", is_server_run=True)


class _Remembering:
    """One reply, in rounds."""

    def __init__(self, client: Client, store: MemoryStore, request: MessagesRequest) -> None:
        self._client = client
        self._store = store
        self._asked = request
        self._request = request
        self._names = frozenset(each.name for each in request.conversation.tools if is_server_memory(each))
        self._passes = Passes(request.when_cut)
        self._edits = EditTotals()
        self._num_rounds = self._num_blocks = 0
        self._outcome_before: MessageDelta | None = None

    async def events(self) -> AsyncIterator[Event]:
        """The whole reply."""
        try:
            outcome: MessageDelta | None = None
            while outcome is None:
                turn = self._next_round()
                try:
                    async with closing(self._written(turn)) as events:
                        async for event in events:
                            yield event
                except ApiError as error:
                    outcome = self._paused(turn, error)
                    break
                results = await self._results(turn)
                for result in results:
                    yield BlockStart(index=self._num_blocks, block=result)
                    yield BlockStop(index=self._num_blocks)
                    self._num_blocks += 1
                outcome = await self._outcome(turn, results)
            yield replace(outcome, usage=self._passes.usage, applied_edits=self._edits.applied)
            yield MessageStop()
        except (GeneratorExit, CancelledError, ApiError):
            self._passes.leave()
            raise

    def _paused(self, turn: _Round, error: ApiError) -> MessageDelta:
        """How a reply ends whose next round failed before it said a word: what the memory was told must not
        be told again, as it would be if the whole request were repeated. Raises the error if that is no way.
        """
        if self._outcome_before is None or turn.has_begun:
            raise error
        logger.warning("a reply pauses after its memory was used: %s", error.message)
        return replace(self._outcome_before, stop_reason="pause_turn")

    def _next_round(self) -> _Round:
        self._num_rounds += 1
        return _Round(self._names, is_first=self._num_rounds == 1, num_blocks_before=self._num_blocks)

    async def _written(self, turn: _Round) -> AsyncIterator[Event]:
        """What the model writes in a round."""
        asked = replace(self._request, when_cut=self._passes.begin())
        async with closing(self._client.stream(asked)) as events:
            async for event in events:
                if isinstance(event, MessageDelta):
                    self._passes.end(event.usage)
                told = turn.take(event)
                if told is not None:
                    yield told
        self._num_blocks += len(turn.content())
        self._edits.take(turn.outcome and turn.outcome.applied_edits, turn.content())

    async def _results(self, turn: _Round) -> list[ToolResultBlock]:
        """What came of the round's calls; a reply that was cut may have broken off in the last of them."""
        if turn.outcome is None or turn.outcome.stop_reason != "tool_use":
            return []
        return [await self._carried_out(call) for call in _calls(turn) if call.is_server_run]

    async def _carried_out(self, call: ToolUseBlock) -> ToolResultBlock:
        try:
            answer = await asyncio.to_thread(self._store.run, self._asked.tenant, call.input)
        except OSError:
            logger.exception("the memory could not be used")
            answer = _FAILED
        return ToolResultBlock(
            tool_use_id=call.id,
            content=(TextBlock(text=answer.text),),
            is_error=answer.is_error,
            is_server_run=True,
        )

    async def _outcome(self, turn: _Round, results: Sequence[ToolResultBlock]) -> MessageDelta | None:
        """How the reply ends; None where the model goes on, with another request."""
        outcome = turn.outcome
        if outcome is None:
            raise ApiError("the reply broke off before its end")
        is_done = outcome.stop_reason != "tool_use" or len(results) < len(_calls(turn))
        if is_done:
            return outcome
        if self._num_rounds == MAX_ROUNDS:
            return replace(outcome, stop_reason="pause_turn")
        if self._passes.usage.output_tokens >= self._asked.max_tokens:
            return replace(outcome, stop_reason="max_tokens")
        self._request = self._following((*turn.content(), *results))
        self._outcome_before = outcome
        try:
            has_room = await self._fits(self._request)
        except ApiError as error:
            return self._paused(self._next_round(), error)
        return None if has_room else replace(outcome, stop_reason="model_context_window_exceeded")

    def _following(self, content: tuple[Block, ...]) -> MessagesRequest:
        """The request of the next round, within what the earlier ones have left."""
        choice, used = self._asked.tool_choice, self._passes.usage
        # What was forced has been done.
        is_forced = choice.mode in ("any", "tool")
        return replace(
            self._request,
            conversation=continued(self._request.conversation, content),
            max_tokens=self._asked.max_tokens - used.output_tokens,
            thinking=_remaining(self._asked.thinking, used),
            tool_choice=ToolChoice(is_parallel=choice.is_parallel) if is_forced else choice,
            diagnostics=None,
            context_edits=self._edits_after(content),
            fills_window=True,
        )

    def _edits_after(self, content: tuple[Block, ...]) -> tuple[ContextEdit, ...]:
        """Where no summary could be written, the next round does not try again."""
        has_failed = any(isinstance(block, CompactionBlock) and block.content is None for block in content)
        edits = self._request.context_edits
        return tuple(each for each in edits if not (has_failed and isinstance(each, Compaction)))

    async def _fits(self, request: MessagesRequest) -> bool:
        """Whether the window has room for the next round's prompt, and a token of an answer."""
        windows = [info.max_input_tokens for info in await self._client.models() if info.id == request.model]
        # A server that says nothing of its window (0) says so when it is asked for a reply.
        if not windows or not windows[0]:
            return True
        return await self._client.count_tokens(request) < windows[0]


def _calls(turn: _Round) -> list[ToolUseBlock]:
    return [block for block in turn.content() if isinstance(block, ToolUseBlock)]


def _remaining(thinking: Thinking, used: Usage) -> Thinking:
    """What is left of a thinking budget; once it is used up, the model answers at once."""
    if thinking.budget_tokens is None:
        return thinking
    left = thinking.budget_tokens - used.thinking_tokens
    return replace(thinking, budget_tokens=left) if left > 0 else Thinking()
