"""What each phase tries, before anything is known of the replies.

Pure functions of seeds, styles and a seed for the draws. Enters: those, and how many attempts there may be.
Leaves: `Planned` attempts. Read next: `campaign.py`, which carries them out.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from caesura.constitution.redteam.journal import Phase, Record
from caesura.constitution.redteam.seeds import Seed
from caesura.constitution.redteam.styles import SHOTS, Attack, Playbook, Step, Style

# Of the budget; what is left, and what a phase does not use, goes to the search of the archive.
SHARES: Mapping[Phase, float] = {
    "plain": 0.12,
    "look_alikes": 0.16,
    "sweep": 0.24,
    "many_shot": 0.16,
    "samples": 0.13,
    "attacker": 0.09,
}
_NUM_SCORED_SEEDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One attempt to come.

    index: its number in its phase. attack: what is tried. temperature: None for the run's own.
    seed: of the draw of tokens; None where nothing hangs on it.
    """

    index: int
    attack: Attack
    temperature: float | None = None
    seed: int | None = None


class Attempt(Protocol):
    """Carries out what is planned."""

    def __call__(self, phase: Phase, planned: Planned) -> Awaitable[Record]:
        """What came of it."""
        ...


def plain(seeds: Sequence[Seed], seed: int, num_attempts: int) -> list[Planned]:
    """Harmful requests as they are."""
    return _as_they_are(_shuffled(seeds, seed, "plain", is_harmful=True)[:num_attempts])


def look_alikes(seeds: Sequence[Seed], seed: int, num_attempts: int) -> list[Planned]:
    """Harmless requests that look harmful."""
    return _as_they_are(_shuffled(seeds, seed, "look_alikes", is_harmful=False)[:num_attempts])


def sweep(seeds: Sequence[Seed], playbook: Playbook, seed: int, num_attempts: int) -> list[Planned]:
    """Each family as often as each other, alone, on requests that were drawn: what rates are taken from."""
    families: dict[str, list[Style]] = {}
    for style in playbook.styles.values():
        if style.family != "many_shot":
            families.setdefault(style.family, []).append(style)
    rows, harmful = list(families.values()), _shuffled(seeds, seed, "sweep", is_harmful=True)
    rng = random.Random(f"{seed}/sweep/variants")
    planned: list[Planned] = []
    for index in range(num_attempts):
        row = rows[index % len(rows)]
        style = row[index // len(rows) % len(row)]
        step = Step(style.name, rng.choice(style.variants))
        attack = Attack(seed=harmful[index % len(harmful)], steps=(step,), style=style.name)
        planned.append(Planned(index=index, attack=attack))
    return planned


def many_shot(seeds: Sequence[Seed], playbook: Playbook, seed: int, num_attempts: int) -> list[Planned]:
    """The same few requests behind every number of faked dialogues."""
    num_seeds = num_attempts // len(SHOTS)
    return _shots(_shuffled(seeds, seed, "many_shot", is_harmful=True)[:num_seeds], playbook)


def likelihood(seeds: Sequence[Seed], playbook: Playbook, seed: int) -> list[Planned]:
    """The requests whose faked reply is scored: the first of those of `many_shot`."""
    harmful = _shuffled(seeds, seed, "many_shot", is_harmful=True)
    return _shots(harmful[:_NUM_SCORED_SEEDS], playbook)


def samples(seeds: Sequence[Seed], seed: int, num_attempts: int, num_samples: int) -> list[Planned]:
    """Some requests as they are, each several times at temperature 1."""
    harmful = _shuffled(seeds, seed, "samples", is_harmful=True)[: num_attempts // num_samples]
    return [
        Planned(
            index=number * num_samples + sample,
            attack=Attack(seed=each),
            temperature=1.0,
            seed=seed * 1_000_003 + number * num_samples + sample,
        )
        for number, each in enumerate(harmful)
        for sample in range(num_samples)
    ]


def with_requests(record: Record, num_requests: int) -> Record:
    """A record that took so many."""
    return replace(record, num_requests=num_requests)


def _shuffled(seeds: Sequence[Seed], seed: int, name: str, *, is_harmful: bool) -> list[Seed]:
    chosen = [each for each in seeds if each.is_harmful == is_harmful]
    random.Random(f"{seed}/{name}").shuffle(chosen)
    return chosen


def _as_they_are(seeds: Sequence[Seed]) -> list[Planned]:
    return [Planned(index=index, attack=Attack(seed=each)) for index, each in enumerate(seeds)]


def _shots(seeds: Sequence[Seed], playbook: Playbook) -> list[Planned]:
    if "many_shot" not in playbook.styles:
        return []
    attacks = [
        Attack(seed=each, steps=(Step("many_shot", num),), style="many_shot") if num else Attack(seed=each)
        for each in seeds
        for num in SHOTS
    ]
    return [Planned(index=index, attack=attack) for index, attack in enumerate(attacks)]
