"""A rendered conversation: ids, what each run of them is, and where it is to be kept.

Enters: nothing. Leaves: plain values. Read next: `chat_format.py`, which makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from caesura.messages.chunks import Source
from caesura.messages.content import CacheControl, Role

SpanKind = Literal["header", "tools", "opening", "thinking", "closing", "text", "call", "result", "end"]


class Span(NamedTuple):
    """A run of ids with one meaning.

    role: whose turn it is in.
    kind: "header" (role marker), "tools" (what may be called), "opening" (the token that decides whether to
        think), "thinking" (with its `</think>`), "closing" (the forced end of a cut thought, with its
        `</think>`), "text", "call" (with its markers), "result" (of a call, with its marker), "end".
    start, stop: positions in the prompt, stop exclusive.
    """

    role: Role
    kind: SpanKind
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint:
    """A place up to which the prompt is to be kept.

    position: how many ids lie before it.
    control: what was asked for.
    """

    position: int
    control: CacheControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered conversation.

    ids: what the network reads.
    spans: what each run of ids is, in order and without gaps after `<|begin|>`.
    breakpoints: the cache breakpoints, in order.
    sources: what of it can be cited, by the numbers that it is shown under.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    breakpoints: tuple[Breakpoint, ...] = ()
    sources: tuple[Source, ...] = ()
