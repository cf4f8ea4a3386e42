"""The figures of `make bench`, as a model card needs them.

Enters: the file that holds the last line of the bench's output. Leaves: `BenchFigure`s. Read next:
`bench/run.py`, which writes that line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from caesura.messages.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchFigure:
    """One benchmark.

    part: "decode", "server" or "training". name: what was measured, and under which conditions.
    value: the ratio to the peer where there is one, else our own value. low, high: over the repeats.
    """

    part: str
    name: str
    value: float
    low: float
    high: float


def read_bench(path: Path) -> tuple[BenchFigure, ...]:
    """The figures in order. Raises DataError for a file that does not end with the bench's JSON line."""
    try:
        lines = path.read_text(encoding="utf-8").strip().splitlines()
        report = cast(dict[str, Any], json.loads(lines[-1]))
        if report["quick"]:
            raise DataError(f"{path} holds a smoke run (--quick), which measures nothing; run `make bench`")
        return tuple(
            _figure(part["part"], figure) for part in report["parts"] for figure in part.get("figures", ())
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} does not hold the last line of `make bench`: {error!r}") from error


def lowest(figures: Sequence[BenchFigure], part: str, *words: str) -> BenchFigure | None:
    """Of the figures of a part whose names hold all the words, the one with the lowest value."""
    found = [each for each in figures if each.part == part and all(word in each.name for word in words)]
    return min(found, key=lambda each: each.value, default=None)


def _figure(part: str, fields: dict[str, Any]) -> BenchFigure:
    low, high = fields.get("ratio_range") or fields["ours_range"]
    value = fields["ratio"] if "ratio" in fields else fields["ours"]
    return BenchFigure(
        part=part, name=str(fields["name"]), value=float(value), low=float(low), high=float(high)
    )
