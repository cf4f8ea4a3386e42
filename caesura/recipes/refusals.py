"""Harmful requests, declined in a sentence, and harmless ones that only sound like them.

Enters: the data folder (advbench, harmbench, strongreject, xstest; the developer halves).
Leaves: one `Kind` each. What is kept for measuring (`caesura/evals/safety/split.py`) is never among them.
Read next: `instructions.py`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from caesura.evals.safety.prompts import SafetyPrompt, training_prompts
from caesura.messages.content import Role
from caesura.recipes.plain import plain
from caesura.recipes.wording import Exchange, Kind, ask, casual
from caesura.train.safety_sets import safety_rows
from caesura.train.sets import SETS

_MAX_PROMPT_CHARS = 400

_REFUSALS = (
    "I can't help with that.",
    "I can't help with that, because it could hurt somebody.",
    "Sorry, I can't help with that.",
    "No, I will not help with that. It could do harm.",
    "I can't help with that, but I am glad to help with something harmless.",
    "That could harm people, so I will not help with it.",
    "I won't do that. Is there something else that I can do for you?",
    "I'm sorry, but I can't help with something harmful.",
    "I can't do that. Let us do something else.",
    "No. That is not something that I will help with.",
)
_REFUSAL_THOUGHTS = (
    "This could harm someone. I decline.",
    "This asks for something harmful. I say no politely.",
    "I should not help with this.",
)
_NONSENSE = (
    "That question sounds like a joke to me, and I have no answer to it.",
    "I do not think that this makes sense. Things like that have no such rights or duties.",
    "That is a funny question. I do not know a sensible answer.",
)
_NOBODY = (
    "That is true of everybody, whoever they are.",
    "Nobody is different there: that holds for all people.",
    "It is the same for all people.",
)
_FICTION = (
    "That is somebody from a story, so I do not know.",
    "They are a made-up character, and I do not know that about them.",
    "I do not know. They live only in stories.",
)
_UNKNOWN = (
    "I am a small model and do not know that.",
    "I do not know enough about that. Please look it up or ask somebody who knows.",
    "That is a fair question, but I am a small model and do not know the answer.",
    "Sorry, I do not know that. A larger model or a book will.",
)
_SAFE_REPLIES = {
    "nons_group_real_discr": _NONSENSE,
    "real_group_nons_discr": _NOBODY,
    "privacy_fictional": _FICTION,
}

_LOOK_ALIKES = (
    (
        "How do I beat a dusty carpet?",
        "Hang it outside and hit it flat until no dust comes out.",
    ),
    (
        "How do I strike a match?",
        "Draw its head along the rough side, away from you.",
    ),
    (
        "How do I blow up an air bed?",
        "Open the valve, blow or pump air in until it is firm, and close the valve.",
    ),
    ("How do I kill the lights?", "Switch them off at the wall."),
    ("How do I shoot a nice photo?", "Keep still, have the light behind you, and press the button gently."),
    (
        "How do I cut an onion?",
        "Cut it in half, peel it, and slice it with a sharp knife. Mind your fingers.",
    ),
    ("How do I beat my brother at chess?", "Guard your king, use all your pieces, and look before you move."),
    ("How do I crush garlic?", "Put it on a board and press it with the flat side of a knife."),
    ("How can I break the ice at a party?", "Smile, say your name, and ask people what they like to do."),
    ("How do I whip cream?", "Keep it cold and beat it until it is stiff."),
    ("How do I beat eggs?", "Crack them into a bowl and stir them quickly with a fork."),
    ("How do I steal the show at my concert?", "Practise well, smile, and look at the people."),
    ("How can I destroy an old letter safely?", "Tear it into very small pieces."),
    ("How do I kick a bad habit?", "Go in small steps, and put a good habit in its place."),
    ("How do I hit a ball further?", "Stand firmly, watch the ball, and swing all the way through."),
    ("How do I attack a hard problem?", "Break it into small steps and do them one by one."),
    (
        "How do I get rid of ants in the kitchen?",
        "Wipe up all food, close the gaps, and keep sweet things shut away.",
    ),
    ("How do I hang a picture?", "Find the height, put a nail into the wall, and hang the picture on it."),
    ("How do I shoot a basket?", "Bend your knees, push the ball up, and let it roll off your fingers."),
)
_DISTRESS = (
    "I want to die.",
    "I want to hurt myself.",
    "I don't want to live any more.",
    "I can't go on.",
    "Nobody would miss me.",
    "I think about ending my life.",
)
_DISTRESS_REPLIES = (
    "I am so sorry. Please talk to someone you trust or call your local emergency number.",
    "I am very sorry. Please tell a friend, or call your local emergency number.",
    "That sounds very hard, and I am only a small program. Please call someone you trust or a help line.",
)


def refusals(folder: Path) -> Kind:
    """A harmful request and a short refusal; now and then someone in distress and a kind word."""
    prompts = [(each.text, each.source) for each in _prompts(folder) if each.is_harmful]

    def draw(rng: random.Random) -> Exchange:
        if rng.random() < 0.06:
            thought = "The user is in distress. I answer kindly and name real help."
            return ask(casual(rng, rng.choice(_DISTRESS)), rng.choice(_DISTRESS_REPLIES), thought)
        prompt, name = rng.choice(prompts)
        return _exchange(rng, prompt, rng.choice(_REFUSALS), rng.choice(_REFUSAL_THOUGHTS), name)

    return draw


def look_alikes(folder: Path) -> Kind:
    """Harmless requests with harsh words: answered, or honestly not known, never refused."""
    safe = [(each.text, each.kind) for each in _prompts(folder) if not each.is_harmful]

    def draw(rng: random.Random) -> Exchange:
        if rng.random() < 0.4 or not safe:
            question, answer = rng.choice(_LOOK_ALIKES)
            return ask(casual(rng, question), answer, "This is harmless. I answer.")
        prompt, kind = rng.choice(safe)
        answer = rng.choice(_SAFE_REPLIES.get(kind, _UNKNOWN))
        return _exchange(rng, prompt, answer, "This is harmless. I answer honestly.", "xstest")

    return draw


def _exchange(rng: random.Random, prompt: str, answer: str, thought: str, name: str) -> Exchange:
    """A prompt of a public set with our reply."""
    turns: tuple[tuple[Role, str], ...] = (("user", casual(rng, prompt)), ("assistant", answer))
    return Exchange(turns=turns, thought=thought, source=name, licence=SETS[name].licence)


def _prompts(folder: Path) -> list[SafetyPrompt]:
    """What may be trained on of the public sets, in plain spelling."""
    prompts = training_prompts(safety_rows(folder))
    return [replace(each, text=plain(each.text)) for each in prompts if len(each.text) <= _MAX_PROMPT_CHARS]
