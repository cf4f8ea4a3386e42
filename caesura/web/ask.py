"""From the page's controls to a request.

Enters: what the reader chose. Leaves: a `MessagesRequest`. Read next: `follow.py`, which sends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from caesura.messages.content import Conversation, TextBlock, text_turn
from caesura.messages.memory_tool import with_server_memory
from caesura.messages.request import MessagesRequest, Sampling, Thinking
from caesura.web.reply import Exchange, turns_of

Mode = Literal["off", "adaptive", "budget"]

MIN_BUDGET_TOKENS = 1
MAX_BUDGET_TOKENS = 2048
# An adaptive thought has no budget of its own, yet needs room beside the answer.
ADAPTIVE_ROOM_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the reader chose.

    mode: no thinking, as much as the model sees fit, or up to a budget.
    budget_tokens: the most thinking tokens in mode "budget".
    system: instructions before the chat; may be empty.
    temperature: used with thinking off only, since the API fixes it at 1 for thinking.
    answer_tokens: the longest answer; room for the thought comes on top.
    remembers: whether the model may use the memory that the server keeps.
    """

    mode: Mode = "budget"
    budget_tokens: int = 256
    system: str = ""
    temperature: float = 1.0
    answer_tokens: int = 1024
    remembers: bool = False

    @property
    def thinking(self) -> Thinking:
        """The choice in the API's words."""
        match self.mode:
            case "off":
                return Thinking()
            case "adaptive":
                return Thinking(mode="adaptive")
            case "budget":
                return Thinking(mode="enabled", budget_tokens=self.budget_tokens)

    @property
    def thinking_room_tokens(self) -> int:
        """How many tokens are set aside for the thought."""
        return {"off": 0, "adaptive": ADAPTIVE_ROOM_TOKENS, "budget": self.budget_tokens}[self.mode]


def request_for(
    settings: Settings, *, model: str, past: tuple[Exchange, ...], question: str
) -> MessagesRequest:
    """The request that asks `question` after what was said before."""
    system = (TextBlock(text=settings.system),) if settings.system.strip() else ()
    turns = (*turns_of(past), text_turn("user", question))
    request = MessagesRequest(
        model=model,
        conversation=Conversation(turns=turns, system=system),
        max_tokens=settings.answer_tokens + settings.thinking_room_tokens,
        sampling=Sampling(temperature=settings.temperature if settings.mode == "off" else 1.0),
        thinking=settings.thinking,
        stream=True,
    )
    return with_server_memory(request) if settings.remembers else request
