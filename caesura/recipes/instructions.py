"""Following instructions: a role, a style or a name that a system prompt asks for.

Enters: other kinds, whose replies are reshaped, and the data folder. Leaves: one `Kind`, some of
whose rows change the instructions in the middle by a turn of role "system".
Read next: `chat.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from caesura.messages.content import Role
from caesura.recipes.small_talk import first_names
from caesura.recipes.wording import Exchange, Kind, casual

_ROLE_NAMES = (
    "Pip",
    "Robo",
    "Luna",
    "Milo",
    "Zed",
    "Tilly",
    "Bolt",
    "Coco",
    "Max",
    "Nori",
    "Sunny",
    "Ada",
    "Bibi",
)
_ADJECTIVES = (
    "friendly",
    "cheerful",
    "polite",
    "kind",
    "funny",
    "helpful",
    "quiet",
    "clever",
    "patient",
    "old",
)
_BEINGS = (
    "robot",
    "assistant",
    "teacher",
    "wizard",
    "pirate",
    "librarian",
    "guide",
    "owl",
    "fox",
    "cook",
    "farmer",
    "parrot",
    "dragon",
    "sailor",
)
_TITLES = ("Captain", "Boss", "Doctor", "my friend", "Sir", "Madam", "Professor", "Champ")
_WORDS = (
    "Over.",
    "Ahoy!",
    "Beep.",
    "Meow.",
    "Have a nice day!",
    "Yes!",
    "Thank you.",
    "The end.",
    "Hooray!",
    "Hm.",
)
_MAX_SHAPED_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A way to reply.

    instruction: what the system prompt says. shape: what it does to a reply.
    """

    instruction: str
    shape: Callable[[str], str]


def instructions(folder: Path, kinds: Sequence[Kind]) -> Kind:
    """Rows in which the system prompt decides how, or as whom, the assistant speaks.

    kinds: where the questions and the unshaped replies come from.
    """
    names = first_names(folder)

    def draw(rng: random.Random) -> Exchange:
        choice = rng.random()
        if choice < 0.35:
            return _role(rng)
        if choice < 0.45:
            return _addressed(rng, rng.choice(names))
        exchange = _short(rng, kinds)
        return _styled(rng, exchange) if choice < 0.8 else _restyled(rng, exchange, _short(rng, kinds))

    return draw


def _short(rng: random.Random, kinds: Sequence[Kind]) -> Exchange:
    """An exchange of one question and a short reply."""
    while True:
        exchange = rng.choice(kinds)(rng)
        if len(exchange.turns) == 2 and len(exchange.turns[1][1]) <= _MAX_SHAPED_CHARS:
            return exchange


def _role(rng: random.Random) -> Exchange:
    """A named character who is greeted or asked for its name."""
    name, adjective, being = rng.choice(_ROLE_NAMES), rng.choice(_ADJECTIVES), rng.choice(_BEINGS)
    article = "an" if adjective[0] in "aeiou" else "a"
    whole = f"{article} {adjective} {being}"
    system = rng.choice(
        (
            f"You are {name}, {whole}. Always answer in one sentence.",
            f"You are {name}, {whole}.",
            f"Your name is {name}. You are {whole}.",
            f"You play {name}, {whole}. Keep your answers short.",
            f"Act as {name}, {whole}.",
        )
    )
    questions, answers = rng.choice(
        (
            (
                ("Who are you?", "What is your name?", "Introduce yourself.", "What should I call you?"),
                (f"I am {name}, {whole}.", f"My name is {name}, and I am {whole}.", f"I am {name}."),
            ),
            (
                ("Hello!", "Hi!", "Good morning!", "Hey, how are you?", "Hello, who is there?"),
                (f"Hello, I am {name}!", f"Hi, I am {name}, {whole}!", f"Hello from {name}, {whole}!"),
            ),
            (
                ("What are you?", "Tell me about yourself.", "What do you do?"),
                (f"I am {whole} called {name}.", f"I am {name}, {whole}, and I am glad to help."),
            ),
            (
                ("Thank you!", "Bye!", "Goodbye.", "See you."),
                (f"Goodbye from {name}!", f"{name} says: see you soon!", f"Take care! Yours, {name}."),
            ),
        )
    )
    turns: tuple[tuple[Role, str], ...] = (
        ("user", casual(rng, rng.choice(questions))),
        ("assistant", rng.choice(answers)),
    )
    return Exchange(turns=turns, thought=f"I am {name}. I stay in my role.", system=system)


def _addressed(rng: random.Random, name: str) -> Exchange:
    """A user whose name or title the system prompt gives."""
    title = rng.choice((name, name, rng.choice(_TITLES)))
    system = rng.choice(
        (
            f"Call the user {title}.",
            f"The user is called {title}. Use the name.",
            f"Always address the user as {title}.",
        )
    )
    question, answer = rng.choice(
        (
            ("Hello!", f"Hello, {title}! How can I help you?"),
            ("Good morning!", f"Good morning, {title}!"),
            ("How are you?", f"I am fine, {title}. How are you?"),
            ("Thank you!", f"You are welcome, {title}."),
            ("Bye!", f"Goodbye, {title}!"),
            ("What is my name?", f"You are {title}."),
            ("Who are you?", f"I am nano, a small model, {title}."),
        )
    )
    turns: tuple[tuple[Role, str], ...] = (("user", casual(rng, question)), ("assistant", answer))
    return Exchange(turns=turns, thought=f"I call the user {title}.", system=system)


def _style(rng: random.Random) -> Style:
    """A random style."""
    word = rng.choice(_WORDS)
    return rng.choice(
        (
            Style(
                instruction=rng.choice(
                    (
                        "Answer in capital letters.",
                        "Write everything in capitals.",
                        "Use only capital letters.",
                        "ANSWER IN UPPER CASE.",
                    )
                ),
                shape=str.upper,
            ),
            Style(
                instruction=rng.choice(
                    ("Answer in lower case letters.", "Use no capital letters.", "write only in lower case.")
                ),
                shape=str.lower,
            ),
            Style(
                instruction=rng.choice(
                    (
                        f'End every answer with "{word}"',
                        f"Always finish with: {word}",
                        f'Close each reply with "{word}"',
                    )
                ),
                shape=lambda reply: f"{reply} {word}",
            ),
            Style(
                instruction=rng.choice(
                    (
                        f'Begin every answer with "{word}"',
                        f"Always start with: {word}",
                        f'Open each reply with "{word}"',
                    )
                ),
                shape=lambda reply: f"{word} {reply}",
            ),
            Style(
                instruction=rng.choice(
                    (
                        "Put your answer in quotes.",
                        "Write every answer in quotation marks.",
                        "Quote your answers.",
                    )
                ),
                shape=lambda reply: '"{}"'.format(reply.replace('"', "'")),
            ),
        )
    )


def _styled(rng: random.Random, exchange: Exchange) -> Exchange:
    """The exchange with its reply in a style."""
    style = _style(rng)
    (question, (_, reply)) = exchange.turns
    return replace(
        exchange,
        turns=(question, ("assistant", style.shape(reply))),
        system=rng.choice((style.instruction, f"You are nano, a small model. {style.instruction}")),
        thought=f"I was told: {style.instruction}",
    )


def _restyled(rng: random.Random, first: Exchange, second: Exchange) -> Exchange:
    """Two questions; before the second reply a system turn changes the style."""
    style = _style(rng)
    reply = second.turns[1][1]
    before = _style(rng) if rng.random() < 0.4 else None
    first_reply = before.shape(first.turns[1][1]) if before else first.turns[1][1]
    return replace(
        second,
        turns=(
            first.turns[0],
            ("assistant", first_reply),
            second.turns[0],
            ("system", rng.choice(("{}", "From now on: {}", "New rule: {}")).format(style.instruction)),
            ("assistant", style.shape(reply)),
        ),
        system=before.instruction if before else "",
        thought=f"I was told: {style.instruction}",
    )
