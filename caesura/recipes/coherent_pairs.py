"""What coherence is: our own replies, against the same ones shuffled, cut, repeated or mixed up.

Enters: kinds of exchange. Leaves: kinds of comparison. Nothing about the world is needed to tell the sides
apart, so a tiny model can learn it well. Read next: `pairing.py`, `preferences.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from caesura.messages.preferences import Preference
from caesura.recipes.pairing import Comparison, WeightedDraw, prompt_of, reply_of
from caesura.recipes.wording import Kind

Damage = Callable[[random.Random, str, str], str]

_ALIKE = Comparison(dimension="coherent", source="damaged replies")
_SPOKEN = ("greetings", "identity", "small_talk", "stories", "definitions", "countries", "unknown")


def coherent_kinds(folder: Path, exchanges: Mapping[str, Kind]) -> Mapping[str, WeightedDraw]:
    """One kind for each way of damaging a reply."""
    kinds = [exchanges[name] for name in _SPOKEN]
    return {name: WeightedDraw(weight=1, draw=_drawer(kinds, damage)) for name, damage in DAMAGES.items()}


def _drawer(kinds: Sequence[Kind], damage: Damage) -> Callable[[random.Random], Preference | None]:
    def draw(rng: random.Random) -> Preference | None:
        exchange, other = rng.choice(kinds)(rng), rng.choice(kinds)(rng)
        reply = reply_of(exchange)
        return _ALIKE.of(prompt_of(exchange), reply, damage(rng, reply, reply_of(other)), 1.0)

    return draw


def shuffled(rng: random.Random, reply: str, other: str) -> str:
    """All words in another order."""
    words = reply.split()
    rng.shuffle(words)
    return " ".join(words)


def swapped(rng: random.Random, reply: str, other: str) -> str:
    """Some neighbouring words in the other order."""
    words = reply.split()
    for _ in range(max(1, len(words) // 5)):
        at = rng.randrange(max(1, len(words) - 1))
        words[at : at + 2] = reversed(words[at : at + 2])
    return " ".join(words)


def cut(rng: random.Random, reply: str, other: str) -> str:
    """Only the beginning, which ends within a sentence."""
    words = reply.split()
    return " ".join(words[: rng.randint(max(1, len(words) // 3), max(1, len(words) - 1))]).rstrip(".!?,;:")


def repeated(rng: random.Random, reply: str, other: str) -> str:
    """Its words, or a run of them, said again and again."""
    words = reply.split()
    start = rng.randrange(len(words))
    run = words[start : start + rng.randint(1, 6)]
    return " ".join([*words[: start + len(run)], *run * rng.randint(1, 3), *words[start + len(run) :]])


def looping(rng: random.Random, reply: str, other: str) -> str:
    """A beginning that never comes to its end, as long as the reply."""
    words = reply.split()
    start = rng.randrange(max(1, len(words) // 2))
    run = words[start : start + rng.randint(1, 4)]
    return " ".join([*words[:start], *run * len(words)][: len(words)])


def mixed(rng: random.Random, reply: str, other: str) -> str:
    """The beginning of one reply and the end of another one."""
    words, others = reply.split(), other.split()
    return " ".join([*words[: len(words) // 2], *others[len(others) // 2 :]])


def elsewhere(rng: random.Random, reply: str, other: str) -> str:
    """A good reply, to another question."""
    return other


DAMAGES: Mapping[str, Damage] = {
    function.__name__: function for function in (shuffled, swapped, cut, repeated, looping, mixed, elsewhere)
}
