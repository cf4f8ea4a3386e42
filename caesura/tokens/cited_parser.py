"""A parser whose answer may cite: a `BlockParser` with the citations stage behind it.

Stop sequences are looked for by the stage, in what is shown, and never in a marker. Enters: ids. Leaves:
block events. Read next: `parser.py`, `caesura/messages/cited_events.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from caesura.messages.chunks import Source
from caesura.messages.cited_events import CitedEvents
from caesura.messages.events import Event
from caesura.tokens.parser import BlockParser
from caesura.tokens.stop_sequences import StopMatcher


class ReplyParser(Protocol):
    """Follows one reply. `feed` each sampled or forced id, then `finish`."""

    @property
    def stop_sequence(self) -> str | None:
        """The stop sequence that has matched, if any; nothing after it is told."""
        ...

    def feed(self, token: int) -> list[Event]:
        """The events that one more id brings about."""
        ...

    def finish(self) -> list[Event]:
        """Whatever was held back, and the end of the open block."""
        ...


class CitedParser:
    """A `ReplyParser`."""

    def __init__(
        self, parser: BlockParser, sources: Sequence[Source], stop_sequences: Sequence[str] = ()
    ) -> None:
        """parser: of the same reply, without stop sequences."""
        self._parser = parser
        self._stage = CitedEvents(sources, lambda: StopMatcher(stop_sequences))

    @property
    def stop_sequence(self) -> str | None:
        return self._stage.stop_sequence

    def feed(self, token: int) -> list[Event]:
        return self._stage.feed(self._parser.feed(token))

    def finish(self) -> list[Event]:
        return [*self._stage.feed(self._parser.finish()), *self._stage.finish()]


def reply_parser(
    make: Callable[[Sequence[str]], BlockParser], sources: Sequence[Source], stop_sequences: Sequence[str]
) -> ReplyParser:
    """The parser of a reply that may cite sources, if there are any. make: one with stop sequences."""
    if not sources:
        return make(stop_sequences)
    return CitedParser(make(()), sources, stop_sequences)
