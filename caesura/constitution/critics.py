"""Who criticises a reply under a principle, and writes it again: a model, or rules.

Enters: a principle, a request, a reply. Leaves: a `Review`. Read next: `few_shots.py` for what models are
shown, `rules.py` for what rules see, `revising.py` for the rounds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Protocol

from caesura.constitution.asking import Speaker
from caesura.constitution.few_shots import (
    SHOTS,
    Case,
    for_critic,
    for_reviser,
)
from caesura.constitution.principles import Constitution, Principle
from caesura.constitution.prompts import Prompt
from caesura.constitution.rules import IsRefusal, better_reply, breach

MAX_SEED = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What became of a reply under one principle.

    critique: what is said of it.
    revision: the reply as it goes on, the same one where nothing was wrong with it.
    """

    critique: str
    revision: str


class Critic(Protocol):
    """Somebody who criticises and revises."""

    @property
    def backend(self) -> str:
        """What the log calls it, e.g. "rules"."""
        ...

    async def review(self, principle: Principle, prompt: Prompt, reply: str, rng: random.Random) -> Review:
        """Criticise, then revise. All that is drawn comes from `rng`. Raises ApiError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCritic:
    """A model: the one that is being taught, or a teacher behind any Messages server.

    speaker: how it is asked. backend: what the log calls it.
    num_shots: how many examples come before each request; fewer for small windows.
    """

    speaker: Speaker
    backend: str = "model"
    num_shots: int = len(SHOTS)

    async def review(self, principle: Principle, prompt: Prompt, reply: str, rng: random.Random) -> Review:
        """See `Critic`. An empty revision leaves the reply as it is."""
        seeds = [rng.randrange(MAX_SEED) for _ in range(2)]
        case = Case(
            request=prompt.text,
            reply=reply,
            critique_request=principle.critique,
            revision_request=principle.revision,
        )
        critique = await self.speaker.say(for_critic(case, self.num_shots), seed=seeds[0])
        shown = for_reviser(replace(case, critique=critique), self.num_shots)
        revision = await self.speaker.say(shown, seed=seeds[1])
        return Review(critique=critique, revision=revision or reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCritic:
    """Rules, for models too small to criticise.

    A harmful request that is not declined, a harmless one that is, and whatever bears a sign is written
    again in the words of the constitution. A harmless request that comes with an answer gets that answer:
    rules cannot see whether another one is as good.
    """

    constitution: Constitution
    is_refusal: IsRefusal
    backend: str = "rules"

    async def review(self, principle: Principle, prompt: Prompt, reply: str, rng: random.Random) -> Review:
        """See `Critic`."""
        fault = breach(principle, prompt, reply, self.is_refusal)
        answer = prompt.answer.strip()
        if fault is None and not prompt.is_harmful and answer and reply.strip() != answer:
            fault = "The reply is not the answer that is known to be good."
        if fault is None:
            return Review(critique="No rule finds a fault.", revision=reply)
        revision = better_reply(principle, prompt, self.constitution, rng)
        return Review(critique=fault, revision=revision)
