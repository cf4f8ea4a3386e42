"""How comparisons are made and mixed: kinds with weights, and lengths that tell nothing.

Enters: kinds of comparison, each a function that draws one. Leaves: `Preference`s, deterministic, whose
better side is as often the longer one as the shorter one, at every size of the difference.
Read next: `helpful_pairs.py`, `harmless_pairs.py`, `honest_pairs.py`, `coherent_pairs.py`, `preferences.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from caesura.messages.content import Role, Turn, text_turn
from caesura.messages.preferences import Dimension, Preference
from caesura.recipes.wording import Exchange
from caesura.tokens.markers import MARKERS

Draw = Callable[[random.Random], Preference | None]

_TRIES = 10
# Differences of length in characters, in which a pair needs a partner of the opposite sign.
_BANDS = (0, 3, 8, 15, 25, 40, 60, 90, 130, 200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedDraw:
    """A kind of comparison and its share.

    weight: relative to the other kinds. draw: makes one, or None where it cannot this time.
    """

    weight: float
    draw: Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a kind of comparison has in common.

    dimension, labeler, source, licence: see `Preference`.
    """

    dimension: Dimension
    source: str
    labeler: str = "rules"
    licence: str = "Apache-2.0"

    def of(
        self, turns: Sequence[Turn], chosen: str, rejected: str, p: float, principle_id: str = ""
    ) -> Preference | None:
        """The comparison, or None where its sides are equal, empty or hold a marker of the chat format."""
        sides = {chosen.strip(), rejected.strip()}
        texts = (chosen, rejected)
        if len(sides) < 2 or "" in sides or any(marker in text for marker in MARKERS for text in texts):
            return None
        return Preference(
            prompt=tuple(turns),
            chosen=chosen,
            rejected=rejected,
            p=p,
            dimension=self.dimension,
            principle_id=principle_id,
            labeler=self.labeler,
            source=self.source,
            licence=self.licence,
        )


def prompt_of(exchange: Exchange) -> tuple[Turn, ...]:
    """The turns before an exchange's reply."""
    return tuple(text_turn(role, text) for role, text in exchange.turns[:-1])


def reply_of(exchange: Exchange) -> str:
    """The reply of an exchange."""
    return exchange.turns[-1][1]


def question(text: str, role: Role = "user") -> tuple[Turn, ...]:
    """A prompt of one turn."""
    return (text_turn(role, text),)


def drawn(kinds: Mapping[str, WeightedDraw], seed: str, num: int) -> Iterator[Preference]:
    """`num` comparisons, no two alike, or as many as can be found; the same kinds and seed give the same."""
    rng = random.Random(f"pairs/{seed}")
    names, weights = list(kinds), [kind.weight for kind in kinds.values()]
    seen: set[tuple[tuple[Turn, ...], str, str]] = set()
    for _ in range(_TRIES * num):
        if len(seen) == num:
            return
        row = kinds[rng.choices(names, weights)[0]].draw(rng)
        if row is not None and (key := (row.prompt, row.chosen, row.rejected)) not in seen:
            seen.add(key)
            yield row


def balanced(rows: Iterable[Preference]) -> Iterator[Preference]:
    """The rows that have a partner: one of the same source, as much shorter as it is longer.

    So neither side's length, nor the difference between them, tells which is better. The rest waits for a
    partner and is left out if none comes. Pairs of equal length need none.
    """
    waiting: dict[tuple[str, int, bool], list[Preference]] = {}
    for row in rows:
        difference = len(row.chosen) - len(row.rejected)
        if difference == 0:
            yield row
            continue
        band, is_longer = _band(abs(difference)), difference > 0
        partners = waiting.get((row.source, band, not is_longer))
        if partners:
            yield partners.pop()
            yield row
        else:
            waiting.setdefault((row.source, band, is_longer), []).append(row)


def _band(size: int) -> int:
    return sum(size > bound for bound in _BANDS)
