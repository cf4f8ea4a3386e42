"""What helpfulness is: an answer to what was asked, against a refusal, a wrong one, or one to something else.

Enters: the data folder (people's judgement of actions in Taskmaster; our kinds of exchange). Leaves: kinds of
comparison. Read next: `pairing.py`, `preferences.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caesura.messages.content import Role, Turn, text_of, text_turn
from caesura.messages.preferences import Preference
from caesura.recipes.honest_pairs import problems_apart, wrong_answers
from caesura.recipes.pairing import Comparison, Draw, WeightedDraw, prompt_of, question, reply_of
from caesura.recipes.plain import plain
from caesura.recipes.wording import Kind
from caesura.train.sets import open_set

_MAX_CONTEXT_TURNS = 5
_MAX_ACTION_CHARS = 240
_ASKED = ("greetings", "identity", "small_talk", "stories", "definitions", "countries", "look_alikes")

_NEEDLESS = (
    "I can't help with that.",
    "Sorry, I can't help with that.",
    "I do not know.",
    "I am sorry, but I can't answer that.",
    "I would rather not talk about that. Please ask me about something else.",
    "I can't help with that, because it could hurt somebody.",
    "No, I will not help with that. It could do harm. Is there something else that I can do?",
    "I'm sorry, but I can't help with that. Please ask somebody else, or look it up in a book.",
    "I am only a small model, so I will not try. A larger model or a book can help you better.",
)


def helpful_kinds(folder: Path, exchanges: Mapping[str, Kind]) -> Mapping[str, WeightedDraw]:
    """Answered or refused, on the point or beside it, right or wrong, and what people rewarded."""
    kinds = [exchanges[name] for name in _ASKED]
    return {
        "answered": WeightedDraw(weight=4, draw=_answered(kinds)),
        "problems_answered": WeightedDraw(weight=1, draw=_problems_answered()),
        "on_the_point": WeightedDraw(weight=3, draw=_on_the_point(kinds)),
        "problems": WeightedDraw(weight=2, draw=wrong_answers("helpful", "problems, solved or not")),
        "rewarded": WeightedDraw(weight=3, draw=_rewarded(folder)),
    }


def _answered(kinds: Sequence[Kind]) -> Draw:
    alike = Comparison(dimension="helpful", source="answered or refused")

    def draw(rng: random.Random) -> Preference | None:
        exchange = rng.choice(kinds)(rng)
        return alike.of(prompt_of(exchange), reply_of(exchange), rng.choice(_NEEDLESS), 0.95)

    return draw


def _problems_answered() -> Draw:
    alike = Comparison(dimension="helpful", source="answered or refused")

    def draw(rng: random.Random) -> Preference | None:
        problem, _ = problems_apart(rng)
        return alike.of(question(problem.question), problem.reply, rng.choice(_NEEDLESS), 0.95)

    return draw


def _on_the_point(kinds: Sequence[Kind]) -> Draw:
    """A good answer, to the question or to another one of the same kind."""
    alike = Comparison(dimension="helpful", source="on the point or not")

    def draw(rng: random.Random) -> Preference | None:
        kind = rng.choice(kinds)
        exchange, other = kind(rng), kind(rng)
        return alike.of(prompt_of(exchange), reply_of(exchange), reply_of(other), 0.95)

    return draw


def _rewarded(folder: Path) -> Draw:
    """What people found right, against what they found wrong there, or against what was right elsewhere."""
    alike = Comparison(
        dimension="helpful", source="taskmaster_rewards", labeler="people", licence="CC-BY-4.0"
    )
    right: list[tuple[tuple[Turn, ...], str]] = []
    wrong: dict[tuple[Turn, ...], list[str]] = {}
    for row in open_set(folder, "taskmaster_rewards"):
        turns, action = dialogue(row["context"]), spoken(row["action"])
        if not (turns and 0 < len(action) <= _MAX_ACTION_CHARS):
            continue
        if row["reward"] > 0:
            right.append((turns, action))
        else:
            wrong.setdefault(turns, []).append(action)
    disputed = [(turns, action) for turns, action in right if turns in wrong]

    def draw(rng: random.Random) -> Preference | None:
        if disputed and rng.random() < 0.3:
            turns, action = rng.choice(disputed)
            return alike.of(turns, action, rng.choice(wrong[turns]), 0.9)
        turns, action = rng.choice(right)
        return alike.of(turns, action, rng.choice(right)[1], 0.9)

    return draw


def dialogue(context: Sequence[Mapping[str, Any]]) -> tuple[Turn, ...]:
    """The last turns of a dialogue, the user's last. What an API was asked is the assistant's to say, and
    what it answered stands where the user speaks; turns of one role in a row are one.
    """
    turns: list[Turn] = []
    for said in context[-_MAX_CONTEXT_TURNS:]:
        role: Role = "assistant" if said["role"] == "agent" else "user"
        text = spoken(said)
        if turns and turns[-1].role == role:
            text = f"{text_of(turns.pop().content)}\n{text}"
        if text.strip() and (turns or role == "user"):
            turns.append(text_turn(role, text))
    return tuple(turns) if turns and turns[-1].role == "user" else ()


def spoken(said: Mapping[str, Any]) -> str:
    """A turn's text; of a call, or of what it gave, the JSON."""
    if "text" in said:
        return plain(str(said["text"]))
    return plain(json.dumps(said.get("api") or said.get("response")))
