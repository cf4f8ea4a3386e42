"""A whole reply is the fold of its event stream.

Enters: events. Leaves: a `Message`. Read next: `events.py` for the order that is relied on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from caesura.messages.closing import closing
from caesura.messages.content import Block, RedactedThinkingBlock, TextBlock, ThinkingBlock
from caesura.messages.errors import ApiError
from caesura.messages.events import (
    BlockStart,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.response import Message


@dataclass(slots=True)
class _OpenBlock:
    """A block while its pieces arrive: as it opened, its pieces, its signature."""

    block: Block
    pieces: list[str] = field(default_factory=list[str])
    signature: str = ""

    def built(self) -> Block:
        text = "".join(self.pieces)
        match self.block:
            case TextBlock():
                return TextBlock(text=self.block.text + text)
            case ThinkingBlock():
                signature = self.signature or self.block.signature
                return ThinkingBlock(thinking=self.block.thinking + text, signature=signature)
            case RedactedThinkingBlock():
                return self.block


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
        return tuple(block.built() for block in self._blocks)

    def add(self, event: Event) -> None:
        """Take the next event; raises ApiError when it cannot come next."""
        match event:
            case TextDelta():
                self._open(event.index).pieces.append(event.text)
            case ThinkingDelta():
                self._open(event.index).pieces.append(event.thinking)
            case SignatureDelta():
                self._open(event.index).signature = event.signature
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
        """The whole reply; raises ApiError when its stream broke off."""
        if self._start is None or self._outcome is None or not self.is_complete:
            raise ApiError("the reply broke off before its end")
        return Message(
            id=self._start.id,
            model=self._start.model,
            content=self.content,
            stop_reason=self._outcome.stop_reason,
            stop_sequence=self._outcome.stop_sequence,
            usage=self._outcome.usage,
            input_transformations=self._start.input_transformations,
            cache_miss=self._start.cache_miss,
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
