"""Where rows of metrics go: a JSONL file first, TensorBoard as a view of it.

Enters: rows such as `Metrics`. Leaves: `metrics.jsonl`, and event files if TensorBoard is installed
(`tensorboard --logdir runs`). Read next: `loop.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)


class MetricsRow(Protocol):
    """A NamedTuple of numbers, one of which is the step."""

    @property
    def step(self) -> int:
        """Steps done."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


def _numbers(row: MetricsRow) -> dict[str, float]:
    """The fields by name. Every NamedTuple has `_asdict`; its underscore only keeps it apart from fields."""
    return row._asdict()  # pyright: ignore[reportPrivateUsage]


View = Callable[[MetricsRow], None]


def metrics_views(folder: Path) -> tuple[View, ...]:
    """The views of a run in `folder`."""
    file = metrics_file(folder / "metrics.jsonl")
    if find_spec("tensorboard") is None:
        return (file,)
    return (file, tensorboard_view(folder / "tensorboard"))


def metrics_file(path: Path) -> View:
    """Appends each row as a JSON line. A disk that is full costs the row, not the run."""

    def write(row: MetricsRow) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({k: round(v, 6) for k, v in _numbers(row).items()}) + "\n")
        except OSError as error:
            log.error("metrics of step %d not written: %s", row.step, error)

    return write


def tensorboard_view(folder: Path) -> View:
    """One scalar a field and step."""
    # An optional package that takes a second to import.
    from torch.utils.tensorboard.writer import SummaryWriter

    writer = SummaryWriter(str(folder))

    def write(row: MetricsRow) -> None:
        for name, value in _numbers(row).items():
            if name != "step":
                writer.add_scalar(name, value, row.step)
        writer.flush()

    return write
