"""What harmlessness is: harm declined, kindness in distress, and harmless questions answered politely.

Enters: the data folder (pairs that people judged; harmful requests, of the four fifths that may be trained
on). Leaves: kinds of comparison. No reply here says how anything harmful is done: what is rejected only
agrees to it. Read next: `pairing.py`, `preferences.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from caesura.evals.safety.prompts import training_prompts
from caesura.messages.content import Turn, text_of, text_turn
from caesura.messages.preferences import Preference
from caesura.recipes.pairing import Comparison, Draw, WeightedDraw, prompt_of, question, reply_of
from caesura.recipes.plain import plain
from caesura.recipes.wording import Kind, casual
from caesura.train.safety_sets import safety_rows
from caesura.train.sets import open_set

_MAX_PROMPT_CHARS, _MAX_REPLY_CHARS, _MAX_TURNS = 400, 500, 3
_SPEAKER = re.compile(r"\n\n(Human|Assistant): ")
_HARMLESS = ("greetings", "small_talk", "definitions", "countries", "look_alikes", "stories")

_DECLINED = (
    "I can't help with that.",
    "I won't help with that, because somebody could get hurt.",
    "Sorry, I can't help with this.",
    "No, I will not do that.",
)
# What is offered instead, by words in the name of the category.
_OFFERS: Mapping[str, tuple[str, ...]] = {
    "chemical": ("I am glad to talk about safe experiments instead.",),
    "violence": ("If somebody is in danger, please call the emergency number.",),
    "cyber": ("I am glad to help you keep your own computer safe.",),
    "crime": ("I am glad to help with something that is allowed.",),
    "illegal": ("I am glad to help with something that is allowed.",),
    "hate": ("I would rather say something kind about people.",),
    "harass": ("I would rather help you to write something kind.",),
    "sex": ("I am glad to help with something else.",),
    "information": ("I am glad to help you find what is true.",),
    "privacy": ("What is private belongs to the people whom it is about.",),
    "copyright": ("I can write a few lines of our own instead.",),
}
_ANY_OFFER = ("", "", "I am glad to help with something harmless.", "Is there something else that I can do?")

_AGREED = (
    "Sure, here is how to do it.",
    "Of course! I will tell you everything that you need.",
    "Yes, I can do that for you. First, get what you need.",
    "No problem. This is easy, and nobody will notice.",
    "Here are the steps.",
    "Sure! Listen well.",
    "Okay, let us begin.",
)
_AGREED_MORE = (
    "Start when nobody is looking.",
    "Then do it quickly, and tell nobody.",
    "You do not have to worry about who gets hurt.",
    "They have deserved it anyway.",
    "Step 1: get everything ready. Step 2: do it. Step 3: hide it.",
    "I will help you with each step until it is done.",
)
_DISTRESS = (
    "I want to die.",
    "I want to hurt myself.",
    "I don't want to live any more.",
    "I can't go on.",
    "Nobody would miss me.",
    "I think about ending my life.",
    "I feel so alone that I want it all to end.",
    "Everything hurts, and I see no way out.",
)
_KIND = (
    "I am so sorry that you feel like this. Please talk to someone you trust, or call your emergency number.",
    "That sounds very hard. You matter. Please tell a friend or a doctor how you feel, today if you can.",
    "I am very sorry. You do not have to be alone with this: please call a help line or someone you trust.",
)
_COLD = (
    "I can't help with that.",
    "That is your problem, not mine.",
    "Then do it. Nobody will stop you.",
    "Stop complaining. Other people have real problems, and they do not make such a noise about it.",
    "I do not want to talk about that. Please ask me something that is more fun.",
)
_RUDE = (
    "What a stupid question.",
    "Only an idiot would ask that.",
    "Shut up and look it up yourself.",
    "People like you never learn anything.",
    "I hate such questions, and I hate you.",
)


class Harmful(NamedTuple):
    """A harmful request: its text, its category in its set's own words, and its set."""

    text: str
    category: str
    source: str


def harmless_kinds(folder: Path, exchanges: Mapping[str, Kind]) -> Mapping[str, WeightedDraw]:
    """Harm, distress, and harmless questions; `judged_pairs` come beside them, each once."""
    kinds = [exchanges[name] for name in _HARMLESS]
    return {
        "declined": WeightedDraw(weight=5, draw=_declined(list(harmful_requests(folder)))),
        "distress": WeightedDraw(weight=0.5, draw=_distress),
        "polite": WeightedDraw(weight=2, draw=_polite(kinds)),
        "answered": WeightedDraw(weight=1.5, draw=_answered(kinds)),
    }


def harmful_requests(folder: Path) -> Iterator[Harmful]:
    """The harmful requests that may be trained on."""
    for prompt in training_prompts(safety_rows(folder)):
        if prompt.is_harmful and prompt.kind != "contextual" and len(prompt.text) <= _MAX_PROMPT_CHARS:
            yield Harmful(plain(prompt.text), prompt.category, prompt.source)


def judged_pairs(folder: Path) -> Iterator[Preference]:
    """What people found the less harmful of two replies; labels of people are doubtful, so p is 0.75."""
    alike = Comparison(dimension="harmless", source="hh_harmless", labeler="people", licence="MIT")
    for row in open_set(folder, "hh_harmless"):
        chosen, rejected = (transcript(str(row[side])) for side in ("chosen", "rejected"))
        if len(chosen) < 2 or chosen[:-1] != rejected[:-1] or chosen[-2].role != "user":
            continue
        replies = [text_of(turns[-1].content) for turns in (chosen, rejected)]
        if max(map(len, replies)) <= _MAX_REPLY_CHARS:
            pair = alike.of(chosen[-1 - _MAX_TURNS : -1], replies[0], replies[1], 0.75)
            if pair is not None:
                yield pair


def transcript(text: str) -> tuple[Turn, ...]:
    """The turns of a transcript; an empty one ends it."""
    parts = _SPEAKER.split(text)[1:]
    turns = [
        text_turn("user" if speaker == "Human" else "assistant", plain(said))
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    return tuple(turns) if all(said.strip() for said in parts[1::2]) else ()


def refusal(rng: random.Random, category: str) -> str:
    """A short refusal, often with an offer that fits the category."""
    fitting = [offer for word, offers in _OFFERS.items() if word in category for offer in offers]
    offer = rng.choice(fitting) if fitting and rng.random() < 0.6 else rng.choice(_ANY_OFFER)
    return f"{rng.choice(_DECLINED)} {offer}".strip()


def _declined(requests: list[Harmful]) -> Draw:
    alike = Comparison(dimension="harmless", source="declined or agreed", licence="MIT and CC-BY-4.0")

    def draw(rng: random.Random) -> Preference | None:
        request = rng.choice(requests)
        more = rng.sample(_AGREED_MORE, rng.choice((0, 0, 1, 1, 2)))
        agreed = " ".join([rng.choice(_AGREED), *more])
        asked = question(casual(rng, request.text))
        return alike.of(asked, refusal(rng, request.category), agreed, 0.97)

    return draw


def _distress(rng: random.Random) -> Preference | None:
    alike = Comparison(dimension="harmless", source="kind or cold")
    return alike.of(question(casual(rng, rng.choice(_DISTRESS))), rng.choice(_KIND), rng.choice(_COLD), 0.97)


def _polite(kinds: Sequence[Kind]) -> Draw:
    """A harmless question, answered as it should be or with an insult."""
    alike = Comparison(dimension="harmless", source="polite or rude")

    def draw(rng: random.Random) -> Preference | None:
        exchange = rng.choice(kinds)(rng)
        rude, reply = rng.choice(_RUDE), reply_of(exchange)
        insult = rude if rng.random() < 0.5 else f"{rude} {reply}"
        return alike.of(prompt_of(exchange), reply, insult, 0.97)

    return draw


def _answered(kinds: Sequence[Kind]) -> Draw:
    """A harmless question that is answered: a refusal does no harm, but it is no better, so p is 0.7."""
    alike = Comparison(dimension="harmless", source="answered or declined")

    def draw(rng: random.Random) -> Preference | None:
        exchange = rng.choice(kinds)(rng)
        return alike.of(prompt_of(exchange), reply_of(exchange), refusal(rng, ""), 0.7)

    return draw
