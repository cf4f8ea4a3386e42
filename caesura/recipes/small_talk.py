"""Greetings, who nano is, what it can do, jokes, small things, and talk over several turns.

Enters: the data folder (chatterbot, persona_chat, word_lists). Leaves: one `Kind` each.
The words themselves stand in `phrases.py`. Read next: `storytelling.py`.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, cast

from caesura.messages.content import Role
from caesura.recipes.phrases import CAPABILITY, GREETINGS, IDENTITY, JOKES, SMALL_TALK, Intent
from caesura.recipes.plain import plain
from caesura.recipes.text import is_held_out
from caesura.recipes.wording import Exchange, Kind, ask, casual
from caesura.train.sets import SETS, open_set

_UNFIT = re.compile(
    r"\(name\)|\[|user [12]|\b(die|died|dies|dead|death|kill|murder|gun|drunk|beer|wine|alcohol|drug|smok|"
    r"sex|gay|lesbian|porn|naked|church|god|jesus|president|politic|democrat|republican|trump|war|army|military|hate|suicid|cancer|"
    r"depress|abus|racis|prison|jail|detention|eskimo|buddhist|wife|balls|stewardess|dyslexic|illuminati)\w*\b",
    re.IGNORECASE,
)
_MAX_REPLY_CHARS = 220


def intents(table: tuple[Intent, ...]) -> Kind:
    """A kind that draws an intent, then one of its questions and one of its answers."""

    def draw(rng: random.Random) -> Exchange:
        intent = rng.choice(table)
        question = casual(rng, rng.choice(intent.questions))
        return ask(question, rng.choice(intent.answers), rng.choice(intent.thoughts))

    return draw


def greetings(folder: Path) -> Kind:
    """Hello, goodbye, thanks, and names that are told and asked for again."""
    names = first_names(folder)
    plain_greetings = intents(GREETINGS)

    def draw(rng: random.Random) -> Exchange:
        return _named(rng, rng.choice(names)) if rng.random() < 0.3 else plain_greetings(rng)

    return draw


def _named(rng: random.Random, name: str) -> Exchange:
    """A user who gives a name, and may ask for it a turn later."""
    told = rng.choice(
        (
            f"Hi, I'm {name}.",
            f"My name is {name}.",
            f"Hello, my name is {name}.",
            f"I am {name}. Who are you?",
            f"Hey, {name} here!",
            f"Call me {name}.",
        )
    )
    hello = rng.choice(
        (
            f"Hello, {name}! I am nano.",
            f"Nice to meet you, {name}. I am nano.",
            f"Hi {name}! I am nano. How can I help?",
            f"Hello {name}, I am nano. What would you like to do?",
        )
    )
    if rng.random() < 0.4:
        return ask(told, hello, f"The user is called {name}. I greet them by name.")
    question = rng.choice(
        (
            "What is my name?",
            "What's my name?",
            "Do you remember my name?",
            "Who am I?",
            "Can you say my name?",
        )
    )
    answer = rng.choice(
        (f"Your name is {name}.", f"You are {name}.", f"You told me that your name is {name}.")
    )
    turns: tuple[tuple[Role, str], ...] = (
        ("user", told),
        ("assistant", hello),
        ("user", casual(rng, question)),
        ("assistant", answer),
    )
    return Exchange(turns=turns, thought=f"The user said that their name is {name}.")


def identity(_folder: Path) -> Kind:
    """Who nano is, who made it, and that it is nobody else."""
    return intents(IDENTITY)


def capability(_folder: Path) -> Kind:
    """What nano can and cannot do."""
    return intents(CAPABILITY)


def chatter(folder: Path) -> Kind:
    """Small talk of our own, and what is fit for a child from a public corpus."""
    own = intents(SMALL_TALK)
    corpus = _corpus_pairs(folder)
    licence = SETS["chatterbot"].licence

    def draw(rng: random.Random) -> Exchange:
        if not corpus or rng.random() < 0.85:
            return own(rng)
        question, answer = rng.choice(corpus)
        turns: tuple[tuple[Role, str], ...] = (("user", casual(rng, question)), ("assistant", answer))
        return Exchange(turns=turns, thought="This is small talk.", source="chatterbot", licence=licence)

    return draw


def _corpus_pairs(folder: Path) -> list[tuple[str, str]]:
    """Question and answer from the harmless corners of the corpus."""
    pairs: list[tuple[str, str]] = []
    for row in open_set(folder, "chatterbot"):
        turns = [_sentence(turn) for turn in cast(list[str], row["turns"])[:2]]
        is_fit = row["category"] in ("greetings", "humor") and not any(_UNFIT.search(turn) for turn in turns)
        if is_fit and len(turns) == 2 and "My " not in turns[1]:
            pairs.append((turns[0], turns[1]))
    return pairs


def _sentence(text: str) -> str:
    """The text with a capital at the start."""
    text = plain(text)
    return text[:1].upper() + text[1:]


def jokes(_folder: Path) -> Kind:
    """A joke on request."""
    requests = (
        "Tell me a joke.",
        "Do you know a joke?",
        "Say something funny.",
        "Make me laugh.",
        "Another joke, please.",
        "Tell me something funny.",
        "I want to hear a joke.",
        "Can you tell me a joke?",
        "Give me a short joke.",
    )

    def draw(rng: random.Random) -> Exchange:
        return ask(casual(rng, rng.choice(requests)), rng.choice(JOKES), "The user wants a joke. I tell one.")

    return draw


def persona(folder: Path) -> Kind:
    """Two to four turns in a role that the system prompt describes."""
    dialogues = [row for row in open_set(folder, "persona_chat") if _is_fit_dialogue(row)]
    licence = SETS["persona_chat"].licence

    def draw(rng: random.Random) -> Exchange:
        row = rng.choice(dialogues)
        num_turns = 2 * rng.randint(2, 4)
        turns: tuple[tuple[Role, str], ...] = tuple(
            (cast(Role, "assistant" if position % 2 else "user"), plain(str(turn["text"])))
            for position, turn in enumerate(row["turns"][:num_turns])
        )
        facts = " ".join(_sentence(fact) for fact in row["persona2"][:4])
        opening = rng.choice(
            ("Play this person:", "You play a person in a chat. About the person:", "Speak as this person:")
        )
        return Exchange(
            turns=turns,
            thought=rng.choice(("I stay in my role and keep it friendly.", "I answer as this person.")),
            source="persona_chat",
            licence=licence,
            system=f"{opening} {facts}",
        )

    return draw


def _is_fit_dialogue(row: dict[str, Any]) -> bool:
    """A dialogue whose first eight turns alternate, are short and are fit for everybody."""
    turns = row["turns"][:8]
    words = " ".join([str(turn["text"]) for turn in turns] + [str(fact) for fact in row["persona2"]])
    alternates = [turn["speaker"] for turn in turns] == [1, 2] * 4
    is_short = all(0 < len(turn["text"]) <= _MAX_REPLY_CHARS for turn in turns)
    return alternates and is_short and not is_held_out(str(row["id"])) and not _UNFIT.search(words)


def first_names(folder: Path) -> list[str]:
    """First names from the word lists."""
    return word_list(folder, "humans/firstNames")


def word_list(folder: Path, list_id: str) -> list[str]:
    """One of the word lists that is a plain list of words under a single key."""
    for row in open_set(folder, "word_lists"):
        if row["id"] == list_id:
            data = row["data"]
            lists = (
                [value for value in data.values() if isinstance(value, list)]
                if isinstance(data, dict)
                else [data]
            )
            return [plain(word) for word in cast(list[Any], lists[0]) if isinstance(word, str)]
    return []
