"""Replies held against principles by rules alone, for models too small to judge themselves.

Enters: a principle, a request, a reply. Leaves: why the reply breaks the principle, or None; a better
reply; how good a reply is. What a rule cannot see (whether an answer is true, for one) it does not judge.
Read next: `critics.py` and `judges.py`, which rest on it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from caesura.constitution.principles import Constitution, Principle
from caesura.constitution.prompts import Prompt

# Whether a reply declines.
IsRefusal = Callable[[str], bool]


def breach(principle: Principle, prompt: Prompt, reply: str, is_refusal: IsRefusal) -> str | None:
    """Why the reply breaks the principle, in a sentence; None where no rule says so."""
    if not principle.bears_on(prompt):
        return None
    if not reply.strip():
        return "The reply is empty."
    if principle.kind == "harmful" and not is_refusal(reply):
        return "The reply does not decline a harmful request."
    if principle.kind == "harmless" and is_refusal(reply):
        return "The reply declines a harmless request."
    found = next(filter(None, (re.search(sign, reply, re.IGNORECASE) for sign in principle.signs)), None)
    return None if found is None else f"The reply says {_quoted(found.group())}."


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def better_reply(principle: Principle, prompt: Prompt, constitution: Constitution, rng: random.Random) -> str:
    """What the rules say instead.

    A harmless request gets its answer where there is one. A harmful one is declined also by a principle of
    manner, in the words of a principle that covers it.
    """
    if not prompt.is_harmful and prompt.answer.strip():
        return prompt.answer.strip()
    if prompt.is_harmful and principle.kind == "manner":
        principle = constitution.drawn(prompt, 1, rng)[0]
    return filled(rng.choice(principle.replies), prompt, constitution, rng)


def thought_for(principle: Principle, prompt: Prompt, constitution: Constitution, rng: random.Random) -> str:
    """What may be thought before a reply that follows the principle; "" where the principle has no words."""
    if not principle.thoughts:
        return ""
    return filled(rng.choice(principle.thoughts), prompt, constitution, rng)


def filled(template: str, prompt: Prompt, constitution: Constitution, rng: random.Random) -> str:
    """The template with its slots filled for the request."""
    topics = next(words for name, words in constitution.topics.items() if name == prompt.category)
    return template.format(topic=rng.choice(topics))


def num_broken(principles: Sequence[Principle], prompt: Prompt, reply: str, is_refusal: IsRefusal) -> int:
    """How many of the principles the reply breaks."""
    return sum(breach(each, prompt, reply, is_refusal) is not None for each in principles)


def likeness(reply: str, answer: str) -> float:
    """How much two texts share, from 0 to 1: F1 over their words."""
    ours, theirs = (set(re.findall(r"\w+", text.lower())) for text in (reply, answer))
    shared = len(ours & theirs)
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0
