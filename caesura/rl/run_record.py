"""What a run of reinforcement writes beside its weights, and how its rate runs.

Enters: figures, the folder that a run started from. Leaves: lines of `metrics.jsonl`, the facts that a model
folder tells of itself. Read next: `reinforcement.py`.
"""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

log = logging.getLogger(__name__)


def cosine(step: int, num_steps: int, warmup_steps: int) -> float:
    """The factor on the rate: a linear rise, then (1 + cos(pi * progress)) / 2, which is 0 at the end."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def facts_of(start: Path, display_name: str) -> dict[str, Any]:
    """What the model's list says, as of the model that it started from, but for name and date."""
    path = start / "caesura.json"
    facts = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**facts, "display_name": display_name, "created_at": created}


def append_figures(path: Path, figures: dict[str, Any]) -> None:
    """A disk that is full costs the row, not the run."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")
    except OSError as error:
        log.error("metrics of step %d not written: %s", figures["step"], error)
