"""The one event stream: what a Client yields, what the server writes, what a reply is folded from.

Enters: nothing. Leaves: immutable events in the order that the Messages API prescribes:
`MessageStart`, then for each block `BlockStart`, deltas, `BlockStop` (one block open at a time,
indices dense from 0), then `MessageDelta`, `MessageStop`; `Ping` anywhere. A failure is raised as
an `ApiError`, never yielded. How a block's text is cut into deltas means nothing: `merge_deltas` may
join neighbours. Read next: `response.py` for the fold, `wire.py` for the JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from caesura.messages.citations import Citation
from caesura.messages.content import Block
from caesura.messages.context_management import AppliedEdit
from caesura.messages.response import CacheMiss, InputTransformation, StopReason, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStart:
    """The reply begins.

    id: msg_...
    model: the name to echo.
    usage: as far as it is known: the input's sum is final, its parts may still change.
    input_transformations: what of the request was not shown to the model.
    cache_miss: where the prompt parts from an earlier one; None if it does not, or nobody asked.
    """

    id: str
    model: str
    usage: Usage
    input_transformations: tuple[InputTransformation, ...] = ()
    cache_miss: CacheMiss | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStart:
    """A block opens: a text, a thought or a call's input that is still empty, or a whole redacted thought.

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
class CitationsDelta:
    """One more place that the open text block comes from."""

    index: int
    citation: Citation


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
class InputJsonDelta:
    """More of the JSON text that is the input of the open call; all of it together is one object."""

    index: int
    partial_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionDelta:
    """The summary of the open compaction block, all of it at once; None where none could be written."""

    index: int
    content: str | None


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
    applied_edits: what was cleared of the request before the model saw it; None if nobody asked.
    """

    stop_reason: StopReason
    stop_sequence: str | None
    usage: Usage
    applied_edits: tuple[AppliedEdit, ...] | None = None


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
    | CitationsDelta
    | ThinkingDelta
    | SignatureDelta
    | InputJsonDelta
    | CompactionDelta
    | BlockStop
    | MessageDelta
    | MessageStop
    | Ping
)

Item = TypeVar("Item")
Delta = TextDelta | ThinkingDelta | InputJsonDelta


def merge_deltas(stream: Iterable[Item]) -> list[Item | Delta]:
    """The same stream in fewer events: neighbouring deltas of one block become one.

    What is neither text, nor thinking, nor a call's input passes as it is, and so may be of any type.
    """
    merged: list[Item | Delta] = []
    for kind, group in groupby(stream, key=_delta_kind):
        neighbours = list(group)
        if kind is None or len(neighbours) == 1:
            merged += neighbours
        else:
            merged.append(_joined([each for each in neighbours if isinstance(each, Delta)]))
    return merged


def _delta_kind(event: object) -> tuple[type, int] | None:
    return (type(event), event.index) if isinstance(event, Delta) else None


def _joined(neighbours: Sequence[Delta]) -> Delta:
    """One delta for several of the same kind and block."""
    first = neighbours[0]
    match first:
        case TextDelta():
            return replace(
                first, text="".join(each.text for each in neighbours if isinstance(each, TextDelta))
            )
        case InputJsonDelta():
            pieces = [each.partial_json for each in neighbours if isinstance(each, InputJsonDelta)]
            return replace(first, partial_json="".join(pieces))
        case ThinkingDelta():
            thoughts = [each for each in neighbours if isinstance(each, ThinkingDelta)]
            thinking = "".join(each.thinking for each in thoughts)
            return replace(first, thinking=thinking, num_tokens=sum(each.num_tokens for each in thoughts))
