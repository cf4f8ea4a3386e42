"""Which problems are posed: of every kind and family, as hard as they teach most.

A group that is always solved, or never, teaches nothing. So the share of solved replies is kept for every
kind of condition, family and difficulty as a running mean, and those between a tenth and four fifths are
posed most. Which problems a step poses is a function of its number and of those means alone.
Shapes: C kinds, F families, L difficulties. Enters: a step. Leaves: `Group`s of asks. Read next:
`rollouts.py`, which answers them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from caesura.evals.tasks import FAMILIES, MAX_DIFFICULTY, Problem
from caesura.messages.content import Conversation, text_turn
from caesura.rl.rollouts import Ask, Mode

# "limited": thinking is on, and the budget is often too small; "enabled": it never is.
Kind = Literal["disabled", "limited", "enabled", "adaptive"]
KINDS: tuple[Kind, ...] = ("disabled", "limited", "enabled", "adaptive")
_MODES: dict[Kind, Mode] = {
    "disabled": "disabled",
    "limited": "enabled",
    "enabled": "enabled",
    "adaptive": "adaptive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumConfig:
    """What is posed, and how often.

    num_groups: problems a step. num_siblings: replies to each.
    shares: of the kinds; every step has each kind that has a share.
    weights: how often each family appears, relative to 1.
    expected: the share of thought-out replies that each family is believed to be solved in at first; 0.5
        where nothing is known.
    least_budget, most_budget: of the "limited" kind, drawn evenly on a logarithmic scale.
    spare_budget: the kinds that are to think to their end get so many tokens more than the written reasoning
        has characters: it has fewer tokens, so only who goes round in circles is stopped.
    num_tried: in an "adaptive" group, how many siblings open with a thought, and how many without, whatever
        the model would have chosen; the rest choose.
    lowest, highest: the pass rates between which a cell is posed with its full weight. floor: the least
        share of it, however far outside a cell lies.
    memory: the share of a new measurement in a running mean.
    seed: of the problems.
    """

    num_groups: int = 48
    num_siblings: int = 8
    shares: dict[Kind, float] = field(
        default_factory=lambda: {"disabled": 0.1, "limited": 0.15, "enabled": 0.5, "adaptive": 0.25}
    )
    weights: dict[str, float] = field(default_factory=dict[str, float])
    expected: dict[str, float] = field(default_factory=dict[str, float])
    least_budget: int = 16
    most_budget: int = 256
    spare_budget: int = 16
    num_tried: int = 2
    lowest: float = 0.1
    highest: float = 0.8
    floor: float = 0.05
    memory: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_groups < 1 or self.num_siblings < 2:
            raise ValueError(
                f"num_groups {self.num_groups} must be at least 1 and num_siblings {self.num_siblings} at "
                "least 2: a reply is compared with its siblings"
            )
        if not 0 <= self.lowest < self.highest <= 1:
            raise ValueError(f"lowest {self.lowest} and highest {self.highest} must lie within 0..1")
        if self.num_groups < sum(share > 0 for share in self.shares.values()):
            raise ValueError(f"num_groups {self.num_groups} is too few for every kind of {self.shares}")
        unknown = set(self.shares) - set(KINDS) | set(self.weights) - set(FAMILIES)
        if unknown or not sum(self.shares.values()) > 0:
            raise ValueError(
                f"shares {self.shares}, weights {self.weights}: unknown {sorted(unknown)} or empty"
            )


class Cell(NamedTuple):
    """Where a group belongs in the running means."""

    kind: Kind
    family: str
    difficulty: int

    @property
    def place(self) -> tuple[int, int, int]:
        """Its place in the means."""
        return KINDS.index(self.kind), list(FAMILIES).index(self.family), self.difficulty - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One problem and the asks of all siblings. id: unique in a run. cell: see there."""

    id: str
    cell: Cell
    problem: Problem
    asks: tuple[Ask, ...]


def first_rates(config: CurriculumConfig) -> Tensor:
    """(C, F, L): what is believed before anything is measured."""
    rates_CFL = torch.full((len(KINDS), len(FAMILIES), MAX_DIFFICULTY), 0.5)
    for kind in ("enabled", "adaptive"):
        for number, family in enumerate(FAMILIES):
            rates_CFL[KINDS.index(kind), number] = config.expected.get(family, 0.5)
    return rates_CFL


def updated_rates(rates_CFL: Tensor, passed: Iterable[tuple[Cell, float]], memory: float) -> Tensor:
    """With the share of solved replies of each group taken in, in order."""
    rates_CFL = rates_CFL.clone()
    for cell, share in passed:
        rates_CFL[cell.place] += memory * (share - rates_CFL[cell.place])
    return rates_CFL


def cell_weight(rate: float, config: CurriculumConfig) -> float:
    """1 between `lowest` and `highest`, from there falling evenly to `floor` at 0 and at 1."""
    if rate < config.lowest:
        inside = rate / config.lowest
    elif rate > config.highest:
        inside = (1 - rate) / (1 - config.highest) if config.highest < 1 else 1.0
    else:
        inside = 1.0
    return config.floor + (1 - config.floor) * inside


def groups(step: int, rates_CFL: Tensor, config: CurriculumConfig, *, tag: str = "") -> list[Group]:
    """The step's groups, kind after kind. tag: another one poses other problems."""
    rng = Random(f"curriculum/{config.seed}/{step}/{tag}")
    result: list[Group] = []
    for kind, count in kind_counts(config).items():
        cells = [Cell(kind, family, level + 1) for family in FAMILIES for level in range(MAX_DIFFICULTY)]
        weights = [
            config.weights.get(cell.family, 1.0) * cell_weight(float(rates_CFL[cell.place]), config)
            for cell in cells
        ]
        for cell in rng.choices(cells, weights, k=count):
            result.append(_group(f"{step}{tag}/{len(result)}", cell, rng, config))
    return result


def kind_counts(config: CurriculumConfig) -> dict[Kind, int]:
    """How many groups of each kind: one for each that has a share, the others for whoever lacks most."""
    total = sum(config.shares.values())
    wanted: dict[Kind, float] = {
        kind: config.num_groups * share / total for kind, share in config.shares.items() if share
    }
    counts: dict[Kind, int] = {kind: int(kind in wanted) for kind in KINDS}
    for _ in range(config.num_groups - len(wanted)):
        counts[max(wanted, key=lambda kind: wanted[kind] - counts[kind])] += 1
    return counts


def _group(id: str, cell: Cell, rng: Random, config: CurriculumConfig) -> Group:
    problem = FAMILIES[cell.family].problem(f"rl/{config.seed}/{id}", cell.difficulty, is_held_out=False)
    budget = _budget(cell.kind, problem, rng, config)
    conversation = Conversation(turns=(text_turn("user", problem.question),))
    asks = tuple(
        Ask(
            id=f"{id}/{number}",
            conversation=conversation,
            mode=_MODES[cell.kind],
            budget=budget,
            seed=rng.getrandbits(63),
            opening=_tried(cell.kind, number, config.num_tried),
        )
        for number in range(config.num_siblings)
    )
    return Group(id=id, cell=cell, problem=problem, asks=asks)


def _budget(kind: Kind, problem: Problem, rng: Random, config: CurriculumConfig) -> int:
    if kind == "disabled":
        return 0
    if kind == "limited":
        low, high = math.log(config.least_budget), math.log(config.most_budget)
        return round(math.exp(rng.uniform(low, high)))
    return len(problem.thinking) + config.spare_budget


def _tried(kind: Kind, number: int, num_tried: int) -> Literal["think", "answer"] | None:
    if kind != "adaptive" or number >= 2 * num_tried:
        return None
    return "think" if number < num_tried else "answer"
