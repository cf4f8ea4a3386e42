"""One text request, in the shape of a Client, so that it is measured and charged like any reply.

Enters: a `TextModel` and what to ask it. Leaves: a Client that answers this one request. Read next:
`completions.py`, which makes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from secrets import token_hex

from caesura.messages.client import Client
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
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.texts import Scored, TextModel, TextRequest


class TextClient:
    """Answers with a text; whatever conversation it is given means nothing.

    scored: the text's tokens, once it is complete; None where no scores were asked for.
    """

    def __init__(self, client: Client, texts: TextModel, asked: TextRequest, num_top: int | None) -> None:
        """client: who knows the models. num_top: alternatives for each token; None: no scores at all."""
        self._client = client
        self._texts = texts
        self._asked = asked
        self._num_top = num_top
        self.scored: Scored | None = None

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The text as a reply's events."""
        asked = replace(self._asked, when_cut=request.when_cut)
        return self._texts.extend(asked) if self._num_top is None else self._score(asked, self._num_top)

    async def _score(self, asked: TextRequest, num_top: int) -> AsyncIterator[Event]:
        self.scored = scored = await self._texts.score(asked, num_top)
        usage = replace(scored.usage, output_tokens=0)
        yield MessageStart(id=f"msg_{token_hex(12)}", model=asked.model, usage=usage)
        yield BlockStart(index=0, block=TextBlock(text=""))
        if scored.text:
            yield TextDelta(index=0, text=scored.text)
        yield BlockStop(index=0)
        yield MessageDelta(
            stop_reason=scored.stop_reason, stop_sequence=scored.stop_sequence, usage=scored.usage
        )
        yield MessageStop()

    async def count_tokens(self, request: MessagesRequest) -> int:
        """What the Client behind it counts."""
        return await self._client.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        """The models of the Client behind it."""
        return await self._client.models()
