"""Figures with their spread.

Enters: callables, called in turn so that whatever else the machine does falls on all of them alike.
Leaves: `Figure`s, which become one row of the table and one object of the JSON line. Read next: `run.py`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, several times.

    name: what, and under which conditions.
    unit: of `ours` and `peers`.
    ours: one value a repeat.
    peer: what it is compared with; empty if nothing.
    peers: the peer's values, in the same order.
    """

    name: str
    unit: str
    ours: list[float]
    peer: str = ""
    peers: list[float] | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours over the peer's, repeat by repeat."""
        return [ours / peer for ours, peer in zip(self.ours, self.peers or [], strict=bool(self.peers))]

    def as_json(self) -> dict[str, Any]:
        """Medians, and the lowest and highest ratio."""
        body: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "ours": round(statistics.median(self.ours), 4),
            "ours_range": [round(min(self.ours), 4), round(max(self.ours), 4)],
            "repeats": len(self.ours),
        }
        if self.peers:
            body |= {
                "peer": self.peer,
                "peers": round(statistics.median(self.peers), 4),
                "ratio": round(statistics.median(self.ratios), 3),
                "ratio_range": [round(min(self.ratios), 3), round(max(self.ratios), 3)],
            }
        return body


def interleaved(repeats: int, *contenders: Callable[[], float]) -> list[list[float]]:
    """Each contender's values. Every round runs all of them, the first round, a warm-up, is dropped."""
    values: list[list[float]] = [[] for _ in contenders]
    for number in range(repeats + 1):
        for each, contender in zip(values, contenders, strict=True):
            value = contender()
            if number:
                each.append(value)
    return values


def rate(count: Callable[[], int]) -> float:
    """How many a second: runs `count`, which says how many it did."""
    start = time.perf_counter()
    done = count()
    return done / (time.perf_counter() - start)
