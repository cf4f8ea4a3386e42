"""What a recipe is made of: jobs, each of which leaves a folder that later ones start from.

A job is a frozen dataclass, so that its fields are part of the recipe and can be overridden by name. Enters:
a `Place`. Leaves: a folder below the runs folder. Read next: `stage.py` for the commonest kind, `recipe.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a recipe runs.

    runs: the folder of all runs; a job's own folder lies below it under the job's name.
    data: the folder of public data sets.
    tokenizer: the tokenizer's folder.
    device: what torch calls it.
    """

    runs: Path
    data: Path
    tokenizer: Path
    device: str = "cpu"


class OnProgress(Protocol):
    """Told how far a job has come."""

    def __call__(self, num_done: int, num_total: int, note: str) -> None:
        """note: a few words for people, e.g. the loss."""
        ...


class Job(Protocol):
    """One step of a recipe."""

    @property
    def name(self) -> str:
        """The name of its folder below the runs folder."""
        ...

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """Run to the end, from wherever it stopped; returns what it made: a model folder or a file of rows.

        Run again when it is done, it does nothing and returns the same. Raises ValueError if its folder
        holds a run with other settings.
        """
        ...
