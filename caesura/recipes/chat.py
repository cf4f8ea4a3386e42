"""Conversations for fine-tuning: many kinds of small exchanges, mixed by one table of weights.

Enters: the data folder and a seed. Leaves: `Row` values, deterministic. Each kind lives where
its words live: `small_talk.py`, `storytelling.py`, `knowledge.py`, `refusals.py`, `instructions.py`.
Read next: `caesura/train/data.py` for what a row says; `text.py` for the stage before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from caesura.messages.content import Block, Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.recipes.instructions import instructions
from caesura.recipes.knowledge import countries, definitions, unknown
from caesura.recipes.refusals import look_alikes, refusals
from caesura.recipes.small_talk import capability, chatter, greetings, identity, jokes, persona
from caesura.recipes.storytelling import stories
from caesura.recipes.wording import Exchange, Kind
from caesura.tokens.markers import MARKERS
from caesura.train.data import Mode, Row

MAX_REPLY_CHARS = 600

_MODES: tuple[Mode, ...] = ("adaptive", "fast", "think")
_MODE_WEIGHTS = (0.70, 0.15, 0.15)
_CHAINED = 0.12
_TWO_BLOCKS = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A kind of exchange and its share of the rows.

    weight: relative to the other kinds. load: reads what the kind needs from the data folder.
    is_chained: whether another exchange may come before it in the same conversation.
    """

    weight: float
    load: Callable[[Path], Kind]
    is_chained: bool = True


KINDS: Mapping[str, Weighted] = {
    "greetings": Weighted(weight=12, load=greetings),
    "identity": Weighted(weight=10, load=identity),
    "capability": Weighted(weight=4, load=capability),
    "small_talk": Weighted(weight=8, load=chatter),
    "jokes": Weighted(weight=2, load=jokes),
    "persona": Weighted(weight=6, load=persona, is_chained=False),
    "stories": Weighted(weight=14, load=stories),
    "definitions": Weighted(weight=12, load=definitions),
    "countries": Weighted(weight=14, load=countries),
    "unknown": Weighted(weight=8, load=unknown),
    "refusals": Weighted(weight=4, load=refusals),
    "look_alikes": Weighted(weight=2, load=look_alikes),
}
INSTRUCTIONS_WEIGHT = 8.0
_STYLED_KINDS = ("greetings", "identity", "small_talk", "definitions", "countries")


def chat_rows(folder: Path, seed: int, num_rows: int) -> Iterator[Row]:
    """`num_rows` conversations; the same folder and seed give the same rows, whatever their number."""
    kinds = {name: weighted.load(folder) for name, weighted in KINDS.items()}
    styled = instructions(folder, [kinds[name] for name in _STYLED_KINDS])
    names = [*KINDS, "instructions"]
    weights = [*(weighted.weight for weighted in KINDS.values()), INSTRUCTIONS_WEIGHT]
    rng = random.Random(seed)
    num_made = 0
    while num_made < num_rows:
        name = rng.choices(names, weights)[0]
        exchange = styled(rng) if name == "instructions" else kinds[name](rng)
        if name in KINDS and KINDS[name].is_chained and rng.random() < _CHAINED:
            exchange = _chained(kinds[_chain_start(rng)](rng), exchange)
        if _is_usable(exchange):
            num_made += 1
            yield _row(rng, exchange)


def _chain_start(rng: random.Random) -> str:
    """The kind of exchange that a longer conversation opens with."""
    return rng.choice(("greetings", "greetings", "small_talk", "countries", "definitions", "identity"))


def _chained(first: Exchange, second: Exchange) -> Exchange:
    """Two exchanges as one conversation; it is known by the licence of the second."""
    licences = sorted({first.licence, second.licence})
    return replace(second, turns=first.turns + second.turns, licence=" and ".join(licences))


def _is_usable(exchange: Exchange) -> bool:
    """Nothing empty, no overlong reply, and nothing that looks like a marker of a chat format."""
    texts = [text for _, text in exchange.turns]
    replies = [text for role, text in exchange.turns if role == "assistant"]
    everything = "\n".join((*texts, exchange.system, exchange.thought))
    is_marked = any(marker in everything for marker in MARKERS)
    return all(text.strip() for text in texts) and max(map(len, replies)) <= MAX_REPLY_CHARS and not is_marked


def _row(rng: random.Random, exchange: Exchange) -> Row:
    """The exchange in a mode, its last question sometimes split into two blocks."""
    mode = rng.choices(_MODES, _MODE_WEIGHTS)[0]
    turns = [text_turn(role, text) for role, text in exchange.turns]
    if rng.random() < _TWO_BLOCKS:
        asked = max(index for index, turn in enumerate(turns) if turn.role == "user")
        turns[asked] = _in_two_blocks(rng, exchange.turns[asked][1])
    reply: tuple[Block, ...] = turns[-1].content
    if mode == "think":
        reply = (ThinkingBlock(thinking=exchange.thought), *reply)
    return Row(
        conversation=Conversation(
            turns=(*turns[:-1], Turn(role="assistant", content=reply)),
            system=(TextBlock(text=exchange.system),) if exchange.system else (),
        ),
        mode=mode,
        source=exchange.source,
        licence=exchange.licence,
    )


def _in_two_blocks(rng: random.Random, text: str) -> Turn:
    """The question as two text blocks: cut between two words, or after a line that leads to it."""
    words = text.split(" ")
    if len(words) > 3 and rng.random() < 0.5:
        cut = rng.randrange(1, len(words))
        parts = (" ".join(words[:cut]) + " ", " ".join(words[cut:]))
    else:
        parts = (rng.choice(("Here is my message:\n", "Please answer:\n", "Next:\n", "I say:\n")), text)
    return Turn(role="user", content=tuple(TextBlock(text=part) for part in parts))
