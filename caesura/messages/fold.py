"""A whole reply is the fold of its event stream.

Enters: events. Leaves: a `Message`. Read next: `events.py` for the order that is relied on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from caesura.messages.citations import Citation
from caesura.messages.closing import closing
from caesura.messages.content import Block, CompactionBlock, TextBlock, ThinkingBlock, ToolUseBlock
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    CitationsDelta,
    CompactionDelta,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.json_values import parse_input
from caesura.messages.response import Message, StopReason

# After these a call may have broken off in the middle of its input.
_CUTTING: frozenset[StopReason] = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})


@dataclass(slots=True)
class _OpenBlock:
    """A block while its pieces arrive: as it opened, its pieces, its citations, its signature."""

    block: Block
    pieces: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])
    signature: str = ""

    def built(self, *, is_cut: bool) -> Block:
        """The block; raises ApiError when a call's input is no JSON object.

        is_cut: whether it may have broken off; a call's input is then read as far as it goes.
        """
        text = "".join(self.pieces)
        match self.block:
            case TextBlock():
                citations = (*self.block.citations, *self.citations)
                return TextBlock(text=self.block.text + text, citations=citations)
            case ThinkingBlock():
                signature = self.signature or self.block.signature
                return ThinkingBlock(thinking=self.block.thinking + text, signature=signature)
            case ToolUseBlock() if text.strip():
                return replace(self.block, input=_input(self.block, text, is_cut=is_cut))
            case block:
                # A call without any delta has the input that it opened with.
                return block


def _input(block: ToolUseBlock, text: str, *, is_cut: bool) -> Mapping[str, Any]:
    try:
        return parse_input(text, is_cut=is_cut)
    except ValueError as error:
        raise ApiError(
            f"the reply calls `{block.name}` with an input that cannot be read: {error}"
        ) from error


class MessageFold:
    """A reply under construction: `add` each event, then ask for the `message`."""

    def __init__(self) -> None:
        self._start: MessageStart | None = None
        self._outcome: MessageDelta | None = None
        self._blocks: list[_OpenBlock] = []
        self.is_complete = False

    @property
    def content(self) -> tuple[Block, ...]:
        """The blocks so far, the open one as far as it has come."""
        return tuple(block.built(is_cut=True) for block in self._blocks)

    def add(self, event: Event) -> None:
        """Take the next event; raises ApiError when it cannot come next."""
        match event:
            case TextDelta():
                self._open(event.index).pieces.append(event.text)
            case CitationsDelta():
                self._open(event.index).citations.append(event.citation)
            case ThinkingDelta():
                self._open(event.index).pieces.append(event.thinking)
            case InputJsonDelta():
                self._open(event.index).pieces.append(event.partial_json)
            case SignatureDelta():
                self._open(event.index).signature = event.signature
            case CompactionDelta():
                self._open(event.index).block = CompactionBlock(content=event.content)
            case BlockStart():
                self._begin_block(event)
            case MessageStart():
                self._start = event
            case MessageDelta():
                self._outcome = event
            case MessageStop():
                self.is_complete = True
            case _:
                pass

    def _begin_block(self, event: BlockStart) -> None:
        if event.index != len(self._blocks):
            raise ApiError(f"the reply opened block {event.index} where {len(self._blocks)} comes next")
        self._blocks.append(_OpenBlock(event.block))

    def _open(self, index: int) -> _OpenBlock:
        if index != len(self._blocks) - 1:
            raise ApiError(f"the reply continued block {index}, which is not the open one")
        return self._blocks[-1]

    def message(self) -> Message:
        """The whole reply; raises ApiError when its stream broke off, or spells no JSON where it must."""
        if self._start is None or self._outcome is None or not self.is_complete:
            raise ApiError("the reply broke off before its end")
        is_cut = self._outcome.stop_reason in _CUTTING
        last = len(self._blocks) - 1
        return Message(
            id=self._start.id,
            model=self._start.model,
            content=tuple(
                block.built(is_cut=is_cut and index == last) for index, block in enumerate(self._blocks)
            ),
            stop_reason=self._outcome.stop_reason,
            stop_sequence=self._outcome.stop_sequence,
            usage=self._outcome.usage,
            input_transformations=self._start.input_transformations,
            cache_miss=self._start.cache_miss,
            applied_edits=self._outcome.applied_edits,
        )


def fold(events: Iterable[Event]) -> Message:
    """The reply that a finished stream amounts to; raises ApiError when it broke off."""
    folding = MessageFold()
    for event in events:
        folding.add(event)
    return folding.message()


async def collect(stream: AsyncIterator[Event]) -> Message:
    """Read a stream to its end and fold it; the stream is closed even when this is cancelled."""
    folding = MessageFold()
    async with closing(stream) as events:
        async for event in events:
            folding.add(event)
    return folding.message()
