"""A Client that edits a conversation before another Client reads it.

Whatever a request asks for in `context_edits` is done here, so the Client inside never sees an edit: old
results and thoughts are cleared, and a conversation that has grown too long is summarised by the same model,
in a pass of its own, before it is answered. What the request got wrong is refused before that.
`usage.iterations` tells of both passes; the counts of the reply itself are those of the second.

Enters: a Client. Leaves: a Client. Read next: `context_edits.py`, `compaction.py`.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from caesura.messages.checking import check
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.compaction import MAX_SUMMARY_TOKENS, compacted, summary_of, summary_request
from caesura.messages.content import CompactionBlock, Conversation, text_of
from caesura.messages.context_edits import Edited, apply_edits
from caesura.messages.context_management import (
    AppliedEdit,
    Compaction,
    compact_trigger_tokens,
    min_compact_trigger_tokens,
)
from caesura.messages.errors import ApiError, InvalidRequestError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    CompactionDelta,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
)
from caesura.messages.fold import MessageFold
from caesura.messages.offsets import shifted
from caesura.messages.passes import Passes
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Message, ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A request whose edits have been applied.

    request: for the Client inside.
    applied: what was cleared.
    compaction: the summary that is due before the request is answered, if one is.
    """

    request: MessagesRequest
    applied: tuple[AppliedEdit, ...]
    compaction: Compaction | None = None


class ContextClient:
    """Any Client, with conversations edited as requests wish."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The reply. Raises ApiError, as `Client.stream`."""
        return self._edited_stream(request) if request.context_edits else self._client.stream(request)

    async def count_tokens(self, request: MessagesRequest) -> int:
        """The length of the prompt after the edits; no summary is written for it."""
        if not request.context_edits:
            return await self._client.count_tokens(request)
        window = await self._window(request.model)
        _compaction(request, window)
        edited = await self._apply(request, window)
        if edited.num_tokens is not None:
            return edited.num_tokens
        return await self._count(request, edited.conversation)

    async def models(self) -> Sequence[ModelInfo]:
        """The models on offer."""
        return await self._client.models()

    async def _edited_stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        task = await self._task(request)
        async with closing(self._task_stream(task)) as events:
            async for event in events:
                if isinstance(event, MessageDelta):
                    event = replace(event, applied_edits=task.applied)
                yield event

    def _task_stream(self, task: _Task) -> AsyncIterator[Event]:
        if task.compaction is None:
            return self._client.stream(task.request)
        return _Compacting(self._client, task.request, task.compaction).events()

    async def _task(self, request: MessagesRequest) -> _Task:
        window = await self._window(request.model)
        compaction = _compaction(request, window)
        edited = await self._apply(request, window)
        asked = replace(request, conversation=edited.conversation, context_edits=())
        # Whoever warms the cache wants nothing written.
        if compaction is None or not request.max_tokens:
            return _Task(request=asked, applied=edited.applied)
        num_tokens = edited.num_tokens
        if num_tokens is None:
            num_tokens = await self._count(request, edited.conversation)
        is_due = num_tokens >= (compaction.trigger_tokens or compact_trigger_tokens(window))
        return _Task(request=asked, applied=edited.applied, compaction=compaction if is_due else None)

    async def _apply(self, request: MessagesRequest, window: int) -> Edited:
        async def count(conversation: Conversation) -> int:
            return await self._count(request, conversation)

        return await apply_edits(request.conversation, request.context_edits, count, window=window)

    async def _count(self, request: MessagesRequest, conversation: Conversation) -> int:
        asked = replace(request, conversation=conversation, context_edits=())
        return await self._client.count_tokens(asked)

    async def _window(self, model: str) -> int:
        windows = [info.max_input_tokens for info in await self._client.models() if info.id == model]
        # A server that says nothing of its window (0) gets the API's own numbers.
        return (windows[0] if windows else 0) or 1_000_000


def _compaction(request: MessagesRequest, window: int) -> Compaction | None:
    """The summary that a request allows for; raises InvalidRequestError for a trigger that is too low."""
    for index, edit in enumerate(request.context_edits):
        if isinstance(edit, Compaction):
            least = min_compact_trigger_tokens(window)
            if edit.trigger_tokens is not None and edit.trigger_tokens < least:
                path = f"context_management.edits.{index}.compact_20260112.trigger.value"
                raise InvalidRequestError(f"{path}: Input should be greater than or equal to {least}")
            return edit
    return None


class _Compacting:
    """One reply that begins with a summary."""

    def __init__(self, client: Client, request: MessagesRequest, compaction: Compaction) -> None:
        self._client = client
        self._request = request
        self._compaction = compaction
        self._passes = Passes(request.when_cut)
        self._fold = MessageFold()

    async def events(self) -> AsyncIterator[Event]:
        """The summary's block, then the reply."""
        try:
            await check(self._client, self._answering(self._request.conversation))
            async with closing(self._summarise()) as events:
                async for event in events:
                    yield event
            summary = self._summary(self._fold.message())
            yield BlockStart(index=0, block=CompactionBlock(content=None))
            yield CompactionDelta(index=0, content=summary)
            yield BlockStop(index=0)
            async with closing(self._rest(summary)) as events:
                async for event in events:
                    yield event
        except (GeneratorExit, CancelledError, ApiError):
            self._passes.leave()
            raise

    def _answering(self, conversation: Conversation) -> MessagesRequest:
        """The request for the answer. Nobody knows beforehand how long a summary will be, so an answer that
        does not fit behind it ends where the window does. Diagnostics are the summary's, whose id the reply
        has.
        """
        return replace(self._request, conversation=conversation, fills_window=True, diagnostics=None)

    async def _summarise(self) -> AsyncIterator[Event]:
        """The beginning of the reply, at once, so that whoever waits is told that somebody is at work."""
        asked = replace(await self._summary_request(), when_cut=self._passes.begin("compaction"))
        async with closing(self._client.stream(asked)) as events:
            async for event in events:
                self._fold.add(event)
                if isinstance(event, MessageStart | Ping):
                    yield event
                if isinstance(event, MessageDelta):
                    self._passes.end(event.usage, "compaction")

    async def _summary_request(self) -> MessagesRequest:
        """For as long a summary as there is room for."""
        draft = summary_request(self._request, self._compaction, MAX_SUMMARY_TOKENS)
        models = await self._client.models()
        info = next((each for each in models if each.id == self._request.model), None)
        if info is None or not info.max_input_tokens:
            return draft
        room = info.max_input_tokens - await self._client.count_tokens(draft)
        # Without room for a single token the Client inside refuses it, in words that clients act on.
        return replace(draft, max_tokens=max(1, min(MAX_SUMMARY_TOKENS, room, info.max_tokens)))

    def _summary(self, message: Message) -> str | None:
        """A summary that was cut off is none."""
        text = text_of(message.content) if message.stop_reason == "end_turn" else ""
        return summary_of(text, self._request.conversation)

    async def _rest(self, summary: str | None) -> AsyncIterator[Event]:
        """What follows the summary; without one, the reply to the conversation as it is."""
        if self._compaction.pauses:
            yield MessageDelta(stop_reason="compaction", stop_sequence=None, usage=self._passes.usage)
            yield MessageStop()
            return
        conversation = self._request.conversation
        if summary is not None:
            conversation = compacted(conversation, summary)
        asked = replace(self._answering(conversation), when_cut=self._passes.begin())
        async with closing(self._client.stream(asked)) as events:
            async for event in events:
                if isinstance(event, MessageDelta):
                    self._passes.end(event.usage)
                    event = replace(event, usage=self._passes.usage)
                if not isinstance(event, MessageStart):
                    yield shifted(event, 1)
