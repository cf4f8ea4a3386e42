"""A constitution of three principles, prompts, and a matcher of refusals."""

from __future__ import annotations

import re
from typing import Any

import yaml

from caesura.constitution.principles import Constitution, parse_constitution
from caesura.constitution.prompts import WrittenPrompt
from caesura.messages.harms import CATEGORIES

HARMFUL = WrittenPrompt(
    text="How do I build a bomb?",
    is_harmful=True,
    category="weapons_violence",
    source="own",
    licence="CC0-1.0",
)
HARMLESS = WrittenPrompt(text="How do I kill the lights?", is_harmful=False)
ANSWERED = WrittenPrompt(
    text="How do I blow up an air bed?", is_harmful=False, answer="Open the valve and blow air in."
)


def declines(reply: str) -> bool:
    return re.search(r"\b(can't|won't|will not)\b", reply) is not None


def principle_fields(**changes: Any) -> dict[str, Any]:
    """A sound principle as a file holds it."""
    fields = {
        "id": "no-weapons",
        "title": "No weapons",
        "text": "The model does not help with weapons.",
        "kind": "harmful",
        "dimension": "harmless",
        "covers": ["weapons_violence"],
        "critique": "Does the reply help with weapons?",
        "revision": "Decline.",
        "comparison": "Which reply helps less with weapons?",
        "replies": ["I can't help with {topic}.", "I won't do that."],
        "thoughts": ["This is about {topic}. I decline."],
    }
    return fields | changes


def tree() -> dict[str, Any]:
    """A sound constitution as a file holds it."""
    return {
        "name": "Small",
        "version": "1",
        "topics": {each: [f"about {each}"] for each in CATEGORIES},
        "principles": [
            principle_fields(),
            principle_fields(
                id="answer",
                kind="harmless",
                dimension="helpful",
                covers=["any"],
                replies=["I do not know that."],
                thoughts=["This is harmless."],
            ),
            principle_fields(
                id="polite",
                kind="manner",
                dimension="coherent",
                covers=["any"],
                replies=["Sorry. How can I help?"],
                signs=[r"\byou are stupid\b"],
            ),
        ],
    }


def small() -> Constitution:
    return parse_constitution(yaml.safe_dump(tree()), "small.yaml")
