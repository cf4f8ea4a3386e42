"""How a generated exchange is worded: the exchange itself, and the ways in which people type.

Enters: exchanges from the rooms of talk (`small_talk`, `knowledge`, `refusals`, `instructions`).
Leaves: the same with the user's spelling varied. Read next: `chat.py`, which makes rows of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from caesura.messages.content import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A few turns that end with the assistant's reply.

    turns: (role, text) pairs.
    thought: what may be thought before the last reply; it says no more than the reply needs.
    source, licence: where the words come from.
    system: the instructions before the first turn.
    """

    turns: tuple[tuple[Role, str], ...]
    thought: str
    source: str = "written for this project"
    licence: str = "Apache-2.0"
    system: str = ""


Kind = Callable[[random.Random], Exchange]


def ask(question: str, answer: str, thought: str) -> Exchange:
    """One question and its answer, in the project's own words."""
    return Exchange(turns=(("user", question), ("assistant", answer)), thought=thought)


def casual(rng: random.Random, text: str) -> str:
    """The text as somebody in a hurry types it; most often unchanged."""
    choice = rng.random()
    if choice < 0.55:
        return text
    if choice < 0.70:
        return text.rstrip(".!?") or text
    if choice < 0.85:
        return text.lower()
    return text.lower().rstrip(".!?").replace(",", "").replace("'", "") or text
