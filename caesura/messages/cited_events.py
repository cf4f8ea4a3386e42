"""An answer with citation markers as the API's blocks: one cited part each, and where it comes from.

A stage on the event stream, behind whatever writes text blocks. It knows nothing of the model. Every other
event passes, under its new index. White space between two cited parts goes with the first, at the beginning
of an answer with the first cited part: a block of it alone could not be sent back. Stop sequences are
looked for here, in what is shown. Enters: block events, sources. Leaves: block events. Read next:
`cited_text.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from caesura.messages.chunks import ChunkRange, Source, citation_of
from caesura.messages.cited_text import CitedTextReader, Piece
from caesura.messages.content import TextBlock
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    CitationsDelta,
    Event,
    InputJsonDelta,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)


class Passed(NamedTuple):
    """What may be shown of a text, and the stop sequence that has matched."""

    text: str
    stop: str | None


class StopFinder(Protocol):
    """Looks for stop sequences in a text that comes in pieces."""

    def feed(self, text: str, *, is_last: bool) -> tuple[str, str | None]:
        """What may be shown now, and the stop sequence that has matched, if one has."""
        ...


class _NoStops:
    def feed(self, text: str, *, is_last: bool) -> tuple[str, str | None]:
        return text, None


class CitedEvents:
    """Follows one reply. `feed` it events, then `finish`.

    stop_sequence: the stop sequence that has matched, if any; nothing after it is shown.
    """

    def __init__(self, sources: Sequence[Source], stops: Callable[[], StopFinder] = _NoStops) -> None:
        """stops: makes one for each text."""
        self._sources = sources
        self._stops = stops
        self._text: _Text | None = None
        self._index = 0
        self.stop_sequence: str | None = None

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """The events that these become."""
        return [sent for event in events for sent in self._replaced(event)]

    def finish(self) -> list[Event]:
        """Whatever was held back, and the end of the open block."""
        return self._end_text()

    def _replaced(self, event: Event) -> list[Event]:
        if self.stop_sequence is not None:
            return []
        match event:
            case BlockStart(block=TextBlock(text=opening)):
                self._text = _Text(self._sources, self._stops(), self._index)
                return self._text.feed(opening) if opening else []
            case TextDelta() if self._text is not None:
                sent = self._text.feed(event.text)
                self.stop_sequence = self._text.stop_sequence
                return sent
            case BlockStop() if self._text is not None:
                return self._end_text()
            case BlockStop():
                self._index += 1
                return [BlockStop(index=self._index - 1)]
            case BlockStart() | TextDelta() | ThinkingDelta() | InputJsonDelta() | SignatureDelta():
                return [replace(event, index=self._index)]
            case _:
                return [event]

    def _end_text(self) -> list[Event]:
        if self._text is None:
            return []
        sent = self._text.finish()
        self._index, self.stop_sequence = self._text.index, self._text.stop_sequence
        self._text = None
        return sent


def cited(events: Iterable[Event], sources: Sequence[Source]) -> Iterator[Event]:
    """A whole stream through the stage; as it is where there is nothing to cite."""
    if not sources:
        yield from events
        return
    stage = CitedEvents(sources)
    for event in events:
        yield from stage.feed((event,))
    yield from stage.finish()


_Key = tuple[int, tuple[ChunkRange, ...]]
_FREE: _Key = (0, ())


class _Text:
    """One text and the blocks that it becomes.

    index: of the open block, or of the next. stop_sequence: see `CitedEvents`.
    """

    def __init__(self, sources: Sequence[Source], stops: StopFinder, index: int) -> None:
        self._sources = sources
        self._stops = stops
        self._reader = CitedTextReader(sources)
        self.index = index
        self.stop_sequence: str | None = None
        self._blank = ""
        # Of the last part that was not just white space; None before the first.
        self._last: _Key | None = None
        # Parts that have been told to `stops`, by their length, and may still be waiting there.
        self._parts: deque[tuple[int, _Key]] = deque()
        self._open: _Key | None = None

    def feed(self, text: str) -> list[Event]:
        return self._show(self._placed(self._reader.feed(text)), is_last=False)

    def finish(self) -> list[Event]:
        parts = self._placed(self._reader.finish())
        if self._blank:
            parts.append((self._blank, self._last or _FREE))
        shown = [] if self.stop_sequence is not None else self._show(parts, is_last=True)
        return [*shown, *self._stop()]

    def _placed(self, pieces: Iterable[Piece]) -> list[tuple[str, _Key]]:
        """Pieces under the block that they belong to, white space held till that is known."""
        placed: list[tuple[str, _Key]] = []
        for piece in pieces:
            key = (piece.span, piece.ranges)
            if key == _FREE and self._last != _FREE and not piece.text.strip():
                self._blank += piece.text
                continue
            # Behind a cited part it is that part's, if another one follows.
            owner = key if self._last is None or key == _FREE else self._last
            if self._blank:
                placed.append((self._blank, owner))
                self._blank = ""
            placed.append((piece.text, key))
            self._last = key
        return placed

    def _show(self, parts: Iterable[tuple[str, _Key]], *, is_last: bool) -> list[Event]:
        told = [(text, key) for text, key in parts if text]
        self._parts.extend((len(text), key) for text, key in told)
        passed, stop = self._stops.feed("".join(text for text, _ in told), is_last=is_last)
        events: list[Event] = []
        while passed:
            length, key = self._parts.popleft()
            events += self._delta(passed[:length], key)
            if len(passed) < length:
                self._parts.appendleft((length - len(passed), key))
            passed = passed[length:]
        self.stop_sequence = stop
        return events

    def _delta(self, text: str, key: _Key) -> list[Event]:
        begun: list[Event] = []
        if self._open != key:
            begun = [*self._stop(), BlockStart(index=self.index, block=TextBlock(text=""))]
            self._open = key
        return [*begun, TextDelta(index=self.index, text=text)]

    def _stop(self) -> list[Event]:
        if self._open is None:
            return []
        _, ranges = self._open
        index, self.index, self._open = self.index, self.index + 1, None
        cited = [
            CitationsDelta(
                index=index, citation=citation_of(self._sources[each.source], each.first, each.last)
            )
            for each in ranges
        ]
        return [*cited, BlockStop(index=index)]
