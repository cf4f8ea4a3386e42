"""Events of a reply that is a part of a longer one.

Enters: events. Leaves: the same, with their blocks counted on. Read next: `context_client.py`.
"""

from __future__ import annotations

from dataclasses import replace

from caesura.messages.events import (
    BlockStart,
    BlockStop,
    CitationsDelta,
    CompactionDelta,
    Event,
    InputJsonDelta,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)

_INDEXED = (
    BlockStart
    | BlockStop
    | TextDelta
    | CitationsDelta
    | ThinkingDelta
    | SignatureDelta
    | InputJsonDelta
    | CompactionDelta
)


def shifted(event: Event, num_blocks: int) -> Event:
    """The event behind as many blocks of earlier parts."""
    return replace(event, index=event.index + num_blocks) if isinstance(event, _INDEXED) else event
