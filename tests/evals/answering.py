"""A Client that solves the problems it is asked when it may think long enough, and guesses otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from caesura.evals.attempts import Posed
from caesura.evals.tasks import Problem
from caesura.messages.content import text_of
from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply, prompt_length


class AnsweringClient:
    """Knows the problems; `needed` thinking tokens make an answer right. Keeps the Client protocol."""

    def __init__(self, problems: Sequence[Posed], *, needed: int) -> None:
        self._problems: Mapping[str, Problem] = {each.problem.question: each.problem for each in problems}
        self._needed = needed
        self.history: list[MessagesRequest] = []

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        self.history.append(request)
        problem = self._problems[text_of(request.conversation.turns[0].content)]
        thinking = request.thinking
        knows = thinking.mode == "adaptive" or (thinking.budget_tokens or 0) >= self._needed
        answer = problem.reply if knows else "The answer is unknown."
        return ScriptedClient([ScriptedReply(thinking="step " * 2000, text=answer)]).stream(request)

    async def count_tokens(self, request: MessagesRequest) -> int:
        return prompt_length(request)

    async def models(self) -> Sequence[ModelInfo]:
        return (SCRIPTED_MODEL,)
