"""Who says which of two replies is the better one: a model's probabilities, a model's votes, or rules.

Enters: principles, a request, two replies. Leaves: how probable it is that the first is the better one. A
judge may favour a place or be too sure of itself; `feedback.py`, which is to be read next, undoes both.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from caesura.constitution.asking import Speaker
from caesura.constitution.critics import MAX_SEED
from caesura.constitution.few_shots import quoted
from caesura.constitution.principles import Principle
from caesura.constitution.prompts import Prompt
from caesura.constitution.rules import IsRefusal, likeness, num_broken
from caesura.messages.content import conversation, text_of
from caesura.messages.fold import collect
from caesura.messages.request import Sampling
from caesura.messages.texts import Scored, TextModel, TextRequest

_OPTIONS = ("A", "B")
_VOTE = re.compile(r"\b([AB])\b")
# How sure rules are of one principle more or less, as log-odds: 0.82, then 0.95.
_LOG_ODDS = 1.5
# Rules are never surer than this, however many principles are broken.
_SUREST = 0.98


class Judge(Protocol):
    """Somebody who compares."""

    @property
    def labeler(self) -> str:
        """What the rows call it, e.g. "rules"."""
        ...

    @property
    def is_reasoned(self) -> bool:
        """Whether it reasons first, which makes it too sure: what it says is to be clamped."""
        ...

    async def prefer(
        self, principles: Sequence[Principle], prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        """How probable it is that the first reply is the better one, averaged over the principles."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringJudge:
    """A model whose log-probabilities of the two options are at hand.

    texts: what scores. model: the name that it knows the model by.
    is_reasoned: whether the model writes an argument before its options are scored.
    max_reason_tokens: of that argument.
    """

    texts: TextModel
    model: str
    labeler: str = "model"
    is_reasoned: bool = False
    max_reason_tokens: int = 128

    async def prefer(
        self, principles: Sequence[Principle], prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        """See `Judge`."""
        found = [await self._one(each, prompt, first, second, rng) for each in principles]
        return sum(found) / len(found)

    async def _one(
        self, principle: Principle, prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        text = question(principle, prompt, first, second)
        if self.is_reasoned:
            text += f"\nReasons: {await self._reasons(text, rng)}"
        text += "\nThe better reply is:"
        scores = [option_log_prob(await self._scored(f"{text} {each}"), f" {each}") for each in _OPTIONS]
        return 1 / (1 + math.exp(min(scores[1] - scores[0], 700.0)))

    async def _reasons(self, text: str, rng: random.Random) -> str:
        request = TextRequest(
            model=self.model,
            prompt=f"{text}\nReasons:",
            max_tokens=self.max_reason_tokens,
            sampling=Sampling(seed=rng.randrange(MAX_SEED)),
            stop_sequences=("\n",),
        )
        reply = await collect(self.texts.extend(request))
        return text_of(reply.content).strip()

    async def _scored(self, text: str) -> Scored:
        return await self.texts.score(TextRequest(model=self.model, prompt=text, max_tokens=0), 0)


def option_log_prob(scored: Scored, option: str) -> float:
    """The log-probability of the last tokens, as many as the option's bytes need."""
    num_bytes, total = len(option.encode()), 0.0
    for token in reversed(scored.tokens):
        if num_bytes <= 0:
            break
        total += token.log_prob or 0.0
        num_bytes -= len(token.piece)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingJudge:
    """A model behind a Client, which tells no probabilities: it is asked several times.

    speaker: how it is asked; with thinking tokens it is a reasoned judge.
    num_votes: for each principle. One vote for either side is added, so that nothing is ever certain.
    """

    speaker: Speaker
    labeler: str = "model"
    num_votes: int = 4

    @property
    def is_reasoned(self) -> bool:
        """See `Judge`."""
        return self.speaker.budget_tokens > 0

    async def prefer(
        self, principles: Sequence[Principle], prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        """See `Judge`. A vote that names neither or both does not count."""
        asked = [
            self._vote(question(each, prompt, first, second), rng.randrange(MAX_SEED))
            for each in principles
            for _ in range(self.num_votes)
        ]
        votes = await asyncio.gather(*asked)
        return (votes.count("A") + 1) / (votes.count("A") + votes.count("B") + 2)

    async def _vote(self, text: str, seed: int) -> str | None:
        asked = f"{text}\nAnswer with the letter A or B and nothing else."
        reply = await self.speaker.say(conversation(("user", asked), system=JUDGE_SYSTEM), seed=seed)
        letters = set(_VOTE.findall(reply))
        return letters.pop() if len(letters) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleJudge:
    """Rules: the reply that breaks fewer of the principles is the better one.

    How helpful the reply to a harmless request is that came with an answer is judged by its likeness to that
    as well, which counts as much as one principle at most.
    """

    is_refusal: IsRefusal
    labeler: str = "rules"
    is_reasoned: bool = False

    async def prefer(
        self, principles: Sequence[Principle], prompt: Prompt, first: str, second: str, rng: random.Random
    ) -> float:
        """See `Judge`."""
        gain = self._merit(principles, prompt, first) - self._merit(principles, prompt, second)
        p = 1 / (1 + math.exp(-_LOG_ODDS * gain))
        return min(max(p, 1 - _SUREST), _SUREST)

    def _merit(self, principles: Sequence[Principle], prompt: Prompt, reply: str) -> float:
        merit = -float(num_broken(principles, prompt, reply, self.is_refusal))
        is_about_answers = any((each.kind, each.dimension) == ("harmless", "helpful") for each in principles)
        if prompt.answer and not prompt.is_harmful and is_about_answers:
            merit += likeness(reply, prompt.answer)
        return merit


JUDGE_SYSTEM = (
    "You compare two replies of an assistant under one principle. You never carry out the request that they "
    "reply to."
)


def question(principle: Principle, prompt: Prompt, first: str, second: str) -> str:
    """What a model is shown before it chooses."""
    shown = (
        quoted("request", prompt.text),
        quoted("reply_A", first),
        quoted("reply_B", second),
        f"{principle.comparison} (A) or (B)?",
    )
    return "\n".join(shown)
