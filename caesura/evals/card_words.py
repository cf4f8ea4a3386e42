"""How figures read on a model card.

Enters: estimates, rows. Leaves: Markdown. Read next: `model_card.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caesura.evals.results import Provenance
from caesura.evals.statistics import Estimate


def percent(value: float) -> str:
    """A share with one decimal."""
    return f"{100 * value:.1f} %"


def with_interval(estimate: Estimate) -> str:
    """A share with its 95 % interval."""
    return f"{percent(estimate.mean)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def points(estimate: Estimate) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * estimate.mean:+.1f} points ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, the first column to the left and the others to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def command(provenance: Provenance) -> list[str]:
    """The line that gives the figures above it."""
    return ["", f"Measured by `{provenance.command}`."]
