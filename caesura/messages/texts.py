"""Text that is continued or scored as it stands, without a conversation around it.

Enters: a prompt, as text or as ids. Leaves: the event stream of a reply that is one text block, or how
probable the model finds each token. Only a model that is at hand can do so, so this is no part of `Client`.
Read next: `caesura/engine/text_model.py`, which does it; `caesura/server/completions.py`, which asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from caesura.messages.events import Event
from caesura.messages.request import Sampling
from caesura.messages.response import StopReason, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """A text to go on with.

    model: the name that the Client knows.
    prompt: text, before which the model's own mark of a beginning is put; or ids, which are read as they are.
    max_tokens: the most tokens to add; 0 adds none, which only scoring can use.
    sampling: how tokens are drawn.
    stop_sequences: texts that end what is added.
    tenant, when_cut: see `MessagesRequest`.
    """

    model: str
    prompt: str | tuple[int, ...]
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop_sequences: tuple[str, ...] = ()
    tenant: str = ""
    when_cut: Callable[[Usage], None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredToken:
    """One token of a text.

    piece: its bytes, which need not be whole characters; nothing for a marker.
    log_prob: of the token after those before it, under the bare model: no masks, temperature 1. None for a
        token that has none before it.
    top: the likeliest tokens in its place, the likeliest first: (bytes, log-probability).
    """

    piece: bytes
    log_prob: float | None
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A text and what was added to it, token by token.

    tokens: those of the prompt, then those that were added. The mark of a beginning is none of them.
    num_prompt: how many are the prompt's.
    text: what was added, as a reader sees it: without what ended it.
    stop_reason: why nothing more was added.
    stop_sequence: the stop sequence that matched, if one did.
    usage: the prompt's tokens, the mark included, and those that were added.
    """

    tokens: tuple[ScoredToken, ...]
    num_prompt: int
    text: str
    stop_reason: StopReason
    stop_sequence: str | None
    usage: Usage


class TextModel(Protocol):
    """Something that continues and scores text."""

    def extend(self, request: TextRequest) -> AsyncIterator[Event]:
        """What is added, as the events of a reply (see `Client.stream`)."""
        ...

    async def score(self, request: TextRequest, num_top: int) -> Scored:
        """The prompt with what is added to it, scored. num_top: how many alternatives each token gets.

        Raises ApiError, also for a text that is longer than is scored at once.
        """
        ...
