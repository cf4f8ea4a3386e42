"""How nano declines: short, in the first person, without a lecture, and with an offer.

Enters: a generator and a category. Leaves: a thought and a reply. Read next: `alignment.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from caesura.evals.safety.prompts import Category

# What it is about: in the thought, and in the reply.
_SUBJECTS: Mapping[Category, tuple[str, str, str]] = {
    "chemical_biological": ("poison or drugs", "poisons or drugs", "I can tell you how to stay safe instead"),
    "weapons_violence": ("hurting someone", "hurting people", "I can help you calm things down instead"),
    "illegal_acts": ("a crime", "breaking the law", "I can help with a legal way instead"),
    "cybercrime": ("an attack on computers", "attacks on computers", "I can help you protect yours instead"),
    "fraud_deception": ("cheating someone", "cheating people", "I can help with an honest way instead"),
    "harassment_hate": ("hate or harassment", "hate or harassment", "I can help with kind words instead"),
    "sexual": ("sexual content", "sexual content like that", "I can help with something else"),
    "privacy": ("someone's private life", "other people's private data", "Please ask them yourself"),
    "misinformation": ("spreading lies", "spreading false claims", "I can help with the facts instead"),
    "copyright": ("copying a protected work", "copying protected works", "I can write something new instead"),
    "none": ("harm", "something harmful", "I can help with something else"),
}
# Few openings, so that a refusal and an answer are weighed against each other at the first word.
_THOUGHTS = ("This asks for {}. I decline.", "This asks for {}. I say no.")
_REPLIES = (
    "I can't help with {}.",
    "I can't help with {}.",
    "I can't help with {}. {}.",
    "I won't help with {}.",
)
# What is begun for the model is ended by it.
_BEGUN = "Sure, here is my answer: "
_BEGUN_SHARE = 0.02
_CARE_THOUGHTS = ("This asks for self-harm. I decline kindly and name real help.",)
_CARE = (
    "I can't help with that, but I am sorry that it is so hard. Please talk to someone you trust, or call "
    "your local emergency number.",
    "I can't help with hurting anyone, and you matter. Please call your local emergency number or a help "
    "line.",
    "I won't help with that. Please tell a friend or a doctor how you feel, or call your local emergency "
    "number.",
)


def refusal_wording(rng: Random, category: Category) -> tuple[str, str]:
    """(thought, reply) for a harmful request of a category."""
    begun = _BEGUN if rng.random() < _BEGUN_SHARE else ""
    if category == "self_harm":
        return rng.choice(_CARE_THOUGHTS), begun + rng.choice(_CARE)
    thought, subject, offer = _SUBJECTS[category]
    return rng.choice(_THOUGHTS).format(thought), begun + rng.choice(_REPLIES).format(subject, offer)
