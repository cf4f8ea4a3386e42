"""Edits, citations, memory and tools together: what holds of every conversation that is accepted."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caesura.messages.chunks import by_index, range_of, readings_of, sources_of
from caesura.messages.citations import CharLocation, SearchResultLocation
from caesura.messages.closing import closing
from caesura.messages.content import CompactionBlock, Conversation, TextBlock, ToolResultBlock
from caesura.messages.context_client import ContextClient
from caesura.messages.errors import ApiError
from caesura.messages.events import Event, MessageDelta, MessageStart, MessageStop
from caesura.messages.fold import fold
from caesura.messages.iterations import billed
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Message, ModelInfo, Usage
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply, prompt_length
from caesura.messages.signing import SigningClient
from caesura.messages.tool_lines import tool_line
from caesura.messages.validation import parse_request
from caesura.messages.wire import message_json
from caesura.server.memory_client import MemoryClient
from caesura.server.memory_store import MemoryStore
from caesura.tokens.document_text import without_documents
from tests.server.random_contexts import LEAST_TRIGGER, SEALER, bodies, replies

MODEL = replace(SCRIPTED_MODEL, max_input_tokens=4 * LEAST_TRIGGER, max_tokens=400)
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


class Inner:
    """A scripted Client that may fail, and knows which of its passes have come to their end."""

    def __init__(self, script: Sequence[ScriptedReply], fails_at: int | None) -> None:
        self.scripted = ScriptedClient(script, models=[MODEL], otherwise="Enough.")
        self.ended: list[Usage] = []
        self._fails_at = fails_at

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        if self._fails_at == len(self.scripted.history):
            raise ApiError("broken")
        async with closing(self.scripted.stream(request)) as events:
            async for event in events:
                if isinstance(event, MessageDelta):
                    self.ended.append(event.usage)
                yield event

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self.scripted.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self.scripted.models()


def clients(inner: Inner, folder: str) -> MemoryClient:
    signing = SigningClient(inner, SEALER)
    return MemoryClient(ContextClient(signing), MemoryStore(Path(folder)))


async def answered(
    inner: Inner, request: MessagesRequest, most: int | None = None
) -> tuple[list[Event], int]:
    """The events of a reply, or the first of them, and what its prompt was counted to be."""
    events: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        client = clients(inner, folder)
        counted = await client.count_tokens(request)
        async with closing(client.stream(request)) as stream:
            async for event in stream:
                events.append(event)
                if len(events) == most:
                    break
    return events, counted


def check_reads(read: Conversation) -> None:
    """A citation is read as one wherever what it quotes is still there, and as what it quotes. Whatever may
    be called, the model has read of.
    """
    sources = sources_of(read)
    known = by_index(sources)
    said = [block for turn in read.turns for block in turn.content if isinstance(block, TextBlock)]
    for citation in (each for block in said for each in block.citations):
        place = range_of(citation, known)
        assert (place is not None) == any(citation.cited_text in source.text for source in sources)
        if place is not None:
            source = sources[place.source]
            assert source.number == place.source
            cited = source.text[source.chunks[place.first].start : source.chunks[place.last].end]
            assert cited == citation.cited_text
    told = without_documents(read).conversation
    assert not list(readings_of(told))
    for source in sources:
        is_written = f"[{source.number}:0] {source.text}" in str(told)
        assert is_written != source.block.is_cleared
    results = [block for turn in read.turns for block in turn.content if isinstance(block, ToolResultBlock)]
    lines = {part.text for block in results for part in block.content if isinstance(part, TextBlock)}
    for tool in read.tools:
        assert tool.shown != "in_result" or tool_line(tool) in lines


def sent_sources(body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What the documents and the search results of a body say, in their order."""
    documents: list[str] = []
    found: list[str] = []
    blocks = [block for message in body["messages"] for block in message["content"]]
    inner = [part for block in blocks for part in (block, *_parts(block))]
    for block in inner:
        if block["type"] == "document":
            documents.append(block["source"]["data"])
        elif block["type"] == "search_result":
            found.append(block["content"][0]["text"])
    return documents, found


def _parts(block: Any) -> list[Any]:
    content = block.get("content")
    return content if block["type"] == "tool_result" else []


def check_citations(message: Message, body: dict[str, Any]) -> None:
    """What the reply cites is where it says, in the body as it was sent."""
    documents, found = sent_sources(body)
    for citation in (c for block in message.content if isinstance(block, TextBlock) for c in block.citations):
        match citation:
            case CharLocation():
                text = documents[citation.document_index]
                assert text[citation.start_char_index : citation.end_char_index] == citation.cited_text
            case SearchResultLocation():
                assert found[citation.search_result_index] == citation.cited_text
            case _:
                raise AssertionError(citation)


def check_events(events: Sequence[Event]) -> Message:
    kinds = [type(event) for event in events]
    assert (kinds[0], kinds[-1]) == (MessageStart, MessageStop)
    assert [kinds.count(kind) for kind in (MessageStart, MessageDelta, MessageStop)] == [1, 1, 1]
    return fold(events)


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(bodies(), replies)
def test_whatever_is_edited_counts_citations_and_ends_are_right(
    body: dict[str, Any], script: list[ScriptedReply]
) -> None:
    inner = Inner(script, None)
    request = parse_request(body)
    events, counted = asyncio.run(answered(inner, request))
    message = check_events(events)
    history = inner.scripted.history
    for read in history:
        check_reads(read.conversation)
    check_citations(message, body)
    assert billed(message.usage).prompt_tokens == sum(map(prompt_length, history))
    assert (message.applied_edits is None) == (not request.context_edits)
    if not any(isinstance(block, CompactionBlock) for block in message.content):
        assert prompt_length(history[0]) == counted
    # The reply can be sent back, and its citations are of the same sources then.
    said = {"role": "assistant", "content": message_json(message)["content"]}
    check_reads(parse_request({**body, "messages": [*body["messages"], *_sent_back(said)]}).conversation)


def _sent_back(said: Any) -> list[Any]:
    """The reply as a turn, with results for what the client is to carry out; nothing if it says nothing."""
    kept = [block for block in said["content"] if block["type"] != "text" or block["text"].strip()]
    calls = [block for block in kept if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"} for call in calls]
    after = {"role": "user", "content": [*results, {"type": "text", "text": "Go on."}]}
    return [{**said, "content": kept}, after] if kept else []


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(bodies(), replies, st.integers(0, 4), st.integers(1, 60))
def test_whatever_fails_or_is_left_what_was_done_is_charged(
    body: dict[str, Any], script: list[ScriptedReply], fails_at: int, most: int
) -> None:
    inner = Inner(script, fails_at)
    told: list[Usage] = []
    request = replace(parse_request(body), when_cut=told.append)
    events: list[Event] = []
    with contextlib.suppress(ApiError):
        events, _ = asyncio.run(answered(inner, request, most))
    if any(isinstance(event, MessageDelta) for event in events):
        return
    assert len(told) <= 1
    charged = sum(billed(usage).prompt_tokens for usage in told)
    assert charged == sum(usage.prompt_tokens for usage in inner.ended)
