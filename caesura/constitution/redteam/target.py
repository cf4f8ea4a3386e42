"""The model under attack, as something that is asked one thing at a time.

Enters: a `Draft`. Leaves: the reply's text. Read next: `caesura/messages/client.py`, which answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from caesura.constitution.redteam.draft import Draft
from caesura.messages.client import Client
from caesura.messages.content import Conversation, text_of
from caesura.messages.errors import ApiError
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest, Sampling

# How probable a model finds a reply: the mean log-probability of its tokens. Only a model at hand can say.
Scorer = Callable[[Conversation, str], Awaitable[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A Client, and the model of it that is asked.

    client: who answers. model: by which name. max_tokens: of a reply. window: how many tokens, reply
    included, the model was trained on.
    """

    client: Client
    model: str
    max_tokens: int
    window: int

    def request(self, draft: Draft, sampling: Sampling) -> MessagesRequest:
        """The request for a draft; the model answers at once."""
        return MessagesRequest(
            model=self.model, conversation=draft.conversation, max_tokens=self.max_tokens, sampling=sampling
        )

    async def is_too_long(self, draft: Draft) -> bool:
        """Whether prompt and reply exceed what the model was trained on."""
        # A token is at least a byte; beside them there are a few markers a turn.
        if draft.num_bytes + 8 * (len(draft.turns) + 1) + self.max_tokens <= self.window:
            return False
        num_tokens = await self.client.count_tokens(self.request(draft, Sampling(temperature=0.0)))
        return num_tokens + self.max_tokens > self.window

    async def reply(self, request: MessagesRequest) -> str:
        """The text that comes back, thoughts left out."""
        return text_of((await collect(self.client.stream(request))).content)


async def first_model(client: Client, name: str | None, *, max_tokens: int) -> Asked:
    """The model of a Client by its name, or the default one. Raises ApiError where there is none such."""
    offered = await client.models()
    found = next((each for each in offered if name in (None, each.id)), None)
    if found is None:
        names = ", ".join(each.id for each in offered) or "none"
        raise ApiError(f"there is no model {name!r}; on offer: {names}", type="not_found_error")
    return Asked(client=client, model=found.id, max_tokens=max_tokens, window=found.trained_tokens)
