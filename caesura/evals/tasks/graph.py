"""Graph reachability: how many places of a small directed graph can be reached from a given one?"""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_WORDINGS = (
    "One-way roads: {roads}. How many towns can you reach from town {start}, counting itself?",
    "Links lead {roads}. Starting at page {start}, how many pages can be visited, itself included?",
    "There are tunnels {roads}. How many caves can be reached from cave {start}, counting cave {start}?",
)


def _make(rng: Random, difficulty: int) -> Problem:
    num_places = 4 + difficulty
    places = rng.sample(range(1, num_places + 1), num_places)
    num_reached = rng.randrange(1, num_places + 1)
    edges = _edges(rng, places[:num_reached], places[num_reached:])
    roads = "; ".join(
        f"from {place} to {','.join(map(str, targets)) or 'nowhere'}"
        for place, targets in sorted(edges.items())
    )
    found, steps = _search(edges, places[0])
    question = rng.choice(_WORDINGS).format(roads=roads, start=places[0])
    return Problem(question=question, steps=tuple(steps), answer=str(len(found)))


def _edges(rng: Random, inside: list[int], outside: list[int]) -> dict[int, list[int]]:
    """A graph in which exactly `inside` can be reached from its first place; at most three ways out."""
    targets: dict[int, set[int]] = {place: set() for place in (*inside, *outside)}
    for position in range(1, len(inside)):
        free = [place for place in inside[:position] if len(targets[place]) < 2]
        targets[rng.choice(free)].add(inside[position])
    for place in targets:
        allowed = inside if place in inside else inside + outside
        if rng.random() < 0.5:
            targets[place] |= {rng.choice(allowed)} - {place}
    return {place: sorted(reached) for place, reached in targets.items()}


def _search(edges: dict[int, list[int]], start: int) -> tuple[list[int], list[str]]:
    """Breadth first; each line is a place, its ways out, and everything found so far in order."""
    found = [start]
    steps: list[str] = []
    for place in found:
        found.extend(target for target in edges[place] if target not in found)
        steps.append(f"{place}>{','.join(map(str, edges[place]))}:{','.join(map(str, found))}")
    steps.append(",".join(f"{place}={number}" for number, place in enumerate(found, start=1)))
    return found, steps


FAMILY = Family(name="graph", title="graph reachability", make=_make, chance=0.16)
