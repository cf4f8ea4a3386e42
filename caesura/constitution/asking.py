"""One request to a Client, and its reply as text.

Enters: a conversation. Leaves: text. Read next: `critics.py`, `judges.py` and `revising.py`, which ask.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.messages.client import Client
from caesura.messages.content import Conversation, text_of
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Sampling, Thinking


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A model that is asked.

    client: who answers. model: the name that it knows the model by.
    max_tokens: of a reply. temperature: how freely it is drawn.
    budget_tokens: thinking tokens beside them; 0 answers at once.
    """

    client: Client
    model: str
    max_tokens: int = 256
    temperature: float = 1.0
    budget_tokens: int = 0

    async def say(self, conversation: Conversation, *, seed: int) -> str:
        """The reply's text, without white space around it. Raises ApiError (see `Client.stream`)."""
        thinking = Thinking()
        if self.budget_tokens:
            thinking = Thinking(mode="enabled", budget_tokens=self.budget_tokens)
        request = MessagesRequest(
            model=self.model,
            conversation=conversation,
            max_tokens=self.max_tokens + self.budget_tokens,
            sampling=Sampling(temperature=self.temperature, seed=seed),
            thinking=thinking,
        )
        reply = await collect(self.client.stream(request))
        return text_of(reply.content).strip()
