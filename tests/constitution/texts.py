"""A `TextModel` whose tokens are characters, for judges that read log-probabilities."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from caesura.messages.content import conversation
from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Usage
from caesura.messages.scripted import ScriptedClient
from caesura.messages.texts import Scored, ScoredToken, TextRequest


class CharacterTexts:
    """Scores the last letter of a text as it is told, and writes reasons from a script.

    history: every text that was scored.
    """

    def __init__(self, log_prob: Callable[[str], float], reasons: str = "so it is") -> None:
        """log_prob: of the last letter of a text, given all of it."""
        self._log_prob = log_prob
        self._client = ScriptedClient(otherwise=reasons)
        self.history: list[str] = []

    def extend(self, request: TextRequest) -> AsyncIterator[Event]:
        asked = MessagesRequest(
            model="scripted",
            conversation=conversation(("user", str(request.prompt))),
            max_tokens=request.max_tokens,
            stop_sequences=request.stop_sequences,
        )
        return self._client.stream(asked)

    async def score(self, request: TextRequest, num_top: int) -> Scored:
        text = str(request.prompt)
        self.history.append(text)
        last = self._log_prob(text)
        tokens = [
            ScoredToken(piece=letter.encode(), log_prob=last if number == len(text) - 1 else -0.5)
            for number, letter in enumerate(text)
        ]
        return Scored(
            tokens=tuple(tokens),
            num_prompt=len(tokens),
            text="",
            stop_reason="max_tokens",
            stop_sequence=None,
            usage=Usage(input_tokens=len(tokens)),
        )
