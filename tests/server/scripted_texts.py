"""A `TextModel` that adds what it was told to add, and scores words by their length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from caesura.messages.content import TextBlock
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
)
from caesura.messages.response import StopReason, Usage
from caesura.messages.scripted import pieces_of
from caesura.messages.texts import Scored, ScoredToken, TextRequest


class ScriptedTexts:
    """Its tokens are words with the white space behind them; ids are words too: `w7 `.

    history: every request, in order. pause: waited for before a text is added; None: not at all.
    """

    def __init__(self, added: str, *, pause: asyncio.Event | None = None) -> None:
        self._added = pieces_of(added)
        self._pause = pause
        self.history: list[TextRequest] = []
        self.num_closed_early = 0

    async def extend(self, request: TextRequest) -> AsyncIterator[Event]:
        self.history.append(request)
        is_over = False
        try:
            prompt = len(_pieces(request))
            yield MessageStart(id="msg_text", model=request.model, usage=Usage(input_tokens=prompt))
            if self._pause is not None:
                await self._pause.wait()
            yield BlockStart(index=0, block=TextBlock(text=""))
            added = self._added[: request.max_tokens]
            for piece in added:
                yield TextDelta(index=0, text=piece)
            yield BlockStop(index=0)
            usage = Usage(input_tokens=prompt, output_tokens=len(added))
            yield MessageDelta(stop_reason=self._reason(request), stop_sequence=None, usage=usage)
            is_over = True
            yield MessageStop()
        finally:
            self.num_closed_early += not is_over

    async def score(self, request: TextRequest, num_top: int) -> Scored:
        self.history.append(request)
        prompt, added = _pieces(request), self._added[: request.max_tokens]
        tokens = [_scored(piece, num_top) for piece in (*prompt, *added)]
        first = ScoredToken(piece=tokens[0].piece, log_prob=None)
        return Scored(
            tokens=(first, *tokens[1:]),
            num_prompt=len(prompt),
            text="".join(added),
            stop_reason=self._reason(request),
            stop_sequence=None,
            usage=Usage(input_tokens=len(prompt), output_tokens=len(added)),
        )

    def _reason(self, request: TextRequest) -> StopReason:
        return "max_tokens" if len(self._added) > request.max_tokens else "end_turn"


def _pieces(request: TextRequest) -> list[str]:
    prompt = request.prompt
    return pieces_of(prompt) if isinstance(prompt, str) else [f"w{token} " for token in prompt]


def _scored(piece: str, num_top: int) -> ScoredToken:
    best = (b"best ", -0.25)
    return ScoredToken(piece=piece.encode(), log_prob=-float(len(piece)), top=(best,)[:num_top])
