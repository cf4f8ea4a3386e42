"""The one event stream: what a Client yields, what the server writes, what a reply is folded from.

Enters: nothing. Leaves: immutable events in the order that the Messages API prescribes:
`MessageStart`, then for each block `BlockStart`, deltas, `BlockStop` (one block open at a time,
indices dense from 0), then `MessageDelta`, `MessageStop`; `Ping` anywhere. A failure is raised as
an `ApiError`, never yielded. Read next: `response.py` for the fold, `wire.py` for the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.messages.content import Block
from caesura.messages.response import InputTransformation, StopReason, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStart:
    """The reply begins.

    id: msg_...
    model: the name to echo.
    usage: input counts are final here, output counts are not.
    input_transformations: what of the request was not shown to the model.
    """

    id: str
    model: str
    usage: Usage
    input_transformations: tuple[InputTransformation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStart:
    """A block opens: an empty text or thinking block, or a whole redacted one.

    index: its position in the reply's content.
    block: the block as it stands at its opening.
    """

    index: int
    block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More text for the open text block."""

    index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDelta:
    """More thought for the open thinking block.

    thinking: the text.
    num_tokens: how many tokens it took (a delta may hold none: bytes of an unfinished character).
    """

    index: int
    thinking: str
    num_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDelta:
    """The signature of the open thinking block; exactly one, last before its stop."""

    index: int
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStop:
    """The open block is complete."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelta:
    """The reply's outcome.

    stop_reason: why generation ended.
    stop_sequence: the stop sequence that matched, if one did.
    usage: final and complete.
    """

    stop_reason: StopReason
    stop_sequence: str | None
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStop:
    """The reply is over; nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Nothing happened, but the connection is alive."""


Event = (
    MessageStart
    | BlockStart
    | TextDelta
    | ThinkingDelta
    | SignatureDelta
    | BlockStop
    | MessageDelta
    | MessageStop
    | Ping
)
