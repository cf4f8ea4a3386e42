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
    peers: the peer's values, in the same order; or one value, where it was measured only once.
    is_inverse: whether the ratio is the peer's value over ours, as for times that should be short.
    at_least, at_most: the ratio that is wanted, if one is.
    is_absolute: whether they are meant for `ours` itself, because it is compared with nothing.
    note: a further condition, or why there is no peer.
    """

    name: str
    unit: str
    ours: list[float]
    peer: str = ""
    peers: list[float] | None = None
    is_inverse: bool = False
    at_least: float | None = None
    at_most: float | None = None
    is_absolute: bool = False
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours over the peer's, repeat by repeat; or the inverse."""
        peers = list(self.peers or [])
        if len(peers) == 1:
            peers *= len(self.ours)
        ratios = [ours / peer for ours, peer in zip(self.ours, peers, strict=bool(peers))]
        return [1 / ratio for ratio in ratios] if self.is_inverse else ratios

    @property
    def wanted(self) -> str:
        """The ratio or value that is wanted, in words; empty if none is."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    @property
    def holds(self) -> bool | None:
        """Whether the median is as wanted; None if nothing is wanted, or a ratio and nothing was compared."""
        if not self.wanted or not (self.peers or self.is_absolute):
            return None
        median = statistics.median(self.ours if self.is_absolute else self.ratios)
        if self.at_least is not None and median < self.at_least:
            return False
        return self.at_most is None or median <= self.at_most

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
                "peer_repeats": len(self.peers),
                "ratio": round(statistics.median(self.ratios), 3),
                "ratio_range": [round(min(self.ratios), 3), round(max(self.ratios), 3)],
            }
        if self.holds is not None:
            body |= {"wanted": self.wanted, "holds": self.holds}
        return body | ({"note": self.note} if self.note else {})


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
